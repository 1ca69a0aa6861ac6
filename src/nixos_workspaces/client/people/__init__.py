"""Calls about people: users, groups, quotas, tokens, sessions, device logins."""
