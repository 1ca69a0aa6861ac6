"""The verbs about what is built."""
