"""The service's own life: its health and what it does in the background."""
