# Options without a part of their own. Some are accepted for the sake of modules that set them and change nothing here,
# because what they switch off does not exist in this set; each says so.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  accepted =
    type: default:
    mkOption {
      inherit type default;
      description = "Accepted; this package set has nothing that it would change.";
    };
in
{
  options = {
    assertions = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "Conditions that must hold, each with the message to show where it does not.";
    };
    warnings = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    boot.isContainer = mkOption {
      type = types.bool;
      default = false;
      description = "Must be true: this package set makes systems for containers only.";
    };
    system.stateVersion = mkOption {
      type = types.str;
      default = "24.11";
    };
    system.name = mkOption {
      type = types.str;
      default = if config.networking.hostName == "" then "unnamed" else config.networking.hostName;
    };
    networking.hostName = mkOption {
      type = types.strMatching "^$|^[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?$";
      default = "nixos";
      description = "Name of the machine; empty leaves the name that the container was given.";
    };
    time.timeZone = mkOption {
      type = types.nullOr types.str;
      default = "UTC";
    };
    i18n.defaultLocale = mkOption {
      type = types.str;
      default = "C.UTF-8";
    };
    i18n.extraLocales = mkOption {
      type = types.either (types.enum [ "all" ]) (types.listOf types.str);
      default = [ ];
      description = "Where it is not empty all locales in UTF-8 are there; C.UTF-8 is always.";
    };
    documentation = lib.genAttrs [ "enable" ] (_: accepted types.bool true) // {
      doc.enable = accepted types.bool true;
      info.enable = accepted types.bool true;
      nixos.enable = accepted types.bool true;
      man.enable = mkOption {
        type = types.bool;
        default = true;
        description = "Whether to install man and the pages of the installed packages.";
      };
    };
    networking.useDHCP = accepted types.bool false;
    networking.dhcpcd.enable = accepted types.bool false;
    networking.useHostResolvConf = accepted types.bool false;
    networking.resolvconf.enable = accepted types.bool false;
    networking.nftables.enable = accepted types.bool true;
    nix.enable = accepted types.bool false;
    services.nscd.enable = accepted types.bool false;
    services.logrotate.enable = accepted types.bool false;
    services.udev.enable = accepted types.bool false;
    security.polkit.enable = accepted types.bool false;
    system.nssModules = accepted (types.listOf types.package) [ ];
    systemd.oomd.enable = accepted types.bool false;
    systemd.coredump.enable = accepted types.bool false;
  };

  config.assertions = [
    {
      assertion = config.boot.isContainer;
      message = "boot.isContainer must be true: the package set out of Debian packages makes containers only.";
    }
  ];
}
