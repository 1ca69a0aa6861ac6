"""Calls about ways in: SSH keys, tunnels, and the audit log."""
