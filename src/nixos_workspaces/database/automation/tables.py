"""The tables of rest and of schedules, beside those of ``database.schema``."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, String, Table, Text

from nixos_workspaces.database.schema import UtcDateTime, metadata

workspace_idle = Table(
    "workspace_idle",
    metadata,
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), primary_key=True),
    # NULL: as the settings say.
    Column("policy", JSON(none_as_null=True)),
    Column("hold_until", UtcDateTime),
    Column("hold_reason", Text, nullable=False),
    Column("hold_by", String(64), nullable=False),
)

workspace_schedules = Table(
    "workspace_schedules",
    metadata,
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), primary_key=True),
    Column("runs", JSON(none_as_null=True), nullable=False),
    Column("done_until", UtcDateTime, nullable=False),
)
