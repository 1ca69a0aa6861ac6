"""Secrets of people and workspaces: kept sealed, delivered into the memory of running workspaces."""
