"""Figures of running workspaces, now and over time."""
