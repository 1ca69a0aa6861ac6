# How names and values appear in error messages: nixpkgs' wording, so that what is known about it helps here as well.
{ lib }:
let
  showValue =
    value:
    if builtins.isString value then
      builtins.toJSON (builtins.unsafeDiscardStringContext value)
    else if builtins.isBool value then
      lib.boolToString value
    else if value == null then
      "null"
    else if builtins.isInt value || builtins.isFloat value || builtins.isPath value then
      toString value
    else if lib.isDerivation value then
      "<derivation ${value.name}>"
    else if builtins.isList value then
      "[ ${lib.concatMapStrings (item: "${showValue item} ") value}]"
    else if builtins.isAttrs value then
      "{ ${lib.concatMapStrings (name: "${name} = ...; ") (builtins.attrNames value)}}"
    else
      "<function>";
  showLocation = builtins.concatStringsSep ".";
  showDefinitions = lib.concatMapStrings (def: "\n- In `${def.file}': ${showValue def.value}");
in
{
  inherit showValue showLocation showDefinitions;
}
