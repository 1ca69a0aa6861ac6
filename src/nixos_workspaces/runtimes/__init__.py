"""Engines that run workspaces, behind one protocol."""
