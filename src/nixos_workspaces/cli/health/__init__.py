"""The verbs about what is wrong."""
