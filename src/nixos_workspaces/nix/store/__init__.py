"""The store, as Nix tells it."""
