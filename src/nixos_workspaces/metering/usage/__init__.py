"""The ledger of use: records of what workspaces had and used, and their seals in the audit log."""
