"""The ways in: origin, TLS, credentials that end, rates, and numbers for each principal and address."""
