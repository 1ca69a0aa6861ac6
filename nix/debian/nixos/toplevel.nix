# The system as one store path, in NixOS's layout: init, activate, sw, etc, systemd, ...
{
  config,
  lib,
  pkgs,
  debian,
  ...
}:
let
  scripts = config.system.activationScripts;
  textOf = script: if builtins.isString script then script else script.text;
  dependenciesOf = script: if builtins.isString script then [ ] else script.deps;

  # Each script after those it names.
  inOrder = builtins.foldl' visit [ ] (builtins.attrNames scripts);
  visit =
    done: name:
    if builtins.elem name done then
      done
    else
      builtins.foldl' visit done (dependenciesOf (scripts.${name} or (throw "system.activationScripts.${name} does not exist")))
      ++ [ name ];

  activate = ''
    #!${pkgs.bash}/bin/bash
    # Bring the machine's files in line with this system. Runs at every start; running it again changes nothing.
    export PATH=${
      lib.concatMapStringsSep ":" (package: "${package}/bin") (
        with pkgs;
        [
          coreutils
          findutils
          util-linux
          gnugrep
          gnused
        ]
      )
    }
    systemConfig=@out@
    failed=0
    trap 'failed=1; echo "activation: line $LINENO of $systemConfig/activate failed" >&2' ERR
    umask 022
    ${lib.concatMapStrings (name: "# --- ${name}\n${textOf scripts.${name}}\n") inOrder}
    exit $failed
  '';
  init = ''
    #!${pkgs.bash}/bin/bash
    # The first process of the machine: activate, then become systemd.
    echo "nixos: activating @out@"
    @out@/activate || echo "nixos: activation was not complete; starting nevertheless" >&2
    export PATH=/run/current-system/sw/bin LANG=${config.i18n.defaultLocale}
    exec ${pkgs.systemd}/lib/systemd/systemd "$@"
  '';

  failed = map (item: item.message) (builtins.filter (item: !item.assertion) config.assertions);
  checked =
    value:
    if failed == [ ] then
      value
    else
      throw "\nFailed assertions:\n${lib.concatLines (map (message: "- ${message}") failed)}";

  packages = builtins.fromJSON (builtins.readFile ../packages.json);

  # What programs of other distributions load, and what is compiled here: the dynamic linker looks into /usr/lib/TRIPLET.
  libraries = pkgs.buildEnv {
    name = "foreign-libraries";
    paths =
      map (name: debian.${name}) packages.foreign ++ config.programs.nix-ld.libraries;
  };
in
{
  config = {
    system.activationScripts = {
      base = {
        deps = [ "etc" ];
        text = ''
          mkdir -p /bin /lib /usr/bin /usr/lib /usr/share /var/empty /var/lib /var/log /var/tmp /var/cache /root /home /run /tmp
          chmod 1777 /tmp /var/tmp
          chmod 700 /root
          ln -sfn "$systemConfig" /run/current-system
          [ -e /run/booted-system ] || ln -sfn "$systemConfig" /run/booted-system
          ln -sfn ${pkgs.bash}/bin/bash /bin/sh
          ln -sfn ${pkgs.coreutils}/bin/env /usr/bin/env
          # Paths compiled into Debian's systemd, libc and util-linux.
          ln -sfn ${config.system.build.systemdRuntime} /lib/systemd
          ln -sfn ${if config.i18n.extraLocales == [ ] then debian.libc-bin else pkgs.glibcLocales}/lib/locale /usr/lib/locale
          ln -sfn ${debian.tzdata}/share/zoneinfo /usr/share/zoneinfo
          ln -sfn ${pkgs.util-linux}/bin/mount /bin/mount
          ln -sfn ${pkgs.util-linux}/bin/umount /bin/umount
          ${lib.optionalString config.programs.nix-ld.enable ''
            mkdir -p /lib64
            ln -sfn ${debian.libc6}/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 /lib64/ld-linux-x86-64.so.2
            ln -sfn ${libraries}/lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu
          ''}
          if [ ! -s /etc/machine-id ]; then
            read -r id < /proc/sys/kernel/random/uuid
            echo "''${id//-/}" > /etc/machine-id
          fi
          [ -e /etc/hosts ] || printf '%s # of the system\n' '127.0.0.1 localhost' '::1 localhost' > /etc/hosts
        '';
      };
    };

    system.build.toplevel = checked (
      pkgs.runCommand "nixos-system-${config.system.name}-${config.system.stateVersion}"
        {
          inherit activate init;
          passAsFile = [
            "activate"
            "init"
          ];
        }
        ''
          mkdir $out
          ln -s ${config.system.path} $out/sw
          ln -s ${config.system.build.etc} $out/etc
          ln -s ${pkgs.systemd} $out/systemd
          echo -n x86_64-linux > $out/system
          echo -n ${config.system.stateVersion}.debian > $out/nixos-version
          sed "s,@out@,$out,g" "$activatePath" > $out/activate
          sed "s,@out@,$out,g" "$initPath" > $out/init
          chmod +x $out/activate $out/init
        ''
    );
  };
}
