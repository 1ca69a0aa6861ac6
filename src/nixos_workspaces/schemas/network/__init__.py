"""Wire types of what a workspace may reach."""
