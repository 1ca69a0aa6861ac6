# The system of every workspace. Static: all that differs between workspaces' environments is data in workspace.json.
#
# Nothing here may depend on which workspace it is: its name, keys and addresses are put on its volume and given by the
# container, so that equal environments are one store path.
{
  config,
  lib,
  pkgs,
  workspace,
  ...
}:
let
  template = import (./templates + "/${workspace.template}.nix");

  # What the installation grants every workspace, besides what the workspace itself declares.
  grants = {
    own_keys = true;
    foreign_scripts = true;
  }
  // (workspace.grants or { });

  # "python3Packages.requests" is an attribute path: looked up step by step, never read as Nix code.
  find =
    name:
    let
      path = lib.splitString "." name;
    in
    if lib.hasAttrByPath path pkgs && lib.isDerivation (lib.getAttrFromPath path pkgs) then
      lib.getAttrFromPath path pkgs
    else
      throw "workspace.json: the package `${name}' does not exist in this package set";

  chosen = map find (lib.unique (template.packages ++ workspace.packages));

  # A Python library alone could not be imported: an interpreter that knows all chosen ones takes its place.
  libraries = builtins.filter (package: package ? pythonModule && package.pythonModule != false) chosen;
  interpreters = lib.unique (map (library: library.pythonModule) libraries);
  withLibraries = map (
    interpreter:
    interpreter.withPackages (_: builtins.filter (library: library.pythonModule == interpreter) libraries)
  ) interpreters;
  others = builtins.filter (
    package: !(builtins.elem package libraries) && !(builtins.elem package interpreters)
  ) chosen;

  # What owns the terminals: it outlives browsers, SSH connections and the control plane.
  terminals = import ./agent/package.nix { inherit (pkgs) runCommand gcc; };

  nproc = import ./nproc.nix { inherit (pkgs) runCommand bash coreutils; };

  # A pipe that is put in a file's place must not hold the SFTP server, which opens it, for ever.
  openAtOnce = "${import ./agent/open_at_once.nix { inherit (pkgs) runCommand gcc; }}/lib/open_at_once.so";

  # Of a shell and what it starts: a development server that watches a large tree needs more than the usual 1,024.
  openFiles = "65536:524288";
