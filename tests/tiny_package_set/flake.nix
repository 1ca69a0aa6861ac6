# A package set in the shape of nixpkgs whose packages build in milliseconds or misbehave on purpose; its nixosSystem makes a
# toplevel that lists the chosen packages.
{
  outputs =
    { self }:
    let
      system = "x86_64-linux";
      build =
        name: script:
        derivation {
          inherit name system;
          builder = "/bin/sh";
          args = [
            "-euc"
            script
          ];
        };
      package =
        name: script: build "${name}-1.0" script // { version = "1.0"; meta.description = "The package ${name}."; };
      packages = {
        alpha = package "alpha" "echo alpha > $out";
        beta = package "beta" "echo beta > $out";
        gamma = package "gamma" "printf %2000000s gamma > $out";
        quarrel = package "quarrel" "echo one; echo two; echo 'fatal: three is wrong' >&2; exit 7";
        endless = package "endless" "echo started; while :; do :; done";
        silent = package "silent" "exit 0";
        forged =
          derivation {
            name = "forged-1.0";
            inherit system;
            builder = "/bin/sh";
            args = [
              "-c"
              "echo other > $out"
            ];
            outputHashMode = "flat";
            outputHashAlgo = "sha256";
            outputHash = "0000000000000000000000000000000000000000000000000000";
          };
        hungry = package "hungry" "exit ${toString (builtins.length (builtins.deepSeq many many))}";
        # A builtin that never ends and never looks whether it should.
        stuck = package "stuck" (if builtins.match "(x+x+)+y" (builtins.concatStringsSep "" (builtins.genList (_: "x") 60)) == null then "" else "");
        imported = package "imported" (import (package "text.nix" "echo 1 > $out"));
        circular = let script = script + "x"; in package "circular" script;
        refused = throw "Package ‘refused-1.0’ in here has an unfree license (‘unfree’), refusing to evaluate.";
        nested = {
          recurseForDerivations = true;
          tool = package "tool" "echo tool > $out";
        };
        notAPackage = "text";
      };
      many = builtins.genList (number: { text = toString number; }) 100000000;
      step = set: key: set.${key};
      find = name: builtins.foldl' step packages (builtins.filter builtins.isString (builtins.split "\\." name));
    in
    {
      legacyPackages.${system} = packages;
      lib.nixosSystem =
        { specialArgs, ... }:
        {
          config.system.build.toplevel = build "tiny-system" ''
            echo '${toString specialArgs.workspace.ports}' ${toString (map find specialArgs.workspace.packages)} > $out
          '';
        };
    };
}
