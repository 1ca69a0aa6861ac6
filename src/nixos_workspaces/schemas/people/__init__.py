"""Wire types of people: users, groups, quotas, tokens, sessions, device logins."""
