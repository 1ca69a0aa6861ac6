# The flake of a workspace: copied beside its workspace.json, never generated. Everything that varies is data in that file;
# what is pinned stands in flake.lock.
{
  description = "A NixOS workspace";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      workspace = builtins.fromJSON (builtins.readFile ./workspace.json);
    in
    {
      nixosConfigurations.workspace = nixpkgs.lib.nixosSystem {
        inherit (workspace) system;
        specialArgs = { inherit workspace; };
        modules = [ ./workspace.nix ];
      };

      # What can be chosen as a template: `nix eval --json .#templates`.
      templates = import ./templates;
    };
}
