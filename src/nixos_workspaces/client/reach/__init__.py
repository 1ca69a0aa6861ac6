"""Calls about ports of workspaces."""
