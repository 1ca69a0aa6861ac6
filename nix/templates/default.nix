# The templates of this folder by name, with what people are told about them. A template is a file NAME.nix beside this one:
#
#   { title = "..."; description = "..."; icon = "..."; packages = [ "git" ... ]; module = { pkgs, ... }: { ... }; }
#
# `packages` are names in the package set; `module` is a NixOS module for what is more than packages.
let
  inherit (builtins)
    attrNames
    filter
    listToAttrs
    match
    readDir
    ;
  files = filter (name: name != "default.nix" && match ".+\\.nix" name != null) (attrNames (readDir ./.));
  nameOf = file: builtins.head (match "(.+)\\.nix" file);
in
listToAttrs (
  map (file: {
    name = nameOf file;
    value = removeAttrs (import (./. + "/${file}")) [ "module" ];
  }) files
)
