# services.nixos-workspaces: the node and the control plane as two units of a NixOS machine, the same as the unit files
# beside this one.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.nixos-workspaces;
  text = value: if builtins.isBool value then lib.boolToString value else toString value;
  environment = {
    NIXWS_DATA = cfg.dataDir;
    NIXWS_HOST = cfg.host;
    NIXWS_PORT = toString cfg.port;
    NIXWS_NETWORK = cfg.network;
    NIXWS_NIX_BIN = "${config.nix.package}/bin";
  }
  // lib.mapAttrs' (name: value: lib.nameValuePair "NIXWS_${lib.toUpper name}" (text value)) cfg.settings;
  restarted = {
    Type = "exec";
    Restart = "always";
    RestartSec = 1;
    TimeoutStopSec = 60;
    UMask = "0077";
    KeyringMode = "private";
  };
in
{
  options.services.nixos-workspaces = {
    enable = lib.mkEnableOption "NixOS Workspaces: isolated, reproducible NixOS machines on demand";
    package = lib.mkOption {
      type = lib.types.package;
      description = "The package that has bin/nixws.";
    };
    dataDir = lib.mkOption {
      type = lib.types.str;
      default = "/var/lib/nixws";
      description = "Directory of everything that is kept.";
    };
    host = lib.mkOption {
      type = lib.types.str;
      default = "127.0.0.1";
      description = "Address that the API listens on.";
    };
    port = lib.mkOption {
      type = lib.types.port;
      default = 5000;
      description = "TCP port that the API listens on.";
    };
    network = lib.mkOption {
      type = lib.types.str;
      default = "10.213.0.0/16";
      description = "IPv4 range of workspace addresses; routed on this machine only.";
    };
    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Open the port in the machine's firewall.";
    };
    settings = lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.oneOf [
          lib.types.str
          lib.types.int
          lib.types.float
          lib.types.bool
        ]
      );
      default = { };
      example = {
        package_set = "nixpkgs";
        builds = 4;
      };
      description = "Other settings, by the names of docs/settings.md.";
    };
  };

  config = lib.mkIf cfg.enable {
    nix.settings.experimental-features = [
      "nix-command"
      "flakes"
    ];
    users.groups.nixws = { };
    users.users.nixws = {
      isSystemUser = true;
      group = "nixws";
      home = cfg.dataDir;
      description = "NixOS Workspaces";
    };
    # No StateDirectory: the node keeps a part of its own in it.
    systemd.tmpfiles.rules = [ "d ${cfg.dataDir} 0711 nixws nixws -" ];
    networking.firewall.allowedTCPPorts = lib.optional cfg.openFirewall cfg.port;
    environment.systemPackages = [ cfg.package ];

    systemd.services.nixws-node = {
      description = "NixOS Workspaces: node";
      after = [
        "local-fs.target"
        "network.target"
      ];
      wantedBy = [ "multi-user.target" ];
      # Workspaces live on, but a node of another version must be started.
      restartIfChanged = true;
      startLimitIntervalSec = 0;
      inherit environment;
      path = [
        config.nix.package
        pkgs.e2fsprogs
        pkgs.lxcfs
        pkgs.nftables
        pkgs.passt
        pkgs.runc
        pkgs.util-linux
      ];
      script = ''exec ${cfg.package}/bin/nixws node --allow-user "$(${pkgs.coreutils}/bin/id -u nixws)"'';
      serviceConfig = restarted // {
        KillMode = "mixed";
        OOMPolicy = "continue";
        OOMScoreAdjust = -500;
        TasksMax = "infinity";
        LimitNOFILE = 1048576;
        Delegate = "yes";
        CapabilityBoundingSet = "~CAP_SYS_MODULE CAP_SYS_RAWIO CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_SYSLOG CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_LEASE CAP_LINUX_IMMUTABLE CAP_SYS_PACCT CAP_SYS_TTY_CONFIG";
      };
    };

    systemd.services.nixws-serve = {
      description = "NixOS Workspaces: control plane";
      after = [
        "network.target"
        "nixws-node.service"
      ];
      wants = [ "nixws-node.service" ];
      wantedBy = [ "multi-user.target" ];
      startLimitIntervalSec = 0;
      inherit environment;
      path = [ config.nix.package ];
      serviceConfig = restarted // {
        ExecStart = "${cfg.package}/bin/nixws serve";
        User = "nixws";
        Group = "nixws";
        LimitNOFILE = 65536;
        ProtectSystem = "strict";
        ReadWritePaths = cfg.dataDir;
        ProtectHome = "yes";
        PrivateTmp = "yes";
        PrivateDevices = "yes";
        PrivateIPC = "yes";
        ProtectProc = "invisible";
        ProcSubset = "all";
        ProtectClock = "yes";
        ProtectHostname = "yes";
        ProtectKernelLogs = "yes";
        ProtectKernelModules = "yes";
        ProtectKernelTunables = "yes";
        ProtectControlGroups = "yes";
        NoNewPrivileges = "yes";
        CapabilityBoundingSet = "";
        AmbientCapabilities = "";
        RestrictSUIDSGID = "yes";
        RestrictNamespaces = "yes";
        RestrictRealtime = "yes";
        RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6";
        LockPersonality = "yes";
        RemoveIPC = "yes";
        SystemCallArchitectures = "native";
        SystemCallFilter = [
          "@system-service"
          "~@privileged"
        ];
        SystemCallErrorNumber = "EPERM";
      };
    };
  };
}
