"""The routes and sockets of a workspace's terminals."""
