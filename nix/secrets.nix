# Where secrets arrive in a workspace, and what reads them there. The values are written from outside into memory
# (`/run` is a tmpfs); no value, no name and no path of any secret is part of the system.
{
  lib,
  pkgs,
  ...
}:
let
  root = "/run/nixws-secrets";

  # What Git asks for user name and password (gitcredentials(7)): the file of the host, over HTTPS or on this machine only.
  credential = pkgs.writeText "nixws-git-credential" ''
    #!${pkgs.bash}/bin/bash
    [[ "''${1-}" == get ]] || exit 0
    protocol= host=
    while IFS== read -r key value && [[ -n $key ]]; do
      case $key in
        protocol) protocol=$value ;;
        host) host=''${value,,} ;;
      esac
    done
    [[ $protocol == https || ( $protocol == http && $host =~ ^(localhost|127\.0\.0\.1)(:[0-9]+)?$ ) ]] || exit 0
    [[ $host =~ ^[a-z0-9][a-z0-9.-]*(:[0-9]+)?$ ]] || exit 0
    { IFS= read -r username && IFS= read -r password; } 2> /dev/null < "${root}/current/git/$host" || exit 0
    printf 'username=%s\npassword=%s\n' "$username" "$password"
  '';
  program = pkgs.runCommand "nixws-git-credential" { } ''
    mkdir -p $out/bin
    cp ${credential} $out/bin/nixws-git-credential
    chmod +x $out/bin/nixws-git-credential
  '';
  # A shell within a shell gets what has changed since.
  read = ''
    if [ -r ${root}/current/profile ] && [ -O ${root}/current/profile ]; then
      . ${root}/current/profile
    fi
  '';
in
{
  environment.systemPackages = [ program ];
  environment.etc.gitconfig.text = ''
    [credential]
    	helper = /run/current-system/sw/bin/nixws-git-credential
  '';

  system.activationScripts.secrets = {
    deps = [ "users" ];
    text = ''
      mkdir -p ${root} /run/secrets
      chown nixos ${root} /run/secrets
      chmod 0700 ${root} /run/secrets
    '';
  };

  environment.extraInit = read;
  programs.bash.interactiveShellInit = read;
}
