# What a flake's own text asks for under the name `nixpkgs`, as the attributes that a lock file records.
{ flake }: builtins.parseFlakeRef (import (flake + "/flake.nix")).inputs.nixpkgs.url
