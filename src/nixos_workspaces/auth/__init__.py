"""Who may do what: principals, tokens, keys, and the one point of authorisation."""