in
{
  imports = [
    template.module
    ./ports.nix
    ./secrets.nix
  ];

  boot.isContainer = true;
  system.stateVersion = "24.11";

  environment.systemPackages = [ (lib.hiPrio nproc) ] ++ withLibraries ++ others ++ [ terminals ];

  users = {
    mutableUsers = false;
    # Keys open the door, no password does.
    allowNoPasswordLogin = true;
    users.nixos = {
      isNormalUser = true;
      uid = 1000;
      description = "Workspace user";
      # Units of one's own (`systemctl --user`) and a session bus, from the start on.
      linger = true;
      extraGroups = [
        "wheel"
        "systemd-journal"
      ];
    };
  };
  security.sudo.wheelNeedsPassword = false;

  services.openssh = {
    enable = true;
    # One sshd for all, as sshd.service: NixOS would start one for each connection in a container.
    startWhenNeeded = false;
    openFirewall = true;
    hostKeys = [
      {
        path = "/etc/nixws/ssh_host_ed25519_key";
        type = "ed25519";
      }
    ];
    authorizedKeysFiles = lib.mkForce (
      [ "/etc/nixws/authorized_keys" ] ++ lib.optional grants.own_keys ".ssh/authorized_keys"
    );
    sftpServerExecutable = "internal-sftp";
    settings = {
      PermitRootLogin = "no";
      PasswordAuthentication = false;
      KbdInteractiveAuthentication = false;
      AllowTcpForwarding = true;
      AllowStreamLocalForwarding = true;
      StreamLocalBindUnlink = true;
      MaxSessions = 64;
      MaxStartups = "64:30:256";
      # A machine without network must not wait for name servers.
      UseDns = false;
      # Nothing with known weaknesses. curve25519 stays beside the post-quantum exchange, because asyncssh (our own
      # client), paramiko and Go's SSH do not have the latter.
      KexAlgorithms = [
        "sntrup761x25519-sha512@openssh.com"
        "curve25519-sha256"
        "curve25519-sha256@libssh.org"
      ];
      Ciphers = [
        "aes256-gcm@openssh.com"
        "aes128-gcm@openssh.com"
        "aes256-ctr"
        "aes128-ctr"
      ];
      Macs = [
        "hmac-sha2-512-etm@openssh.com"
        "hmac-sha2-256-etm@openssh.com"
      ];
      HostCertificate = "/etc/nixws/ssh_host_ed25519_key-cert.pub";
      HostKeyAlgorithms = "ssh-ed25519-cert-v01@openssh.com,ssh-ed25519";
    };
  };
  systemd.services.sshd.environment.LD_PRELOAD = openAtOnce;
  systemd.services.sshd.serviceConfig.LimitNOFILE = openFiles;

  networking = {
    # Empty: the container brings its name.
    hostName = "";
    useDHCP = false;
    # Address, routes and name servers are set from outside.
    useHostResolvConf = false;
    resolvconf.enable = false;
    nftables.enable = true;
    # The ports of the workspace are opened by ports.nix.
    firewall.enable = true;
  };

  i18n.defaultLocale = "C.UTF-8";
  # Whatever language the person speaks.
  i18n.extraLocales = "all";
  time.timeZone = "UTC";

  # A workspace's journal lives on its volume and may not fill it. A file of our own: NixOS's options for it come and go.
  environment.etc."systemd/journald.conf.d/10-workspace.conf".text = ''
    [Journal]
    Storage=persistent
    SystemMaxUse=16M
    SystemMaxFileSize=4M
    RuntimeMaxUse=8M
  '';

  # Programs that were linked for other distributions (downloads, wheels, parts of npm packages) find a dynamic linker.
  programs.nix-ld.enable = true;
  # What Playwright's browsers and editors' servers load. The set out of Debian packages brings its own.
  programs.nix-ld.libraries = lib.optionals (pkgs ? stdenv) (
    builtins.filter lib.isDerivation (
      map (name: lib.attrByPath (lib.splitString "." name) null pkgs) [
        "alsa-lib"
        "at-spi2-core"
        "cairo"
        "cups"
        "dbus"
        "expat"
        "fontconfig"
        "freetype"
        "glib"
        "libdrm"
        "libgbm"
        "libxkbcommon"
        "nspr"
        "nss"
        "pango"
        "xorg.libX11"
        "xorg.libXcomposite"
        "xorg.libXdamage"
        "xorg.libXext"
        "xorg.libXfixes"
        "xorg.libXrandr"
        "xorg.libxcb"
      ]
    )
  );

  # Scripts of other distributions begin with /bin/bash; /bin/sh and /usr/bin/env exist in every NixOS.
  system.activationScripts.foreignScripts = {
    deps = [ "etc" ];
    text =
      if grants.foreign_scripts then
        ''
          mkdir -p /bin
          ln -sfn /run/current-system/sw/bin/bash /bin/bash
        ''
      else
        "rm -f /bin/bash";
  };

  # The name that the container brings. Of /etc/hosts only the lines with the mark are ours: what people add stays.
  environment.etc.hosts.enable = lib.mkForce false;
  system.activationScripts.names = {
    deps = [ "etc" ];
    text = ''
      read -r host < /proc/sys/kernel/hostname
      echo "$host" > /etc/hostname
      kept=
      if [ -f /etc/hosts ]; then
        kept=$(grep -v '# of the system$' /etc/hosts || true)
      fi
      rm -f /etc/hosts.new
      {
        printf '%s # of the system\n' '127.0.0.1 localhost' '::1 localhost' "127.0.0.2 $host"
        [ -z "$kept" ] || printf '%s\n' "$kept"
      } > /etc/hosts.new
      mv -f /etc/hosts.new /etc/hosts
    '';
  };

  # Who logs in by a way that opens no session of logind finds the manager of their units all the same.
  environment.extraInit = ''
    if [ -z "''${XDG_RUNTIME_DIR-}" ] && [ -O "/run/user/$UID" ]; then
      export XDG_RUNTIME_DIR="/run/user/$UID"
    fi
    if [ -z "''${DBUS_SESSION_BUS_ADDRESS-}" ] && [ -n "''${XDG_RUNTIME_DIR-}" ]; then
      export DBUS_SESSION_BUS_ADDRESS="unix:path=$XDG_RUNTIME_DIR/bus"
    fi
  '';

  # `npm install --global` and `npm link` put programs where those of `pip install --user` are: the store is read-only.
  environment.etc.npmrc.text = "prefix=\${HOME}/.local\n";
  environment.sessionVariables.NPM_CONFIG_GLOBALCONFIG = "/etc/npmrc";
  environment.localBinInPath = true;

  # The service's own door to sshd, without TCP. How many connections there are is the service's matter.
  systemd.sockets.nixws-sshd = {
    description = "SSH of the service";
    wantedBy = [ "sockets.target" ];
    socketConfig = {
      ListenStream = "@nixws-sshd";
      Accept = true;
      MaxConnections = 1024;
      TriggerLimitIntervalSec = 0;
    };
  };
  systemd.services."nixws-sshd@" = {
    description = "SSH connection of the service";
    unitConfig.CollectMode = "inactive-or-failed";
    environment.LD_PRELOAD = openAtOnce;
    serviceConfig = {
      ExecStart = "-${pkgs.openssh}/bin/sshd -i -f /etc/ssh/sshd_config";
      StandardInput = "socket";
      LimitNOFILE = openFiles;
      # As with the sshd of port 22, a program that was left running goes on when its connection ends.
      KillMode = "process";
    };
  };

  # Its children are the users' shells and all they start: what is killed for want of memory is one of them, not all.
  systemd.services.nixws-terminals = {
    description = "Terminals";
    wantedBy = [ "multi-user.target" ];
    # A change of the program is taken over in place (SIGHUP): a restart would end every terminal.
    reloadIfChanged = true;
    unitConfig.StartLimitIntervalSec = 0;
    serviceConfig = {
      User = "nixos";
      ExecStart = "${terminals}/bin/nixws-terminals --socket /run/nixws-terminals/holder.sock --upgrade-to /run/current-system/sw/bin/nixws-terminals";
      ExecReload = "${pkgs.bash}/bin/bash -c 'kill -HUP $MAINPID'";
      RuntimeDirectory = "nixws-terminals";
      RuntimeDirectoryMode = "0700";
      Restart = "always";
      RestartSec = "200ms";
      OOMPolicy = "continue";
      # The kernel hangs the terminals up when the holder ends. Waiting for their shells as well takes the whole time
      # to stop: without cgroup v2, systemd in a container is not told that a cgroup has become empty.
      KillMode = "process";
      TasksMax = "infinity";
      LimitNOFILE = openFiles;
    };
  };

  # Nobody sits at a console; the store is shared and read-only; what else costs time or memory at every start.
  systemd.services."console-getty".enable = false;
  systemd.services."getty@".enable = false;
  systemd.oomd.enable = false;
  systemd.coredump.enable = false;
  services.logrotate.enable = false;
  nix.enable = false;
  documentation.nixos.enable = false;
  documentation.doc.enable = false;
  documentation.info.enable = false;
}
