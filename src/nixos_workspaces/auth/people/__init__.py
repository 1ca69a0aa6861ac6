"""People: users, groups, quotas, passwords, and the rules of their credentials."""
