"""The ports of a running machine: what listens there, and connections to it."""
