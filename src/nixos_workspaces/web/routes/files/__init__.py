"""The routes of a workspace's files and uploads."""
