# What keeps a workspace's SFTP server from waiting for what it opens, see open_at_once.c.
{
  runCommand,
  gcc,
}:
runCommand "nixws-open-at-once" { } ''
  mkdir -p $out/lib
  ${gcc}/bin/gcc -std=c11 -O2 -fPIC -shared -o $out/lib/open_at_once.so ${./open_at_once.c}
''
