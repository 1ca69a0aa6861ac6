"""The verbs that run the service or work on its data directory: up, serve, node, token, login-link."""
