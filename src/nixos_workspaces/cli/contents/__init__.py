"""Verbs on the contents of workspaces that come from outside: secrets and repositories."""
