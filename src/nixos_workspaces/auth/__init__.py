"""Who may do what, how they prove who they are, and the keys of workspaces."""
