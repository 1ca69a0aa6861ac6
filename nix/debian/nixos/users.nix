# Users and groups, declared: passwd, group, shadow and gshadow are written together at every start, so that they agree.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.users;

  user =
    { name, config, ... }:
    {
      options = {
        name = mkOption {
          type = types.str;
          default = name;
        };
        uid = mkOption {
          type = types.nullOr types.int;
          default = null;
        };
        description = mkOption {
          type = types.str;
          default = "";
        };
        isNormalUser = mkOption {
          type = types.bool;
          default = false;
        };
        isSystemUser = mkOption {
          type = types.bool;
          default = false;
        };
        group = mkOption {
          type = types.str;
          default = if config.isNormalUser then "users" else "";
        };
        extraGroups = mkOption {
          type = types.listOf types.str;
          default = [ ];
        };
        home = mkOption {
          type = types.path;
          default = if config.isNormalUser then "/home/${name}" else "/var/empty";
        };
        createHome = mkOption {
          type = types.bool;
          default = config.isNormalUser;
        };
        homeMode = mkOption {
          type = types.strMatching "[0-7]{1,5}";
          default = "700";
        };
        shell = mkOption {
          type = types.either types.package types.path;
          default = if config.isNormalUser || name == "root" then "/run/current-system/sw/bin/bash" else "/bin/false";
        };
        packages = mkOption {
          type = types.listOf types.package;
          default = [ ];
        };
        linger = mkOption {
          type = types.bool;
          default = false;
          description = "Whether the user's own systemd runs, whoever is logged in; needs a uid.";
        };
        openssh.authorizedKeys.keys = mkOption {
          type = types.listOf types.singleLineStr;
          default = [ ];
        };
      };
    };

  group =
    { name, ... }:
    {
      options = {
        name = mkOption {
          type = types.str;
          default = name;
        };
        gid = mkOption {
          type = types.nullOr types.int;
          default = null;
        };
        members = mkOption {
          type = types.listOf types.str;
          default = [ ];
        };
      };
    };

  # Ids that nobody gave: in the order of names, from a number that the given ones do not reach.
  numbered =
    first: attribute: set:
    builtins.listToAttrs (
      lib.imap (at: name: lib.nameValuePair name (first + at - 1)) (
        builtins.filter (name: set.${name}.${attribute} == null) (builtins.attrNames set)
      )
    );
  normal = lib.filterAttrs (_: item: item.isNormalUser) cfg.users;
  system = lib.filterAttrs (_: item: !item.isNormalUser) cfg.users;
  freeUids = numbered 1100 "uid" normal // numbered 400 "uid" system;
  freeGids = numbered 400 "gid" cfg.groups;
  uidOf = item: toString (if item.uid == null then freeUids.${item.name} else item.uid);
  gidOf = item: toString (if item.gid == null then freeGids.${item.name} else item.gid);
  primary = item: cfg.groups.${item.group} or (throw "users.users.${item.name}.group: the group `${item.group}' does not exist");
  shellOf = item: if lib.isDerivation item.shell then lib.getExe item.shell else item.shell;

  members =
    item:
    lib.concatMapStringsSep "," (member: member) (
      lib.unique (
        item.members ++ map (one: one.name) (builtins.filter (one: builtins.elem item.name one.extraGroups) (builtins.attrValues cfg.users))
      )
    );
  lines = f: set: lib.concatLines (map f (builtins.attrValues set));

  passwd = pkgs.writeText "passwd" (
    lines (
      item:
      "${item.name}:x:${uidOf item}:${gidOf (primary item)}:${item.description}:${item.home}:${shellOf item}"
    ) cfg.users
  );
  # "*" allows keys and forbids passwords; "!" would be a locked account, which sshd refuses.
  shadow = pkgs.writeText "shadow" (lines (item: "${item.name}:*:1::::::") cfg.users);
  groupFile = pkgs.writeText "group" (lines (item: "${item.name}:x:${gidOf item}:${members item}") cfg.groups);
  gshadow = pkgs.writeText "gshadow" (lines (item: "${item.name}:!::${members item}") cfg.groups);

  homes = builtins.filter (item: item.createHome) (builtins.attrValues cfg.users);
in
{
  options.users = {
    users = mkOption {
      type = types.attrsOf (types.submodule user);
      default = { };
    };
    groups = mkOption {
      type = types.attrsOf (types.submodule group);
      default = { };
    };
    mutableUsers = mkOption {
      type = types.bool;
      default = false;
      description = "Must be false: users are what the configuration says.";
    };
    allowNoPasswordLogin = mkOption {
      type = types.bool;
      default = false;
      description = "Accepted; nobody can log in with a password here.";
    };
  };

  config = {
    assertions = [
      {
        assertion = !cfg.mutableUsers;
        message = "users.mutableUsers must be false with the package set out of Debian packages.";
      }
    ];

    users.users = {
      root = {
        uid = 0;
        group = "root";
        home = "/root";
        description = "System administrator";
      };
      messagebus = {
        uid = 4;
        group = "messagebus";
        isSystemUser = true;
      };
      sshd = {
        uid = 74;
        group = "sshd";
        isSystemUser = true;
      };
      nobody = {
        uid = 65534;
        group = "nogroup";
        isSystemUser = true;
      };
    };
    users.groups =
      builtins.mapAttrs (_: gid: { inherit gid; }) {
        root = 0;
        wheel = 1;
        kmem = 2;
        tty = 3;
        messagebus = 4;
        disk = 6;
        audio = 17;
        video = 26;
        dialout = 27;
        systemd-journal = 62;
        sshd = 74;
        users = 100;
        input = 174;
        render = 303;
        nogroup = 65534;
      };

    system.activationScripts.users = {
      deps = [ "etc" ];
      text = ''
        install -m 644 ${passwd} /etc/passwd
        install -m 644 ${groupFile} /etc/group
        install -m 600 ${shadow} /etc/shadow
        install -m 600 ${gshadow} /etc/gshadow
        ${lib.concatMapStrings (item: ''
          if [ ! -d ${item.home} ]; then
            install -d -m ${item.homeMode} -o ${uidOf item} -g ${gidOf (primary item)} ${item.home}
          fi
        '') homes}
      '';
    };
  };
}
