# The set itself: attributes by name, and the few functions of nixpkgs that the modules of nixos/ use.
{
  system ? "x86_64-linux",
}:
let
  lock = builtins.fromJSON (builtins.readFile ./lock.json);
  packages = builtins.fromJSON (builtins.readFile ./packages.json);
  lib = import ./lib.nix;
  build = import ./build.nix { inherit system lib; };
  units = import ./units.nix {
    inherit
      lock
      packages
      lib
      build
      ;
  };
  attributes = import ./attributes.nix {
    inherit
      lock
      packages
      lib
      build
      units
      ;
  };
in
{
  pkgs = attributes // {
    inherit lib system;
    inherit (build) buildEnv runCommand writeText;
  };
  # Debian packages by Debian's names: for the system modules, which need some that no attribute is named after.
  debian = units.byName;
}
