"""The verbs that reach into workspaces from other computers: SSH's configuration, tunnels, keys."""
