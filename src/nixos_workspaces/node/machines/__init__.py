"""The machines of this node: volume, network, container and their order."""
