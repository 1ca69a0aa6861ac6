"""Values about how people get in."""
