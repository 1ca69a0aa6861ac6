# The package set out of Debian packages, in the shape of nixpkgs: what a workspace's flake takes as its input `nixpkgs`
# where nixpkgs cannot be reached. `generate.py` adds lock.json and bootstrap/ and packs it.
{
  description = "Debian packages as self-contained store paths, under nixpkgs names";

  outputs =
    { self }:
    let
      system = "x86_64-linux";
      inherit (import ./default.nix { inherit system; }) pkgs debian;
    in
    {
      legacyPackages.${system} = pkgs;
      lib = pkgs.lib // {
        nixosSystem = import ./nixos { inherit pkgs debian; };
      };
    };
}
