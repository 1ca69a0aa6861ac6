"""``nixws network``: what a workspace may reach."""
