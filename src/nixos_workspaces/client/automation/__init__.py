"""The client's calls on the rest and the schedules of workspaces."""
