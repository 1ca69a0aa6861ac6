"""The tables of workspaces that change size by themselves, beside those of ``database.schema``."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, func

from nixos_workspaces.database.schema import UtcDateTime, metadata, workspaces

_json = JSON(none_as_null=True)

workspace_scaling = Table(
    "workspace_scaling",
    metadata,
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), primary_key=True),
    # Null: it does not change by itself.
    Column("policy", _json),
    # Null: there is none.
    Column("boost", _json),
)

scaling_decisions = Table(
    "scaling_decisions",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("cpu_before", Float, nullable=False),
    Column("cpu_after", Float, nullable=False),
    Column("memory_before", BigInteger, nullable=False),
    Column("memory_after", BigInteger, nullable=False),
    Column("reason", _json, nullable=False),
    Column("evidence", _json, nullable=False),
    Index("ix_scaling_decisions_workspace", "workspace_id", "id"),
    Index("ix_scaling_decisions_at", "at"),
)

CPU = func.coalesce(workspaces.c.scaled_cpu, workspaces.c.cpu)
MEMORY_BYTES = func.coalesce(workspaces.c.scaled_memory_bytes, workspaces.c.memory_bytes)
"""The size that a workspace has: quotas and promises count it, whoever chose it."""
