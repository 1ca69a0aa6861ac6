"""The lifecycle of workspaces: what is wanted, the next step, and who does it."""
