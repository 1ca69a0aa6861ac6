# users.users.NAME.linger: the user's own systemd and session bus, from the machine's start on. NixOS has both from logind,
# which needs PAM; here the unit of the manager is the user's own.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  users = builtins.filter (user: user.linger) (builtins.attrValues config.users.users);
  groupOf = user: toString config.users.groups.${user.group}.gid;
  runtimeOf = user: "/run/user/${toString user.uid}";

  # Debian's own configuration, with the places of this system.
  installed = "/run/current-system/sw/share/dbus-1";
  busConfiguration = pkgs.runCommand "dbus-session.conf" { } ''
    sed -E \
      -e '/<include /d; /<includedir>/d' \
      -e 's,<standard_session_servicedirs */>,<servicedir>${installed}/services</servicedir>,' \
      ${pkgs.dbus}/share/dbus-1/session.conf > $out
  '';
  bus = {
    "dbus.socket" = ''
      [Unit]
      Description=D-Bus User Message Bus Socket
      [Socket]
      ListenStream=%t/bus
      ExecStartPost=-${pkgs.systemd}/bin/systemctl --user set-environment DBUS_SESSION_BUS_ADDRESS=unix:path=%t/bus
    '';
    "dbus.service" = ''
      [Unit]
      Description=D-Bus User Message Bus
      Requires=dbus.socket
      [Service]
      Type=notify
      NotifyAccess=main
      Slice=session.slice
      ExecStart=${pkgs.dbus}/bin/dbus-daemon --config-file=/etc/dbus-1/session.conf --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only
    '';
  };

  upstream = [
    "app.slice"
    "background.slice"
    "basic.target"
    "default.target"
    "exit.target"
    "graphical-session-pre.target"
    "graphical-session.target"
    "paths.target"
    "session.slice"
    "shutdown.target"
    "sockets.target"
    "systemd-exit.service"
    "timers.target"
  ];
  units = pkgs.runCommand "user-units" { } ''
    mkdir -p $out/sockets.target.wants
    cp ${lib.concatMapStringsSep " " (name: "${pkgs.systemd}/lib/systemd/user/${name}") upstream} $out/
    chmod -R u+w $out
    sed -i -E 's,^(Exec[A-Za-z]*=[-@+!:]*)((/usr)?/s?bin/)?([a-z]),\1/run/current-system/sw/bin/\4,' $out/*.service
    ${lib.concatMapStrings (name: "ln -s ${pkgs.writeText "user-unit-${name}" bus.${name}} $out/${name}\n") (
      builtins.attrNames bus
    )}
    ln -s ../dbus.socket $out/sockets.target.wants/dbus.socket
  '';

  generator = "30-systemd-environment-d-generator";

  # With the variables of a terminal, which units get from their manager.
  start = pkgs.runCommand "user-manager" { } ''
    {
      echo '#!${pkgs.bash}/bin/bash'
      echo '. /etc/set-environment'
      echo 'exec ${pkgs.systemd}/lib/systemd/systemd --user'
    } > $out
    chmod +x $out
  '';
  manager = user: {
    description = "User Manager for UID ${toString user.uid}";
    wantedBy = [ "multi-user.target" ];
    # Units are the person's own: what they run does not end where only the system's configuration changes.
    restartIfChanged = false;
    serviceConfig = {
      Type = "notify";
      User = user.name;
      Slice = "user-${toString user.uid}.slice";
      ExecStart = start;
      KillMode = "mixed";
      Delegate = true;
      TasksMax = "infinity";
    };
  };
in
{
  config = lib.mkIf (users != [ ]) {
    environment.etc = {
      "systemd/user".source = units;
      "dbus-1/session.conf".source = busConfiguration;
      # Variables of units by environment.d(5). The manager hands on its own as well, but not the path.
      "systemd/user-environment-generators/${generator}".source =
        "${pkgs.systemd}/lib/systemd/user-environment-generators/${generator}";
      "environment.d/10-path.conf".text = ''
        PATH=${lib.optionalString config.environment.localBinInPath "$HOME/.local/bin:"}/run/wrappers/bin:/run/current-system/sw/bin
      '';
    };
    systemd.services = builtins.listToAttrs (
      map (user: lib.nameValuePair "user@${toString user.uid}" (manager user)) users
    );
    systemd.tmpfiles.rules = map (user: "d ${runtimeOf user} 0700 ${user.name} ${groupOf user} -") users;
  };
}
