"""The client's calls about what is wrong."""
