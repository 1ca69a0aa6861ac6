"""Nix's output: progress, logs and failures."""
