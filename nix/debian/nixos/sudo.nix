# security.sudo. A program that runs with its owner's rights cannot lie in the store (there it belongs to nobody, and the
# container mounts it without set-user-ID), so sudo and its plugins are copied to a small file system of their own.
{
  config,
  lib,
  pkgs,
  debian,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.security.sudo;

  rules = pkgs.writeText "sudoers" ''
    Defaults secure_path="/run/wrappers/bin:/run/current-system/sw/bin"
    Defaults env_keep += "TERMINFO_DIRS SSL_CERT_FILE EDITOR"
    root ALL=(ALL:ALL) SETENV: ALL
    %wheel ALL=(ALL:ALL) ${lib.optionalString (!cfg.wheelNeedsPassword) "NOPASSWD: "}SETENV: ALL
    ${cfg.extraConfig}
  '';
  plugins = pkgs.writeText "sudo.conf" ''
    Plugin sudoers_policy /run/wrappers/lib/sudoers.so
    Plugin sudoers_io /run/wrappers/lib/sudoers.so
    Path plugin_dir /run/wrappers/lib
    Set disable_coredump false
  '';
  # Nobody has a password, so there is nothing to ask: who may use sudo is decided by its rules. Nothing else uses PAM.
  permit = "${debian.libpam-modules}/lib/x86_64-linux-gnu/security/pam_permit.so";
  pam = pkgs.writeText "pam-sudo" ''
    auth required ${permit}
    account required ${permit}
    session required ${permit}
  '';
in
{
  options.security.sudo = {
    enable = mkOption {
      type = types.bool;
      default = true;
    };
    wheelNeedsPassword = mkOption {
      type = types.bool;
      default = true;
      description = "Must be false where sudo is enabled: nobody has a password here.";
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = !cfg.wheelNeedsPassword;
        message = "security.sudo.wheelNeedsPassword must be false with the package set out of Debian packages.";
      }
    ];

    environment.etc = lib.genAttrs [ "pam.d/sudo" "pam.d/sudo-i" "pam.d/other" ] (_: { source = pam; });

    system.activationScripts.wrappers = {
      deps = [ "users" ];
      text = ''
        if [ ! -e /run/wrappers/bin/sudo ]; then
          mkdir -p /run/wrappers
          mount -t tmpfs -o mode=755,nodev,size=8m tmpfs /run/wrappers
          mkdir /run/wrappers/bin /run/wrappers/lib
          cp ${pkgs.sudo}/libexec/sudo/sudoers.so /run/wrappers/lib/
          cp ${pkgs.sudo}/bin/sudo /run/wrappers/bin/.sudo
          chmod 4755 /run/wrappers/bin/.sudo
          mv /run/wrappers/bin/.sudo /run/wrappers/bin/sudo
        fi
        install -m 440 ${rules} /etc/sudoers
        install -m 644 ${plugins} /etc/sudo.conf
      '';
    };
  };
}
