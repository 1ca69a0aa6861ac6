"""People: users, groups, quotas."""
