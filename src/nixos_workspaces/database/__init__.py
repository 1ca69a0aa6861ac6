"""Everything that is kept: tables, migrations and every query."""

from nixos_workspaces.database.engine import Database, Transaction, open_database
from nixos_workspaces.database.records import AuditEntry, TokenRecord

__all__ = ["AuditEntry", "Database", "TokenRecord", "Transaction", "open_database"]
