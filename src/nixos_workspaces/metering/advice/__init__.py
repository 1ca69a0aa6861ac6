"""Advice about the size of workspaces."""
