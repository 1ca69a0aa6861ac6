# systemd: units of the configuration, and the few of systemd's own that a container needs.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.systemd;

  # --- units of the configuration
  names = mkOption {
    type = types.listOf types.str;
    default = [ ];
  };
  text = mkOption {
    type = types.lines;
    default = "";
  };
  setting = types.oneOf [
    types.bool
    types.int
    types.str
    types.path
    types.package
    (types.listOf (
      types.oneOf [
        types.bool
        types.int
        types.str
        types.path
        types.package
      ]
    ))
  ];
  section = mkOption {
    type = types.attrsOf setting;
    default = { };
  };
  relations = [
    "after"
    "before"
    "bindsTo"
    "conflicts"
    "onFailure"
    "partOf"
    "requires"
    "wants"
  ];
  common = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the unit can be started; false masks it.";
    };
    description = mkOption {
      type = types.singleLineStr;
      default = "";
    };
    unitConfig = section;
    wantedBy = names;
    requiredBy = names;
    aliases = names;
    restartTriggers = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
    };
  }
  // lib.genAttrs relations (_: names);
  serviceOptions = common // {
    serviceConfig = section;
    environment = mkOption {
      type = types.attrsOf (
        types.nullOr (
          types.oneOf [
            types.str
            types.path
            types.package
          ]
        )
      );
      default = { };
    };
    path = mkOption {
      type = types.listOf (types.either types.package types.str);
      default = [ ];
    };
    preStart = text;
    script = text;
    postStart = text;
    restartIfChanged = mkOption {
      type = types.bool;
      default = true;
    };
    stopIfChanged = mkOption {
      type = types.bool;
      default = true;
    };
    reloadIfChanged = mkOption {
      type = types.bool;
      default = false;
    };
  };
  unitSet =
    options:
    mkOption {
      type = types.attrsOf (types.submodule { inherit options; });
      default = { };
    };

  capitalised = relation: {
    after = "After";
    before = "Before";
    bindsTo = "BindsTo";
    conflicts = "Conflicts";
    onFailure = "OnFailure";
    partOf = "PartOf";
    requires = "Requires";
    wants = "Wants";
  }.${relation};
  asText = value: if builtins.isBool value then lib.boolToString value else toString value;
  assignments =
    set:
    lib.concatLines (
      lib.flatten (
        lib.mapAttrsToList (
          name: value: map (item: "${name}=${asText item}") (if builtins.isList value then value else [ value ])
        ) set
      )
    );
  unitSection = unit: ''
    [Unit]
    ${lib.optionalString (unit.description != "") "Description=${unit.description}"}
    ${lib.concatLines (
      map (relation: "${capitalised relation}=${toString unit.${relation}}") (
        builtins.filter (relation: unit.${relation} != [ ]) relations
      )
    )}${assignments unit.unitConfig}'';
  shellScript =
    name: body:
    pkgs.runCommand name
      {
        text = "#!${pkgs.bash}/bin/bash -e\n${body}";
        passAsFile = [ "text" ];
      }
      "cp $textPath $out; chmod +x $out";
  scriptSetting =
    name: setting: part: body:
    lib.optionalString (body != "") "${setting}=${shellScript "${name}-${part}" body}\n";
  serviceText =
    name: unit:
    let
      programs =
        unit.path
        ++ (with pkgs; [
          coreutils
          findutils
          gnugrep
          gnused
          systemd
        ]);
      environment = {
        PATH = lib.concatMapStringsSep ":" (item: "${item}/bin") programs;
        LANG = config.i18n.defaultLocale;
      }
      // lib.filterAttrs (_: value: value != null) unit.environment;
    in
    ''
      ${unitSection unit}
      [Service]
      ${lib.concatLines (lib.mapAttrsToList (key: value: "Environment=\"${key}=${toString value}\"") environment)}${scriptSetting name "ExecStartPre" "pre-start" unit.preStart}${scriptSetting name "ExecStart" "start" unit.script}${scriptSetting name "ExecStartPost" "post-start" unit.postStart}${assignments unit.serviceConfig}'';
  sectionText = title: attribute: _: unit: ''
    ${unitSection unit}
    [${title}]
    ${assignments unit.${attribute}}'';

  unitsOf =
    suffix: render: set:
    lib.mapAttrsToList (name: unit: {
      file = "${name}.${suffix}";
      inherit unit;
      text = render name unit;
    }) set;
  units =
    unitsOf "service" serviceText cfg.services
    ++ unitsOf "socket" (sectionText "Socket" "socketConfig") cfg.sockets
    ++ unitsOf "timer" (sectionText "Timer" "timerConfig") cfg.timers
    ++ unitsOf "path" (sectionText "Path" "pathConfig") cfg.paths
    ++ unitsOf "target" (_: unitSection) cfg.targets;

  installUnit =
    {
      file,
      unit,
      text,
    }:
    let
      pull = kind: target: ''
        mkdir -p $out/${target}.${kind}
        ln -s ../${file} $out/${target}.${kind}/${file}
      '';
    in
    if !unit.enable then
      "ln -sfn /dev/null $out/${file}\n"
    else
      ''
        ln -sfn ${pkgs.writeText "unit-${file}" text} $out/${file}
        ${lib.concatMapStrings (pull "wants") unit.wantedBy}${lib.concatMapStrings (pull "requires") unit.requiredBy}${
          lib.concatMapStrings (alias: "ln -s ${file} $out/${alias}\n") unit.aliases
        }'';

  # --- systemd's own units
  upstream = pkgs.systemd;
  own = [
    "basic.target"
    "emergency.service"
    "emergency.target"
    "exit.target"
    "final.target"
    "getty-pre.target"
    "getty.target"
    "graphical.target"
    "halt.target"
    "kexec.target"
    "local-fs-pre.target"
    "local-fs.target"
    "multi-user.target"
    "network-online.target"
    "network-pre.target"
    "network.target"
    "nss-lookup.target"
    "nss-user-lookup.target"
    "paths.target"
    "poweroff.target"
    "reboot.target"
    "remote-fs-pre.target"
    "remote-fs.target"
    "rescue.service"
    "rescue.target"
    "shutdown.target"
    "sigpwr.target"
    "slices.target"
    "sockets.target"
    "swap.target"
    "sysinit.target"
    "systemd-exit.service"
    "systemd-halt.service"
    "systemd-journal-flush.service"
    "systemd-journald-dev-log.socket"
    "systemd-journald.service"
    "systemd-journald.socket"
    "systemd-poweroff.service"
    "systemd-reboot.service"
    "systemd-tmpfiles-clean.service"
    "systemd-tmpfiles-clean.timer"
    "systemd-tmpfiles-setup.service"
    "time-set.target"
    "time-sync.target"
    "timers.target"
    "umount.target"
    "user.slice"
  ];
  pulled = {
    "sysinit.target" = [
      "systemd-journald.service"
      "systemd-journal-flush.service"
      "systemd-tmpfiles-setup.service"
    ];
    "sockets.target" = [
      "systemd-journald.socket"
      "systemd-journald-dev-log.socket"
    ];
    "timers.target" = [ "systemd-tmpfiles-clean.timer" ];
  };

  systemUnits = pkgs.runCommand "system-units" { } ''
    mkdir -p $out
    cp ${lib.concatMapStringsSep " " (name: "${upstream}/lib/systemd/system/${name}") own} $out/
    chmod -R u+w $out
    # Programs by the names that Debian gives them, or by none: out of the installed system.
    sed -i -E \
      -e 's,^(Exec[A-Za-z]*=[-@+!:]*)(/usr)?/s?bin/,\1/run/current-system/sw/bin/,' \
      -e 's,^(Exec[A-Za-z]*=[-@+!:]*)([a-z]),\1/run/current-system/sw/bin/\2,' $out/*.service
    ln -s multi-user.target $out/default.target
    ln -s reboot.target $out/ctrl-alt-del.target
    ${lib.concatMapStrings (target: ''
      mkdir -p $out/${target}.wants
      ${lib.concatMapStrings (name: "ln -s ../${name} $out/${target}.wants/${name}\n") pulled.${target}}
    '') (builtins.attrNames pulled)}
    ${lib.concatMapStrings installUnit units}
  '';

  # What systemd looks for under the paths compiled into it: its helpers, but no units and no generators besides ours.
  runtime = pkgs.runCommand "systemd-runtime" { } ''
    mkdir -p $out/system
    for file in ${upstream}/lib/systemd/*; do
      name=''${file##*/}
      case $name in
        system | user | *generators | catalog | network | ntp-units.d | portable | resolv.conf | boot) ;;
        *) ln -s "$file" "$out/$name" ;;
      esac
    done
  '';
