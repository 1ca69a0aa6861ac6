"""Wire types of what is wrong with workspaces, and of the support bundle."""
