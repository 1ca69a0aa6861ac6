# The terminal holder as a package, out of nixpkgs or of the set out of Debian packages, by the set's own gcc.
{
  runCommand,
  gcc,
}:
let
  source = builtins.path {
    path = ./.;
    name = "nixws-terminals-source";
    filter =
      path: type:
      type == "regular" && builtins.match ".*\\.[ch]" path != null && baseNameOf path != "open_at_once.c";
  };
in
runCommand "nixws-terminals" { } ''
  mkdir -p $out/bin
  cd ${source}
  ${gcc}/bin/gcc -std=c11 -O2 -o $out/bin/nixws-terminals \
    holder.c loop.c frames.c ring.c news.c send.c title.c marks.c spawn.c terminal.c client.c life.c upgrade.c
''
