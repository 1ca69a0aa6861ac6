"""Persistence: tables, migrations and every query."""

# ruff: noqa: E402 - SQLAlchemy has to be loaded in this way before anything here loads it
from nixos_workspaces.database.sqlite import load_without_orm

load_without_orm()

from nixos_workspaces.database.access.seen import Seen
from nixos_workspaces.database.audit import AuditEntry, StoredCheckpoint
from nixos_workspaces.database.ballast import Ballast
from nixos_workspaces.database.contents.secrets import SecretsDue
from nixos_workspaces.database.engine import Database, Transaction, is_current, open_database
from nixos_workspaces.database.metering.usage import Metered, Settled, Summed
from nixos_workspaces.database.tokens import TokenRecord
from nixos_workspaces.database.uses import Uses
from nixos_workspaces.database.workspaces import parted

__all__ = [
    "AuditEntry",
    "Ballast",
    "Database",
    "Metered",
    "SecretsDue",
    "Seen",
    "Settled",
    "StoredCheckpoint",
    "Summed",
    "TokenRecord",
    "Transaction",
    "Uses",
    "is_current",
    "open_database",
    "parted",
]
