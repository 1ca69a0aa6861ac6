# /etc: one tree in the store, to which /etc/static leads and whose files /etc links to.
{
  config,
  lib,
  pkgs,
  debian,
  ...
}:
let
  inherit (lib) mkOption types;

  entry =
    {
      name,
      config,
      ...
    }:
    {
      options = {
        enable = mkOption {
          type = types.bool;
          default = true;
        };
        target = mkOption {
          type = types.str;
          default = name;
        };
        text = mkOption {
          type = types.nullOr types.lines;
          default = null;
        };
        source = mkOption { type = types.path; };
        mode = mkOption {
          type = types.str;
          default = "symlink";
          description = "symlink, or the mode of a copy.";
        };
      };
      config.source = lib.mkIf (config.text != null) (
        lib.mkDefault (pkgs.writeText "etc-${baseNameOf name}" config.text)
      );
    };

  entries = builtins.filter (file: file.enable) (builtins.attrValues config.environment.etc);
  links = builtins.filter (file: file.mode == "symlink") entries;
  copies = builtins.filter (file: file.mode != "symlink") entries;

  etc = pkgs.runCommand "etc" { } (
    "mkdir $out\n"
    + lib.concatMapStrings (file: ''
      mkdir -p "$(dirname $out/${lib.escapeShellArg file.target})"
      ln -s ${file.source} $out/${lib.escapeShellArg file.target}
    '') links
  );
in
{
  options.environment.etc = mkOption {
    type = types.attrsOf (types.submodule entry);
    default = { };
    description = "Files of /etc.";
  };
  options.system.build = mkOption {
    type = types.lazyAttrsOf types.unspecified;
    default = { };
  };
  options.system.activationScripts = mkOption {
    type = types.attrsOf (
      types.either types.str (
        types.submodule {
          options.text = mkOption { type = types.lines; };
          options.deps = mkOption {
            type = types.listOf types.str;
            default = [ ];
          };
        }
      )
    );
    default = { };
    description = "Shell code that runs whenever the system starts, in the order of the names and their `deps`.";
  };

  config = {
    system.build.etc = etc;
    # Files are linked one by one, so that what lies beside them on the volume (/etc/nixws, /etc/resolv.conf) stays. The links
    # of an earlier generation go first: what was one file then may be a folder now.
    system.activationScripts.etc = ''
      mkdir -p /etc
      find /etc -xdev -lname '/etc/static/*' -delete
      ln -sfn ${etc} /etc/static
      cp -rs --no-preserve=mode --remove-destination /etc/static/. /etc/
      ${lib.concatMapStrings (file: ''
        install -D -m ${file.mode} ${file.source} /etc/${file.target}
      '') copies}
    '';

    environment.etc = {
      "nsswitch.conf".text = ''
        passwd: files
        group: files
        shadow: files
        hosts: files dns
        services: files
        protocols: files
      '';
      "protocols".text = ''
        ip 0 IP
        icmp 1 ICMP
        tcp 6 TCP
        udp 17 UDP
        ipv6 41 IPv6
        ipv6-icmp 58 IPv6-ICMP
      '';
      "services".text = ''
        ftp 21/tcp
        ssh 22/tcp
        smtp 25/tcp
        domain 53/tcp
        domain 53/udp
        http 80/tcp
        ntp 123/udp
        https 443/tcp
      '';
      "os-release".text = ''
        NAME=NixOS
        ID=nixos
        PRETTY_NAME="NixOS layout, packages of Debian 12"
        HOME_URL="https://nixos.org/"
        VARIANT="Workspaces, package set out of Debian packages"
        VARIANT_ID=workspaces-debian
        VERSION_ID="${config.system.stateVersion}"
      '';
      "zoneinfo".source = "${debian.tzdata}/share/zoneinfo";
    }
    // lib.optionalAttrs (config.time.timeZone != null) {
      "localtime".source = "${debian.tzdata}/share/zoneinfo/${config.time.timeZone}";
    }
    // lib.optionalAttrs (config.networking.hostName != "") {
      "hostname".text = config.networking.hostName + "\n";
    };
  };
}
