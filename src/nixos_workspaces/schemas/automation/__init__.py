"""Wire types of rest, schedules and the reasons of stops."""
