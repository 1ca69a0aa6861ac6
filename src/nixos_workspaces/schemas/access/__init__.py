"""The wire types of how people get in."""
