"""From an environment to a store path: the door to Nix."""
