# The attributes under their nixpkgs names, from packages.json.
{
  lock,
  packages,
  lib,
  build,
  units,
}:
let
  # What a user reads: upstream's part of Debian's version.
  upstream = version: builtins.head (builtins.match "([^-+~]+).*" version);

  # Bytes on disk of Debian packages with all that they need, of a wheel, and of a tree of npm packages.
  sizeOf =
    attribute:
    let
      debs = units.closureOf ((attribute.debs or [ ]) ++ (attribute.libraries or [ ]));
      entries =
        map (deb: lock.debs.${deb}) debs
        ++ lib.optional (attribute ? wheel) lock.wheels.${attribute.wheel}
        ++ lib.optional (attribute ? npm) lock.npm.${attribute.npm};
    in
    builtins.foldl' (total: entry: total + entry.size) 0 entries;

  describe =
    name: attribute: entry: unit:
    unit
    // {
      pname = name;
      version = upstream entry.version;
      meta = {
        inherit name;
        description = attribute.description or entry.description;
        mainProgram = attribute.mainProgram or name;
        size = sizeOf attribute;
        available = true;
        unfree = false;
        broken = false;
      };
    };

  make =
    name: attribute:
    let
      debs = attribute.debs or [ ];
      entry =
        if attribute ? wheel then
          lock.wheels.${attribute.wheel}
        else if attribute ? npm then
          lock.npm.${attribute.npm}
        else
          lock.debs.${builtins.head debs};
      # One Debian package as it is: the very unit that others are linked against.
      plain =
        builtins.length debs == 1
        && !(builtins.any (change: attribute ? ${change}) [
          "fixup"
          "libraries"
          "links"
          "wrappers"
        ]);
    in
    describe name attribute entry (
      if plain then
        units.byName.${builtins.head debs}
      else
        units.make {
          name = "${name}-${entry.version}";
          inherit debs;
          wheels = lib.optional (attribute ? wheel) attribute.wheel;
          trees = lib.optional (attribute ? npm) attribute.npm;
          uses = lib.optionalString (attribute ? uses) "${named.${attribute.uses}}";
          libraries = attribute.libraries or [ ];
          links = lib.mapAttrsToList (link: target: "${link}=${target}") (attribute.links or { });
          wrappers = attribute.wrappers or [ ];
          fixup = attribute.fixup or null;
        }
    );

  # What npm could not give when the set was generated is no attribute of it.
  had = lib.filterAttrs (_: attribute: !(attribute ? npm) || lock.npm ? ${attribute.npm}) packages.attributes;
  named = builtins.mapAttrs make had;
  aliases = builtins.listToAttrs (
    lib.concatMap (
      name: map (alias: lib.nameValuePair alias all.${name}) (had.${name}.aliases or [ ])
    ) (builtins.attrNames had)
  );

  # --- Python

  # A library is Debian's package of it; what it needs is found when an interpreter is put together.
  pythonLibrary =
    name: attribute:
    let
      deb = builtins.head attribute.debs;
    in
    describe "python3.11-${name}" attribute lock.debs.${deb} units.byName.${deb}
    // {
      pythonModule = python3;
      inherit deb;
    };
  pythonLibraries = builtins.mapAttrs pythonLibrary packages.python3Packages;

  python3 = named.python3 // {
    pkgs = pythonLibraries;
    # The interpreter with libraries: `python3.withPackages (ps: [ ps.requests ])`.
    withPackages =
      choose:
      let
        chosen = choose pythonLibraries;
      in
      describe "python3-env" packages.attributes.python3 lock.debs."python3.11-minimal" (
        build.runScript "python3-${named.python3.version}-env" (
          units.checking
          // {
            python = "${named.python3}";
            libraries = map (deb: "${units.byName.${deb}}") (units.closureOf (map (library: library.deb) chosen));
          }
        ) ./builders/python-environment.sh
      );
  };

  cacert =
    describe "cacert" { description = "Bundle of the certificates of certification authorities"; }
      lock.debs.ca-certificates
      (
        build.runCommand "cacert-${lock.debs.ca-certificates.version}" { } ''
          mkdir -p $out/etc/ssl/certs
          find ${units.byName.ca-certificates}/share/ca-certificates -name '*.crt' | sort | while read -r file; do
            cat "$file"
          done > $out/etc/ssl/certs/ca-bundle.crt
          [ -s $out/etc/ssl/certs/ca-bundle.crt ] || exit 1
        ''
      );

  all =
    named
    // aliases
    // {
      inherit cacert python3;
      python311 = python3;
      python3Packages = pythonLibraries;
      python311Packages = pythonLibraries;
    };
in
all
