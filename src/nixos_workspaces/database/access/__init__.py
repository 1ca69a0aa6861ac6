"""How people get in: their SSH keys."""
