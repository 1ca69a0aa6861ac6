# A unit is one store path made out of one or more Debian packages: unpacked into bin, lib, share, ... and patched so that
# it finds its dynamic linker, its libraries and its shell in the store.
{
  lock,
  packages,
  lib,
  build,
}:
let
  triplet = "x86_64-linux-gnu";

  # Fetched while evaluating, which a known hash makes pure; no file is read again once the store has it. (A fetching
  # derivation could not read the file: it runs in the build sandbox.)
  fetch =
    entry:
    builtins.fetchurl {
      name = lib.storeName entry.file;
      url = "file://${lock.packages}/${entry.file}";
      inherit (entry) sha256;
    };
  archives = builtins.mapAttrs (_: fetch) lock.debs;

  closureOf =
    names:
    map (item: item.key) (
      builtins.genericClosure {
        startSet = map (key: { inherit key; }) names;
        operator = item: map (key: { inherit key; }) lock.debs.${item.key}.dependencies;
      }
    );

  # patchelf as it comes, with the libraries it needs, started through their dynamic linker: it patches all others.
  patcher = build.runScript "patchelf-unpatched" {
    unpack = ./builders/unpack.sh;
    sources = map (name: archives.${name}) [
      "libc6"
      "libgcc-s1"
      "libstdc++6"
      "patchelf"
    ];
  } ./builders/patcher.sh;

  linker = "${byName.libc6}/lib/${triplet}/ld-linux-x86-64.so.2";

  # These are what every other unit is linked against.
  foundation = [
    "libc6"
    "libgcc-s1"
  ];
  # bash and what it needs cannot refer to bash: their scripts keep their first line.
  belowShell = closureOf [ "bash" ] ++ foundation;

  make =
    {
      name,
      # Debian packages that are unpacked into this unit
      debs ? [ ],
      # sources that are no Debian packages (wheels)
      wheels ? [ ],
      # trees of npm packages
      trees ? [ ],
      # another unit whose program runs this one's
      uses ? "",
      # further Debian packages whose libraries it may load
      libraries ? [ ],
      # subdirectories of the library directories that are searched as well
      libraryFolders ? [ ],
      # a script of builders/fixups, run between unpacking and patching
      fixup ? null,
      # "bin/NAME=TARGET", and "PROGRAM VARIABLE=VALUE ..." with @out@ for the unit itself
      links ? [ ],
      wrappers ? [ ],
    }:
    let
      isFoundation = builtins.all (deb: builtins.elem deb foundation) debs;
      needed = lib.subtractLists debs (
        closureOf (debs ++ libraries) ++ lib.optionals (!isFoundation) foundation
      );
      # One without Debian packages is not among those below the shell.
      usesShell = debs == [ ] || !(builtins.all (deb: builtins.elem deb belowShell) debs);
    in
    build.runScript name {
      inherit
        triplet
        patcher
        libraryFolders
        uses
        ;
      # Names that Debian gives by its alternatives, and those of nixpkgs.
      links =
        lib.concatMap (
          deb: lib.mapAttrsToList (name: target: "bin/${name}=${target}") (packages.alternatives.${deb} or { })
        ) debs
        ++ links;
      wrappers = builtins.concatStringsSep "\n" wrappers;
      unpack = ./builders/unpack.sh;
      elf = ./builders/elf.sh;
      patch = ./builders/patch.sh;
      sources = map (deb: archives.${deb}) debs;
      wheels = map (wheel: fetch lock.wheels.${wheel}) wheels;
      trees = map (tree: fetch lock.npm.${tree}) trees;
      dependencies = map (deb: "${byName.${deb}}") (lib.unique needed);
      linker = lib.optionalString (debs != [ "libc6" ]) linker;
      unresolved = lib.unique (
        lib.concatMap (deb: builtins.attrNames (packages.unresolved.${deb} or { })) debs
      );
      shell = lib.optionalString usesShell "${byName.bash}/bin/bash";
      fixup = if fixup == null then "" else ./builders/fixups + "/${fixup}.sh";
    } ./builders/unit.sh;

  byName = builtins.mapAttrs (
    name: entry:
    make {
      name = "${name}-${entry.version}";
      debs = [ name ];
      libraryFolders = packages.libraryFolders.${name} or [ ];
    }
  ) lock.debs;
in
{
  inherit
    make
    byName
    closureOf
    ;

  # What builders/elf.sh needs to look at what another builder has made.
  checking = {
    inherit triplet patcher linker;
    elf = ./builders/elf.sh;
    unresolved = "";
  };
}
