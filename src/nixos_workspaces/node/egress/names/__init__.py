"""Names: which a workspace may ask for, and the resolver that answers it."""
