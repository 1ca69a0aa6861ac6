"""Keys at rest: master key, volume keys, SSH keys."""
