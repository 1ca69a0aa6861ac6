"""The parts of ``ssh_bridge``: the holder's protocol, pooled SSH connections, one attached client's session."""
