# How much do packages of a set take on disk, with all that they need? Names are data, as in lookup.nix.
# Answers { NAME = BYTES | null; }; null where the package does not say.
{
  reference,
  system,
  names,
}:
let
  packages = (builtins.getFlake reference).legacyPackages.${system};
  step = set: key: if builtins.isAttrs set && set ? ${key} then set.${key} else null;
  find = name: builtins.foldl' step packages (builtins.filter builtins.isString (builtins.split "\\." name));
  size =
    name:
    let
      found = builtins.tryEval ((find name).meta.size or null);
    in
    if found.success && builtins.isInt found.value then found.value else null;
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value = size name;
  }) (builtins.fromJSON names)
)
