"""The parts of ``ssh_bridge``: the holder's protocol, a stream to it, one attached client's session."""
