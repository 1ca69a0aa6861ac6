"""The way out of workspaces: what each may reach, the resolver that it asks, the link that carries it."""
