"""What Nix says: progress, logs and failures."""
