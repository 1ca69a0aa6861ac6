"""Calls about things that are put into workspaces: secrets and repositories."""
