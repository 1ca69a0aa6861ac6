"""Records about the ways into a workspace."""
