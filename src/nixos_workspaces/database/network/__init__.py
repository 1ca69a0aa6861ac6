"""Networks of workspaces: policies and proposals."""
