"""The operation of the service: health and background tasks."""
