# What a flake's own text asks for: its inputs as they are written, and the one named `nixpkgs` as the attributes that a lock
# file records. Read before anything is fetched.
{ flake }:
let
  inputs = (import (flake + "/flake.nix")).inputs or { };
in
{
  inherit inputs;
  nixpkgs = builtins.parseFlakeRef inputs.nixpkgs.url;
}
