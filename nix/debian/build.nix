# The smallest builders: no compiler, no standard environment, no network, one static shell.
{ system, lib }:
let
  # Cheaper to build than to ask a binary cache for, and none has them: machines without a network must not wait for one.
  local = {
    allowSubstitutes = false;
    preferLocalBuild = true;
  };

  # busybox takes a name that begins with "busybox" to mean itself, so it keeps its own in a folder.
  busybox = "${
    builtins.path {
      name = "bootstrap";
      path = ./bootstrap;
    }
  }/busybox";

  tools = derivation (
    local
    // {
      name = "bootstrap-tools";
      inherit system;
      builder = busybox;
      args = [
        "sh"
        "-euc"
        "${busybox} mkdir -p $out/bin; ${busybox} cp ${busybox} $out/bin/busybox; $out/bin/busybox --install -s $out/bin"
      ];
    }
  );

  shell =
    arguments: name: environment:
    derivation (
      local
      // {
        name = lib.storeName name;
        inherit system;
        builder = "${tools}/bin/sh";
        args = arguments;
        PATH = "${tools}/bin";
      }
      // environment
    );

  # Every command that fails ends a build, in the middle of a pipeline as well.
  strict = [
    "-eu"
    "-o"
    "pipefail"
  ];

  # Derivations that run a script, or a text, in the static shell; `environment` as in `derivation`.
  runScript =
    name: environment: script:
    shell (strict ++ [ script ]) name environment;
  runCommand =
    name: environment: text:
    shell (strict ++ [ "-c" text ]) name environment;

  # Join trees by symbolic links, with Nix's own builder. Where two hold the same file the earlier one is taken.
  buildEnv =
    { name, paths }:
    derivation (
      local
      // {
        name = lib.storeName name;
        system = "builtin";
        builder = "builtin:buildenv";
        manifest = "/dev/null";
        derivations = builtins.concatLists (
          lib.imap (priority: path: [
            "true"
            (toString priority)
            "1"
            "${path}"
          ]) (lib.unique paths)
        );
      }
    );
in
{
  inherit
    tools
    runScript
    runCommand
    buildEnv
    ;

  # Text that may name store paths: these must stay dependencies, so it is built and not `toFile`.
  writeText =
    name: text:
    if builtins.hasContext text then
      runCommand name {
        inherit text;
        passAsFile = [ "text" ];
      } "cp $textPath $out"
    else
      builtins.toFile (lib.storeName name) text;
}
