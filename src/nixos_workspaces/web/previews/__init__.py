"""Previews: an application of its own for the hosts of workspaces' ports, in front of the service."""
