"""SSH connections to workspaces: one pool for terminals and files, and a shorter path for their data."""
