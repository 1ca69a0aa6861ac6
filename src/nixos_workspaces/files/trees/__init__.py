"""Whole trees of a workspace: walking, searching, copying, archives."""
