# The module system: the part of nixpkgs' `lib.evalModules` that modules in everyday use rely on.
#
# Modules are attribute sets, functions or files with `imports`, `options` and `config` (or configuration only); values
# may be marked by mkIf, mkMerge, mkOverride, mkForce, mkDefault, mkBefore, mkAfter. An option that does not exist, a value of
# the wrong type and conflicting values are errors in nixpkgs' words.
{ lib }:
let
  inherit (builtins)
    all
    attrNames
    concatMap
    filter
    foldl'
    functionArgs
    isAttrs
    isFunction
    isPath
    isString
    mapAttrs
    sort
    ;
  inherit (import ./messages.nix { inherit lib; }) showLocation showDefinitions;

  types = import ./types.nix {
    inherit evalModules mergeDefinitions;
    lib = lib;
  };

  isMarked = kind: value: isAttrs value && (value._type or null) == kind;
  defaultPriority = 100;
  optionDefaultPriority = 1500;
  defaultOrder = 1000;

  # --- loading

  # The module, with everything it imports: [ { file, options, config } ].
  load =
    arguments: file: module:
    let
      fromFile = isPath module || isString module;
      name = if fromFile then toString module else file;
      loaded = if fromFile then import module else module;
      called = if isFunction loaded then loaded (argumentsFor arguments loaded) else loaded;
      where = called._file or name;
      structured = called ? config || called ? options;
      unknown = removeAttrs called [
        "_file"
        "key"
        "imports"
        "options"
        "config"
        "meta"
        "_module"
      ];
      body =
        if !structured then
          removeAttrs called [
            "_file"
            "key"
            "imports"
          ]
        else if unknown != { } then
          throw "Module `${where}' has an unsupported attribute `${builtins.head (attrNames unknown)}'. This is caused by introducing a top-level `config' or `options' attribute. Add configuration attributes immediately on the top level instead, or move all of them (namely: ${toString (attrNames unknown)}) into the explicit `config' attribute."
        else
          (called.config or { });
    in
    concatMap (load arguments where) (called.imports or [ ])
    ++ [
      {
        file = where;
        options = called.options or { };
        config = body;
      }
    ];

  # What a module function asks for by name comes one by one and lazily: it may be set by a module (`_module.args`).
  argumentsFor =
    arguments: function:
    arguments.fixed
    // mapAttrs (name: _: arguments.fixed.${name} or arguments.fromModules.${name}) (
      lib.filterAttrs (name: hasDefault: !hasDefault || arguments.fixed ? ${name}) (functionArgs function)
    );

  # --- merging

  isOption = isMarked "option";

  # Declarations of all modules as one tree.
  mergeDeclarations = foldl' (
    left: right:
    left
    // mapAttrs (
      name: value:
      if left ? ${name} && !(isOption value) && !(isOption left.${name}) then
        mergeDeclarations [
          left.${name}
          value
        ]
      else
        value
    ) right
  ) { };

  # A marked set as sets whose values bear the mark instead.
  pushDown =
    value:
    if isMarked "if" value then
      map (mapAttrs (_: lib.mkIf value.condition)) (pushDown value.content)
    else if isMarked "override" value then
      map (mapAttrs (_: lib.mkOverride value.priority)) (pushDown value.content)
    else if isMarked "order" value then
      map (mapAttrs (_: lib.mkOrder value.priority)) (pushDown value.content)
    else if isMarked "merge" value then
      concatMap pushDown value.contents
    else
      [ value ];

  # One definition as [ { file, value, priority, order } ], without those whose condition is false.
  discharge =
    def:
    let
      value = def.value;
    in
    if isMarked "if" value then
      lib.optionals value.condition (discharge (def // { value = value.content; }))
    else if isMarked "merge" value then
      concatMap (content: discharge (def // { value = content; })) value.contents
    else if isMarked "override" value then
      map (inner: inner // { inherit (value) priority; }) (discharge (def // { value = value.content; }))
    else if isMarked "order" value then
      map (inner: inner // { order = value.priority; }) (discharge (def // { value = value.content; }))
    else
      [ ({ priority = defaultPriority; order = defaultOrder; } // def) ];

  mergeDefinitions =
    loc: type: defs:
    let
      alive = concatMap discharge defs;
      best = foldl' (least: def: if def.priority < least then def.priority else least) 100000 alive;
      strongest = filter (def: def.priority == best) alive;
      ordered =
        if all (def: def.order == defaultOrder) strongest then
          strongest
        else
          sort (left: right: left.order < right.order) strongest;
      wrong = filter (def: !(type.check def.value)) ordered;
    in
    if wrong != [ ] then
      throw "A definition for option `${showLocation loc}' is not of type `${type.description}'. Definition values:${showDefinitions wrong}"
    else if ordered == [ ] then
      throw "The option `${showLocation loc}' was accessed but has no value defined. Try setting the option."
    else
      type.merge loc ordered;

  evalOption =
    loc: option: defs:
    let
      fallback = lib.optional (option ? default) {
        file = "the default";
        value = lib.mkOverride optionDefaultPriority option.default;
      };
      merged = mergeDefinitions loc option.type (defs ++ fallback);
    in
    if option ? apply then option.apply merged else merged;

  # The definitions below one place, as flat sets: [ { file, value } ].
  flatten = concatMap (
    def:
    map (value: {
      inherit (def) file;
      inherit value;
    }) (pushDown def.value)
  );

  definitionsAt =
    name:
    concatMap (
      def:
      lib.optional (def.value ? ${name}) {
        inherit (def) file;
        value = def.value.${name};
      }
    );

  evalTree =
    prefix: tree: defs:
    let
      flat = flatten defs;
    in
    mapAttrs (
      name: below:
      let
        loc = prefix ++ [ name ];
        here = definitionsAt name flat;
      in
      if isOption below then evalOption loc below here else evalTree loc below here
    ) tree;

  # Definitions of options that nobody declared.
  unmatched =
    prefix: tree: defs:
    let
      flat = flatten defs;
      names = lib.unique (concatMap (def: attrNames def.value) flat);
    in
    concatMap (
      name:
      let
        loc = prefix ++ [ name ];
        here = definitionsAt name flat;
      in
      if !(tree ? ${name}) then
        # A false condition takes its definition back, as if it had not been written.
        lib.optional (concatMap discharge here != [ ]) {
          inherit loc;
          defs = concatMap discharge here;
        }
      else if isOption tree.${name} then
        [ ]
      else
        unmatched loc tree.${name} here
    ) names;

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      arguments = {
        fixed = specialArgs // {
          inherit config options;
          lib = moduleLib;
        };
        fromModules = config._module.args;
      };
      loaded = concatMap (load arguments "<unknown-file>") (modules ++ [ own ]);
      own = {
        _file = "lib/modules.nix";
        options._module.args = moduleLib.mkOption {
          type = types.attrsOf types.raw;
          default = { };
        };
      };
      options = mergeDeclarations (map (module: module.options) loaded);
      definitions = map (module: {
        inherit (module) file;
        value = module.config;
      }) loaded;
      config = evalTree prefix options definitions;
      strays = unmatched prefix options definitions;
      first = builtins.head strays;
    in
    {
      inherit options;
      config =
        if strays == [ ] then
          removeAttrs config [ "_module" ]
        else
          throw "The option `${showLocation first.loc}' does not exist. Definition values:${showDefinitions first.defs}";
    };

  # What modules get as `lib`.
  moduleLib = lib // {
    inherit types evalModules;
    mkOption = option: option // { _type = "option"; };
    mkEnableOption =
      what:
      moduleLib.mkOption {
        type = types.bool;
        default = false;
        description = "Whether to enable ${what}.";
      };
    literalExpression = text: text;
  };
in
{
  inherit evalModules;
  lib = moduleLib;
}
