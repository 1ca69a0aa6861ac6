"""Queries about the rest of workspaces, their schedules and the reasons of their stops."""
