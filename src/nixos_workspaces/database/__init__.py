"""Persistence: tables, migrations and every query."""

from nixos_workspaces.database.audit import AuditEntry
from nixos_workspaces.database.engine import Database, Transaction, is_current, open_database
from nixos_workspaces.database.tokens import TokenRecord
from nixos_workspaces.database.uses import Uses

__all__ = ["AuditEntry", "Database", "TokenRecord", "Transaction", "Uses", "is_current", "open_database"]
