"""The routes of SSH: keys of people, certificates, tunnels."""
