"""The lifecycle of workspaces: desired state, next step, reconciliation."""
