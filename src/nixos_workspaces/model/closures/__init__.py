"""Closures: all store paths that a system needs, and how two of them differ."""
