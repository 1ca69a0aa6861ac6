# Which names are packages of a set? Names are data, see find.nix.
# Answers { NAME = "package" | "missing" | "refused"; }; "refused" is a package that does not evaluate (unfree, broken, ...).
{
  reference,
  system,
  names,
}:
let
  find = import ./find.nix { inherit reference system; };
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
