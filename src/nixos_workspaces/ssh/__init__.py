"""SSH connections to workspaces: one pool for terminals and files, and a shorter way for their data."""
