# networking.firewall, by nftables: what is not allowed in is refused at once, so that clients need not wait.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.networking.firewall;

  ports = mkOption {
    type = types.listOf types.port;
    default = [ ];
    apply = list: builtins.sort builtins.lessThan (lib.unique list);
  };
  range = types.submodule {
    options.from = mkOption { type = types.port; };
    options.to = mkOption { type = types.port; };
  };
  ranges = mkOption {
    type = types.listOf range;
    default = [ ];
  };
  accept =
    protocol: list: spans:
    let
      elements = map toString list ++ map (span: "${toString span.from}-${toString span.to}") spans;
    in
    lib.optionalString (elements != [ ]) "${protocol} dport { ${builtins.concatStringsSep ", " elements} } accept";

  rules = pkgs.writeText "nftables-rules" ''
    table inet nixos-fw
    delete table inet nixos-fw
    table inet nixos-fw {
      chain input {
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        ct state established,related accept
        ${lib.concatMapStrings (name: "iifname \"${name}\" accept\n") cfg.trustedInterfaces}
        ${accept "tcp" cfg.allowedTCPPorts cfg.allowedTCPPortRanges}
        ${accept "udp" cfg.allowedUDPPorts cfg.allowedUDPPortRanges}
        ${lib.optionalString cfg.allowPing "icmp type echo-request accept"}
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, echo-request, packet-too-big } accept
        meta l4proto tcp reject with tcp reset
        reject
      }
    }
  '';
in
{
  options.networking.firewall = {
    enable = mkOption {
      type = types.bool;
      default = true;
    };
    allowedTCPPorts = ports;
    allowedUDPPorts = ports;
    allowedTCPPortRanges = ranges;
    allowedUDPPortRanges = ranges;
    trustedInterfaces = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    allowPing = mkOption {
      type = types.bool;
      default = true;
    };
    logRefusedConnections = mkOption {
      type = types.bool;
      default = false;
      description = "Accepted; the log of the kernel is not visible in a container.";
    };
  };

  config = lib.mkIf cfg.enable {
    systemd.services.nftables = {
      description = "nftables firewall";
      wantedBy = [ "sysinit.target" ];
      before = [
        "network-pre.target"
        "shutdown.target"
      ];
      wants = [ "network-pre.target" ];
      conflicts = [ "shutdown.target" ];
      unitConfig.DefaultDependencies = false;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${pkgs.nftables}/bin/nft -f ${rules}";
        ExecReload = [ "${pkgs.nftables}/bin/nft -f ${rules}" ];
        ExecStop = "${pkgs.nftables}/bin/nft delete table inet nixos-fw";
      };
    };
  };
}
