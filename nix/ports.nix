# The TCP ports that the firewall opens besides 22. They lie on the volume and not in the system: they change while it runs,
# and environments that differ in nothing else are one store path.
#
# `nixws-ports PORT...`, as the node calls it, keeps exactly these ports and opens them at once. The firewall's own rules are
# left as they are: what is opened is a chain of its own in their table, which NixOS and the set out of Debian packages name
# alike.
{ lib, pkgs, ... }:
let
  script = pkgs.writeText "nixws-ports" ''
    #!${pkgs.bash}/bin/bash
    set -euo pipefail
    nft=${pkgs.nftables}/bin/nft
    kept=/etc/nixws/ports
    umask 022

    if [[ "''${1-}" != --kept ]]; then
      ${pkgs.coreutils}/bin/rm -rf "$kept.new"
      (( $# == 0 )) || printf '%s\n' "$@" > "$kept.new"
      (( $# > 0 )) || : > "$kept.new"
      ${pkgs.coreutils}/bin/mv -fT "$kept.new" "$kept"
    fi
    ports=()
    [[ ! -f $kept ]] || mapfile -t ports < "$kept"

    if ! rules=$($nft list chain inet nixos-fw input 2>&1); then
      echo 'the rules of its firewall were removed inside; "sudo systemctl restart nftables" there brings them back' >&2
      exit 1
    fi
    open=no
    [[ $rules != *'jump nixws-ports'* ]] || open=yes
    if (( ''${#ports[@]} == 0 )) && [[ $open == no ]]; then
      exit 0
    fi
    {
      echo 'add chain inet nixos-fw nixws-ports'
      echo 'flush chain inet nixos-fw nixws-ports'
      (( ''${#ports[@]} == 0 )) || (IFS=,; echo "add rule inet nixos-fw nixws-ports tcp dport { ''${ports[*]} } accept")
      [[ $open == yes ]] || echo 'insert rule inet nixos-fw input jump nixws-ports'
    } | $nft -f -
  '';
  program = pkgs.runCommand "nixws-ports" { } ''
    mkdir -p $out/bin
    cp ${script} $out/bin/nixws-ports
    chmod +x $out/bin/nixws-ports
  '';
in
{
  environment.systemPackages = [ program ];

  # The firewall's table is made anew when its unit is started or reloaded: what was opened in it is then opened again. A
  # failure of this leaves the firewall as closed as it is without it.
  systemd.services.nftables.serviceConfig = {
    ExecStartPost = [ "-${program}/bin/nixws-ports --kept" ];
    ExecReload = lib.mkAfter [ "-${program}/bin/nixws-ports --kept" ];
  };
}
