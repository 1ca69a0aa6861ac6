{
  title = "Web IDE";
  description = "Node.js, Git, and VS Code in the browser (code-server) on port 8080, up with the workspace.";
  icon = "code";
  packages = [
    "curl"
    "file"
    "gcc"
    "git"
    "gnumake"
    "jq"
    "nano"
    "nodejs"
    "pkg-config"
    "python3"
    "ripgrep"
  ];
  # It listens on the loopback only: who may open the port of the workspace is asked outside. A set that was generated
  # without a way to npm's registry lacks code-server; then `web-ide-install` fetches it once, from inside, and its service
  # starts as soon as it is there.
  module =
    { lib, pkgs, ... }:
    let
      packaged = pkgs ? code-server;
      # Where npm puts programs of the user in a workspace (/etc/npmrc).
      fetched = "/home/nixos/.local/bin/code-server";
      program = if packaged then "${pkgs.code-server}/bin/code-server" else fetched;
      install = pkgs.writeText "web-ide-install" ''
        #!${pkgs.bash}/bin/bash
        set -euo pipefail
        echo 'Fetching code-server (about 600 MB)...'
        npm install --global --no-audit --no-fund --allow-scripts=code-server code-server@4
        test -x ${fetched}
        echo 'It is started by itself and listens on port 8080.'
      '';
      installer = pkgs.runCommand "web-ide-install" { } ''
        mkdir -p $out/bin
        cp ${install} $out/bin/web-ide-install
        chmod +x $out/bin/web-ide-install
      '';
      # Offers to chat with services that are not there are no part of it; whoever wants them writes their own settings.
      settings = pkgs.writeText "web-ide-settings.json" (
        builtins.toJSON {
          "chat.disableAIFeatures" = true;
          "workbench.secondarySideBar.defaultVisibility" = "hidden";
        }
      );
      start = pkgs.writeText "web-ide-start" ''
        mine=$HOME/.local/share/code-server/User/settings.json
        [ -e "$mine" ] || install -D -m 644 ${settings} "$mine"
        exec ${program} ${options} "$HOME"
      '';
      options = "--bind-addr 127.0.0.1:8080 --auth none --disable-telemetry --disable-update-check --disable-workspace-trust";
    in
    {
      environment.systemPackages = [ (if packaged then pkgs.code-server else installer) ];
      systemd.services.web-ide = {
        description = "VS Code in the browser";
        wantedBy = [ "multi-user.target" ];
        unitConfig = lib.optionalAttrs (!packaged) { ConditionPathExists = fetched; };
        serviceConfig = {
          User = "nixos";
          WorkingDirectory = "/home/nixos";
          # A login shell: its terminals get what all others get, secrets included.
          ExecStart = "${pkgs.bash}/bin/bash -l ${start}";
          Restart = "always";
          RestartSec = "2s";
        };
      };
      systemd.paths = lib.optionalAttrs (!packaged) {
        web-ide = {
          description = "Waits for code-server";
          wantedBy = [ "multi-user.target" ];
          pathConfig.PathExists = fetched;
        };
      };
    };
}
