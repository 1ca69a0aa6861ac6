"""Verbs of rest and of schedules."""
