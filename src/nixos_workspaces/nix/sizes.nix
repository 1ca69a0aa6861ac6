# How much do packages of a set take on disk, with all that they need? Names are data, see find.nix.
# Answers { NAME = BYTES | null; }; null where the package does not say.
{
  reference,
  system,
  names,
}:
let
  find = import ./find.nix { inherit reference system; };
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
