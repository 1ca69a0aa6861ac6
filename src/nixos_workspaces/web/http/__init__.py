"""HTTP and WebSockets without any feature: server, protocol, gate, errors, streams."""
