"""The machines of this node: volume, network, container, and the order of steps that make them."""
