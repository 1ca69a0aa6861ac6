"""The figures of workspaces over time: measured, kept, told."""
