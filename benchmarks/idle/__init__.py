"""The open benchmark of idle truth: labelled scenarios as real processes in real workspaces."""
