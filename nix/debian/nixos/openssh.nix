# services.openssh.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.openssh;

  value = item: if builtins.isBool item then (if item then "yes" else "no") else toString item;
  # Algorithms are one word; users and groups, and all else that is a list, are words.
  separator =
    name:
    if
      builtins.elem name [
        "Ciphers"
        "KexAlgorithms"
        "Macs"
      ]
    then
      ","
    else
      " ";
  settings = lib.concatLines (
    lib.concatMap (
      name:
      let
        item = cfg.settings.${name};
      in
      if item == null then
        [ ]
      else if builtins.isList item then
        [ "${name} ${lib.concatMapStringsSep (separator name) value item}" ]
      else
        [ "${name} ${value item}" ]
    ) (builtins.attrNames cfg.settings)
  );

  declaredKeys = lib.filterAttrs (_: user: user.openssh.authorizedKeys.keys != [ ]) config.users.users;

  configuration = pkgs.writeText "sshd_config" ''
    ${lib.concatMapStrings (port: "Port ${toString port}\n") cfg.ports}
    ${lib.concatMapStrings (key: "HostKey ${key.path}\n") cfg.hostKeys}
    AuthorizedKeysFile ${toString cfg.authorizedKeysFiles}
    ${lib.optionalString cfg.allowSFTP "Subsystem sftp ${cfg.sftpServerExecutable}"}
    ${settings}
    # The language of who connects, where the client sends it.
    AcceptEnv LANG LANGUAGE LC_*
    # Without PAM nothing else tells a command that is run without a shell where programs are.
    SetEnv PATH=/run/wrappers/bin:/run/current-system/sw/bin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
    ${cfg.extraConfig}
  '';
in
{
  options.services.openssh = {
    enable = lib.mkEnableOption "the OpenSSH server";
    startWhenNeeded = mkOption {
      type = types.bool;
      default = config.boot.isContainer;
      description = "Must be false: sshd always runs. By default it would not in a container, as in NixOS.";
    };
    ports = mkOption {
      type = types.listOf types.port;
      default = [ 22 ];
    };
    openFirewall = mkOption {
      type = types.bool;
      default = true;
    };
    allowSFTP = mkOption {
      type = types.bool;
      default = true;
    };
    sftpServerExecutable = mkOption {
      type = types.str;
      default = "${pkgs.openssh}/lib/openssh/sftp-server";
    };
    hostKeys = mkOption {
      type = types.listOf types.attrs;
      default = [
        {
          path = "/etc/ssh/ssh_host_ed25519_key";
          type = "ed25519";
        }
      ];
    };
    authorizedKeysFiles = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
    };
    settings = mkOption {
      type = types.attrsOf (
        types.nullOr (
          types.oneOf [
            types.bool
            types.int
            types.str
            (types.listOf types.str)
          ]
        )
      );
      default = { };
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = !cfg.startWhenNeeded;
        message = "services.openssh.startWhenNeeded must be false with the package set out of Debian packages.";
      }
    ];

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall cfg.ports;

    services.openssh.authorizedKeysFiles = [
      "/etc/ssh/authorized_keys.d/%u"
      ".ssh/authorized_keys"
    ];
    services.openssh.settings = {
      UsePAM = false;
      PasswordAuthentication = lib.mkDefault true;
      KbdInteractiveAuthentication = lib.mkDefault false;
      PermitRootLogin = lib.mkDefault "prohibit-password";
      PrintMotd = false;
    };

    environment.etc = {
      "ssh/sshd_config".source = configuration;
    }
    // lib.mapAttrs' (
      name: user:
      lib.nameValuePair "ssh/authorized_keys.d/${name}" {
        mode = "0444";
        text = lib.concatLines user.openssh.authorizedKeys.keys;
      }
    ) declaredKeys;

    systemd.services.sshd = {
      description = "SSH Daemon";
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ configuration ];
      # All that it needs exists once the system is activated: it is the first service to start. Only the bus must
      # listen before: who logs in at once may ask systemd something.
      unitConfig.DefaultDependencies = false;
      after = [ "dbus.socket" ];
      conflicts = [ "shutdown.target" ];
      before = [ "shutdown.target" ];
      preStart = ''
        mkdir -p /run/sshd
        ${lib.concatMapStrings (key: ''
          if [ ! -s ${key.path} ]; then
            mkdir -p "$(dirname ${key.path})"
            ssh-keygen -q -t ${key.type} -N "" -f ${key.path}
          fi
        '') cfg.hostKeys}
      '';
      path = [ pkgs.openssh ];
      serviceConfig = {
        ExecStart = "${pkgs.openssh}/bin/sshd -D -f /etc/ssh/sshd_config";
        KillMode = "process";
        Restart = "always";
        RestartSec = "100ms";
      };
    };
  };
}
