# Name -> what a package set has under it; null where it has nothing. Names are data: looked up attribute by attribute, never
# read as Nix code.
{ reference, system }:
let
  packages = (builtins.getFlake reference).legacyPackages.${system};
  step = set: key: if builtins.isAttrs set && set ? ${key} then set.${key} else null;
in
name: builtins.foldl' step packages (builtins.filter builtins.isString (builtins.split "\\." name))
