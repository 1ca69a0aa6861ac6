"""The routes of the API, one file or folder a noun."""
