"""Ports of workspaces in the browser: what listens, the people that see it, and the visits of their browsers."""
