"""Sign-in by an OpenID provider: code flow with PKCE, groups to roles, logout from either side (decision 51)."""
