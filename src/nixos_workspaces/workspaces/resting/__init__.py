"""Why workspaces rest, and what wakes them."""
