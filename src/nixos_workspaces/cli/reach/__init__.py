"""The verbs on the ways into a workspace."""
