"""A person's terminals beyond any one of them: their arrangement."""
