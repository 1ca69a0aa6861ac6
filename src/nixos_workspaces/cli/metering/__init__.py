"""The verbs about use and money."""
