# What users find when they log in: programs, variables, shells.
{
  config,
  lib,
  pkgs,
  debian,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.environment;

  variables = cfg.variables // cfg.sessionVariables;
  toText = value: if builtins.isList value then lib.concatMapStringsSep ":" toString value else toString value;
  # In double quotes, as in NixOS: "$HOME/bin" is meant.
  exports = lib.concatLines (
    lib.mapAttrsToList (name: value: "export ${name}=\"${toText value}\"") (
      lib.filterAttrs (_: value: value != null) variables
    )
  );
  # Terminals of today: Debian's entries, and what newer ones than Debian knows call themselves.
  terminfo = pkgs.runCommand "terminfo" { } ''
    mkdir $out
    for tree in ${debian.ncurses-base}/lib ${debian.ncurses-term}/share ${debian.kitty-terminfo}/share ${debian.foot-terminfo}/share; do
      ${pkgs.coreutils}/bin/cp -r --no-preserve=mode --remove-destination $tree/terminfo/. $out/
    done
    printf '%s\n' \
      'xterm-ghostty|ghostty|Ghostty, Tc, use=xterm-256color,' \
      'wezterm|WezTerm, Tc, use=xterm-256color,' > terminals
    TERMINFO_DIRS=$out ${pkgs.ncurses}/bin/tic -x -o $out terminals
  '';
  aliases = lib.concatLines (
    lib.mapAttrsToList (name: value: "alias -- ${name}=${lib.escapeShellArg value}") (
      lib.filterAttrs (_: value: value != null) (cfg.shellAliases // config.programs.bash.shellAliases)
    )
  );
  text =
    description:
    mkOption {
      type = types.lines;
      default = "";
      inherit description;
    };
  aliasSet = mkOption {
    type = types.attrsOf (types.nullOr types.str);
    default = { };
  };
  variableSet = mkOption {
    type = types.attrsOf (
      types.nullOr (
        types.oneOf [
          (types.listOf (types.either types.int types.str))
          types.int
          types.str
          types.path
        ]
      )
    );
    default = { };
  };
in
{
  options = {
    environment = {
      systemPackages = mkOption {
        type = types.listOf types.package;
        default = [ ];
        description = "Packages whose programs everybody in the system finds.";
      };
      defaultPackages = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
      variables = variableSet;
      sessionVariables = variableSet;
      shellAliases = aliasSet;
      extraInit = text "Shell code that sets variables, for shells and for what else has the environment of one.";
      shellInit = text "Shell code for every login shell.";
      loginShellInit = text "Shell code for every login shell.";
      interactiveShellInit = text "Shell code for every interactive shell.";
      shells = mkOption {
        type = types.listOf (types.either types.package types.path);
        default = [ ];
      };
      localBinInPath = mkOption {
        type = types.bool;
        default = true;
        description = "Whether programs in ~/.local/bin are found.";
      };
      pathsToLink = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Accepted; everything is linked.";
      };
    };
    programs.bash = {
      shellAliases = aliasSet;
      interactiveShellInit = text "Shell code for every interactive bash.";
      shellInit = text "Shell code for every bash that is a login shell.";
      promptInit = mkOption {
        type = types.lines;
        default = ''
          if [ "$TERM" != dumb ]; then
            PS1='\[\033[1;32m\]\u@\h\[\033[0m\]:\[\033[1;34m\]\w\[\033[0m\]\$ '
          fi
        '';
      };
    };
    programs.nix-ld = {
      enable = mkOption {
        type = types.bool;
        default = false;
        description = "Whether programs that expect the dynamic linker of other distributions run.";
      };
      libraries = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
    };
    system.path = mkOption {
      type = types.package;
      description = "The tree of all installed packages, /run/current-system/sw.";
    };
  };

  config = {
    environment.systemPackages =
      map lib.lowPrio (
        with pkgs;
        [
          bash
          coreutils
          curl
          dbus
          diffutils
          findutils
          gawk
          gnugrep
          gnused
          gnutar
          gzip
          getent
          hostname
          iproute2
          less
          nano
          ncurses
          openssh
          procps
          systemd
          util-linux
          which
          xz
        ]
        ++ lib.optional config.documentation.man.enable man
      )
      ++ cfg.defaultPackages;

    system.path = pkgs.buildEnv {
      name = "system-path";
      paths = cfg.systemPackages;
    };

    environment.variables = {
      EDITOR = lib.mkDefault "nano";
      # A client that brings its own language keeps it.
      LANG = "\${LANG:-${config.i18n.defaultLocale}}";
      PAGER = lib.mkDefault "less";
      SSL_CERT_FILE = "/etc/ssl/certs/ca-certificates.crt";
      NODE_EXTRA_CA_CERTS = "/etc/ssl/certs/ca-certificates.crt";
      TZDIR = "/etc/zoneinfo";
      XDG_DATA_DIRS = "/run/current-system/sw/share:/usr/local/share:/usr/share";
    };

    environment.etc = {
      "set-environment".text = ''
        export PATH="${lib.optionalString cfg.localBinInPath "$HOME/.local/bin:"}/run/wrappers/bin:/run/current-system/sw/bin"
        ${exports}
        ${cfg.extraInit}
        export __NIXOS_SET_ENVIRONMENT_DONE=1
      '';
      "profile".text = ''
        if [ -z "$__NIXOS_SET_ENVIRONMENT_DONE" ]; then
          . /etc/set-environment
        fi
        ${cfg.shellInit}
        ${cfg.loginShellInit}
        ${config.programs.bash.shellInit}
        if [ -n "''${BASH_VERSION-}" ] && [ -n "''${PS1-}" ]; then
          . /etc/bash.bashrc
        fi
      '';
      # bash also reads this for commands that sshd runs, which get the environment of a terminal by it and nothing else.
      "bash.bashrc".text = ''
        if [ -n "''${__ETC_BASHRC_SOURCED-}" ]; then return; fi
        if [ -z "''${__NIXOS_SET_ENVIRONMENT_DONE-}" ]; then
          . /etc/set-environment
        fi
        case $- in
          *i*) ;;
          *) return ;;
        esac
        __ETC_BASHRC_SOURCED=1
        shopt -s checkwinsize histappend
        HISTCONTROL=ignoredups HISTSIZE=10000
        ${config.programs.bash.promptInit}
        ${aliases}
        # Completions are read when one is first asked for: reading them takes as long as starting the shell.
        _load_completions() {
          . ${pkgs.bash-completion}/share/bash-completion/bash_completion
          _completion_loader "$@"
        }
        complete -D -F _load_completions
        ${cfg.interactiveShellInit}
        ${config.programs.bash.interactiveShellInit}
      '';
      "inputrc".text = ''
        set bell-style none
        set colored-stats on
        "\e[A": history-search-backward
        "\e[B": history-search-forward
        "\e[1~": beginning-of-line
        "\e[3~": delete-char
        "\e[4~": end-of-line
        "\e[1;5C": forward-word
        "\e[1;5D": backward-word
      '';
      "shells".text = lib.concatLines (
        [
          "/bin/sh"
          "/run/current-system/sw/bin/bash"
        ]
        ++ map toString cfg.shells
      );
      # What man reads to find pages.
      "manpath.config".text = ''
        MANDATORY_MANPATH /run/current-system/sw/share/man
        MANPATH_MAP /run/current-system/sw/bin /run/current-system/sw/share/man
        MANDB_MAP /run/current-system/sw/share/man /var/cache/man
      '';
      "terminfo".source = terminfo;
      "ssl/certs/ca-certificates.crt".source = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
      "ssl/certs/ca-bundle.crt".source = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
    };
  };
}
