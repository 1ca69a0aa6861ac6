"""Queries about the ways into workspaces."""
