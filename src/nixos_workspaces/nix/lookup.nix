# Which names are packages of a set? Names are data: looked up attribute by attribute, never read as Nix code.
# Answers { NAME = "package" | "missing" | "refused"; }; "refused" is a package that does not evaluate (unfree, broken, ...).
{
  reference,
  system,
  names,
}:
let
  packages = (builtins.getFlake reference).legacyPackages.${system};
  step = set: key: if builtins.isAttrs set && set ? ${key} then set.${key} else null;
  find = name: builtins.foldl' step packages (builtins.filter builtins.isString (builtins.split "\\." name));
  isPackage = value: builtins.isAttrs value && (value.type or null) == "derivation";
  # What tryEval cannot catch ends the evaluation; what it can is asked for in two steps, to tell the two answers apart.
  judge =
    name:
    let
      found = builtins.tryEval (isPackage (find name));
      usable = builtins.tryEval (builtins.seq (find name).drvPath true);
    in
    if !found.success then
      "refused"
    else if !found.value then
      "missing"
    else if usable.success then
      "package"
    else
      "refused";
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value = judge name;
  }) (builtins.fromJSON names)
)
