# What the set and its modules use of nixpkgs' `lib`, with the same meaning.
let
  inherit (builtins)
    attrNames
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    genList
    isAttrs
    isString
    length
    listToAttrs
    ;
in
rec {
  # --- names, versions and strings
  storeName = builtins.replaceStrings [ "~" ":" "/" " " "@" ] [ "-" "-" "-" "-" "-" ];
  splitString = separator: text: filter isString (builtins.split (escapeRegex separator) text);
  escapeRegex = builtins.replaceStrings (stringToCharacters "\\[{()^$?*+|.") (
    map (character: "\\${character}") (stringToCharacters "\\[{()^$?*+|.")
  );
  stringToCharacters = text: genList (at: builtins.substring at 1 text) (builtins.stringLength text);
  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      size = builtins.stringLength text;
      tail = builtins.stringLength suffix;
    in
    size >= tail && builtins.substring (size - tail) tail text == suffix;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then
      builtins.substring 0 (builtins.stringLength text - builtins.stringLength suffix) text
    else
      text;
  concatMapStrings = f: list: concatStringsSep "" (map f list);
  concatMapStringsSep = separator: f: list: concatStringsSep separator (map f list);
  concatLines = concatMapStrings (line: "${line}\n");
  escapeShellArg = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  boolToString = value: if value then "true" else "false";
  inherit (builtins)
    all
    any
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    head
    isAttrs
    isBool
    isInt
    isList
    isString
    length
    listToAttrs
    mapAttrs
    tail
    ;

  # --- lists
  imap = f: list: genList (at: f (at + 1) (elemAt list at)) (length list);
  unique = foldl' (seen: item: if elem item seen then seen else seen ++ [ item ]) [ ];
  optional = condition: item: if condition then [ item ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  optionalString = condition: text: if condition then text else "";
  last = list: elemAt list (length list - 1);
  flatten = value: if builtins.isList value then builtins.concatMap flatten value else [ value ];
  subtractLists = unwanted: filter (item: !(elem item unwanted));

  # --- attribute sets
  nameValuePair = name: value: { inherit name value; };
  optionalAttrs = condition: set: if condition then set else { };
  filterAttrs = keep: set: removeAttrs set (filter (name: !(keep name set.${name})) (attrNames set));
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  mapAttrs' =
    f: set:
    listToAttrs (mapAttrsToList f set);
  genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
  isDerivation = value: isAttrs value && (value.type or null) == "derivation";
  hasAttrByPath =
    path: set:
    path == [ ]
    || (
      isAttrs set
      && set ? ${builtins.head path}
      && hasAttrByPath (builtins.tail path) set.${builtins.head path}
    );
  attrByPath =
    path: default: set:
    if !(hasAttrByPath path set) then default else foldl' (at: name: at.${name}) set path;
  getAttrFromPath = path: attrByPath path (throw "cannot find attribute `${concatStringsSep "." path}'");
  setAttrByPath =
    path: value:
    if path == [ ] then
      value
    else
      { ${builtins.head path} = setAttrByPath (builtins.tail path) value; };
  recursiveUpdate =
    left: right:
    left
    // builtins.mapAttrs (
      name: value:
      if isAttrs value && isAttrs (left.${name} or null) && !(isDerivation value) then
        recursiveUpdate left.${name} value
      else
        value
    ) right;
  importJSON = path: builtins.fromJSON (builtins.readFile path);
  getExe = package: "${package}/bin/${package.meta.mainProgram or package.pname}";
  getBin = package: package;

  # --- marks on values that the module system understands
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  hiPrio = package: package;
  lowPrio = package: package;
}
