# The types of options, with nixpkgs' names and descriptions.
#
# A type is { description; check; merge; }: `check` looks at one definition's value, `merge loc defs` combines the
# definitions { file, value } that have the highest priority into the option's value.
{ lib, evalModules, mergeDefinitions }:
let
  inherit (builtins)
    all
    any
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isPath
    isString
    length
    listToAttrs
    match
    ;
  inherit (import ./messages.nix { inherit lib; }) showLocation showValue showDefinitions;

  # The value that all definitions agree on.
  mergeEqual =
    loc: defs:
    let
      first = (head defs).value;
    in
    if all (def: def.value == first) defs then
      first
    else
      throw "The option `${showLocation loc}' has conflicting definition values:${showDefinitions defs}\nUse `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these definitions.";

  mergeOne =
    loc: defs:
    if length defs == 1 then
      (head defs).value
    else
      throw "The option `${showLocation loc}' is defined multiple times while it's expected to be unique.${showDefinitions defs}";

  simple = description: check: {
    inherit description check;
    merge = mergeEqual;
  };
  isPackage = value: lib.isDerivation value || (isString value && lib.hasPrefix builtins.storeDir value);
in
rec {
  bool = simple "boolean" isBool;
  int = simple "signed integer" isInt;
  str = simple "string" isString;
  singleLineStr = simple "(optionally newline-terminated) single-line string" (
    value: isString value && match "[^\n\r]*\n?" value != null
  );
  strMatching =
    pattern:
    simple "string matching the pattern ${pattern}" (value: isString value && match pattern value != null);
  lines = (simple "strings concatenated with \"\\n\"" isString) // {
    merge = _: defs: concatStringsSep "\n" (map (def: def.value) defs);
  };
  path = simple "path" (value: isPath value || (isString value && lib.hasPrefix "/" value) || lib.isDerivation value);
  package = (simple "package" isPackage) // {
    merge = mergeOne;
  };
  shellPackage = package;
  raw = {
    description = "raw value";
    check = _: true;
    merge = mergeOne;
  };
  unspecified = raw // {
    description = "unspecified value";
  };
  anything = {
    description = "anything";
    check = _: true;
    merge =
      loc: defs:
      if all (def: isAttrs def.value && !(lib.isDerivation def.value)) defs then
        (attrsOf anything).merge loc defs
      else
        mergeEqual loc defs;
  };
  attrs = {
    description = "attribute set";
    check = isAttrs;
    merge = _: defs: builtins.foldl' (merged: def: merged // def.value) { } defs;
  };
  ints = {
    between =
      low: high:
      simple "integer between ${toString low} and ${toString high} (both inclusive)" (
        value: isInt value && value >= low && value <= high
      );
    unsigned = simple "unsigned integer, meaning >=0" (value: isInt value && value >= 0);
    positive = simple "positive integer, meaning >0" (value: isInt value && value > 0);
  };
  port = simple "16 bit unsigned integer; between 0 and 65535 (both inclusive)" (
    value: isInt value && value >= 0 && value <= 65535
  );
  enum =
    values:
    simple "one of ${lib.concatMapStringsSep ", " showValue values}" (value: elem value values);

  nullOr = type: {
    description = "null or ${type.description}";
    check = value: value == null || type.check value;
    merge =
      loc: defs: if all (def: def.value == null) defs then null else mergeDefinitions loc type (builtins.filter (def: def.value != null) defs);
  };
  either = left: right: {
    description = "${left.description} or ${right.description}";
    check = value: left.check value || right.check value;
    merge =
      loc: defs: if all (def: left.check def.value) defs then left.merge loc defs else right.merge loc defs;
  };
  oneOf = types: builtins.foldl' either (head types) (builtins.tail types);

  listOf = type: {
    description = "list of ${type.description}";
    check = isList;
    merge =
      loc: defs:
      concatLists (
        lib.imap (
          number: def:
          concatLists (
            lib.imap (
              at: item:
              let
                merged = mergeDefinitions (loc ++ [ "[definition ${toString number}-entry ${toString at}]" ]) type [
                  {
                    inherit (def) file;
                    value = item;
                  }
                ];
              in
              lib.optional (!(item._type or null == "if" && !item.condition)) merged
            ) def.value
          )
        ) defs
      );
  };

  attrsOf = type: {
    description = "attribute set of ${type.description}";
    check = isAttrs;
    merge =
      loc: defs:
      let
        names = lib.unique (concatMap (def: attrNames def.value) defs);
        definitionsOf =
          name:
          concatMap (
            def:
            lib.optional (def.value ? ${name}) {
              inherit (def) file;
              value = def.value.${name};
            }
          ) defs;
        isDefined = name: any (def: !(def.value._type or null == "if" && !def.value.condition)) (definitionsOf name);
      in
      listToAttrs (
        map (name: lib.nameValuePair name (mergeDefinitions (loc ++ [ name ]) type (definitionsOf name))) (
          builtins.filter isDefined names
        )
      );
  };
  lazyAttrsOf = attrsOf;

  submodule = modules: {
    description = "submodule";
    check = value: isAttrs value || isFunction value;
    merge =
      loc: defs:
      (evalModules {
        prefix = loc;
        specialArgs.name = lib.last loc;
        modules =
          lib.flatten [ modules ]
          ++ map (
            def:
            if isFunction def.value then
              def.value
            else
              {
                _file = def.file;
                config = def.value;
              }
          ) defs;
      }).config;
  };
}