in
{
  options.systemd = {
    services = unitSet serviceOptions;
    sockets = unitSet (common // { socketConfig = section; });
    timers = unitSet (common // { timerConfig = section; });
    paths = unitSet (common // { pathConfig = section; });
    targets = unitSet common;
    tmpfiles.rules = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    extraConfig = text;
  };
  options.services.journald = {
    extraConfig = text;
    storage = mkOption {
      type = types.enum [
        "persistent"
        "volatile"
        "auto"
        "none"
      ];
      default = "persistent";
    };
    console = mkOption {
      type = types.str;
      default = "";
    };
    rateLimitBurst = mkOption {
      type = types.int;
      default = 10000;
    };
  };

  config = {
    # Members of the group read the whole journal.
    system.activationScripts.journal = {
      deps = [ "users" ];
      text = lib.optionalString (config.services.journald.storage == "persistent") ''
        install -d -m 2755 -g systemd-journal /var/log/journal
      '';
    };
    system.build.units = systemUnits;
    system.build.systemdRuntime = runtime;

    environment.etc = {
      "systemd/system".source = systemUnits;
      "systemd/system.conf".text = ''
        [Manager]
        DefaultEnvironment="PATH=/run/current-system/sw/bin" "LANG=${config.i18n.defaultLocale}"
        ManagerEnvironment="PATH=/run/current-system/sw/bin"
        DefaultTimeoutStopSec=10s
        ${cfg.extraConfig}
      '';
      "systemd/journald.conf".text = ''
        [Journal]
        Storage=${config.services.journald.storage}
        RateLimitBurst=${toString config.services.journald.rateLimitBurst}
        Audit=no
        ReadKMsg=no
        ${lib.optionalString (config.services.journald.console != "") ''
          ForwardToConsole=yes
          TTYPath=${config.services.journald.console}
        ''}
        ${config.services.journald.extraConfig}
      '';
      "tmpfiles.d/00-nixos.conf".text = lib.concatLines cfg.tmpfiles.rules;
    };
    systemd.tmpfiles.rules = [
      "d /run/lock 0755 root root -"
      "d /run/user 0755 root root -"
      "d /var/tmp 1777 root root 30d"
      "d /tmp 1777 root root 10d"
    ];
  };
}
