# `lib.nixosSystem` of the set: NixOS's option names, messages and layout of the result over a small part of its modules.
{ pkgs, debian }:
let
  inherit (import ./modules.nix { inherit (pkgs) lib; }) evalModules lib;
in
{
  system ? "x86_64-linux",
  modules,
  specialArgs ? { },
}:
let
  evaluated = evalModules {
    specialArgs = {
      inherit pkgs debian;
      modulesPath = ./.;
    }
    // specialArgs;
    modules = modules ++ [
      ./base.nix
      ./dbus.nix
      ./environment.nix
      ./etc.nix
      ./firewall.nix
      ./lingering.nix
      ./openssh.nix
      ./sudo.nix
      ./systemd.nix
      ./toplevel.nix
      ./users.nix
    ];
  };
in
assert
  system == pkgs.system
  || throw "the package set out of Debian packages is made for ${pkgs.system}, not for ${system}";
evaluated // { inherit pkgs lib; }
