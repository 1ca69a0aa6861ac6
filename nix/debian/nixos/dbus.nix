# The system message bus, by which systemctl talks to systemd for users other than root. Started when first needed.
{ pkgs, ... }:
let
  installed = "/run/current-system/sw/share/dbus-1";

  # Debian's own configuration, with the places of this system.
  configuration = pkgs.runCommand "dbus-system.conf" { } ''
    sed -E \
      -e '/<fork\/>/d; /<servicehelper>/d; /<include /d; /<includedir>/d; /<pidfile>/d' \
      -e 's,<standard_system_servicedirs/>,<servicedir>${installed}/system-services</servicedir>,' \
      -e 's,</busconfig>,<includedir>${installed}/system.d</includedir></busconfig>,' \
      ${pkgs.dbus}/share/dbus-1/system.conf > $out
  '';
in
{
  config = {
    environment.etc."dbus-1/system.conf".source = configuration;

    systemd.sockets.dbus = {
      description = "D-Bus System Message Bus Socket";
      wantedBy = [ "sockets.target" ];
      socketConfig.ListenStream = "/run/dbus/system_bus_socket";
    };
    systemd.services.dbus = {
      description = "D-Bus System Message Bus";
      requires = [ "dbus.socket" ];
      serviceConfig = {
        Type = "notify";
        NotifyAccess = "main";
        ExecStart = "${pkgs.dbus}/bin/dbus-daemon --config-file=/etc/dbus-1/system.conf --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only";
      };
    };
  };
}
