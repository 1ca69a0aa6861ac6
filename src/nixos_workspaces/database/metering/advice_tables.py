"""The table of what advice about the size of workspaces is made of, beside those of ``database.schema``."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, String, Table

from nixos_workspaces.database.schema import UtcDateTime, metadata, workspaces

advice_records = Table(
    "advice_records",
    metadata,
    Column("workspace_id", String(32), ForeignKey(workspaces.c.id), primary_key=True),
    Column("stored_at", UtcDateTime, nullable=False),
    Column("record", JSON(none_as_null=True), nullable=False),
)
