"""Workspaces that change size by themselves, boosts, and advice about sizes."""
