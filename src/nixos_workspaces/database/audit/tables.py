"""The tables of the audit log, beside those of ``database.schema``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from nixos_workspaces.database.schema import UtcDateTime, metadata

audit_entries = Table(
    "audit_entries",
    metadata,
    # Without gaps: the leaf of entry 1 is the tree's first.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    # What entries are found by; the body is what counts.
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("workspace_id", String(64), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("class", String(16), nullable=False),
    # Canonical JSON of the whole entry; gone when its time was over.
    Column("body", Text),
    # The entry that tells that the body was removed.
    Column("expired_by", BigInteger),
    Index("ix_audit_entries_workspace", "workspace_id", "number"),
    Index("ix_audit_entries_actor", "actor", "number"),
    Index("ix_audit_entries_action", "action", "number"),
    Index("ix_audit_entries_class", "class", "number"),
)

# The hashes of complete subtrees, in the order of the tree from left to right.
audit_nodes = Table(
    "audit_nodes",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)

# One row: the tree's size and its largest complete subtrees.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("peaks", LargeBinary, nullable=False),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("size", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("note", Text, nullable=False),
    Column("witnessed_at", UtcDateTime),
)
