"""Wire types of the ways into a workspace."""
