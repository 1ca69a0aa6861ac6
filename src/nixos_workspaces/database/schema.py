"""The tables, and nothing that only one database understands.

``migrations`` makes them; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator
from typing_extensions import override


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware instant, stored in UTC by every database."""

    impl = DateTime
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse times without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    @override
    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Restore the time zone."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_json = JSON(none_as_null=True)
_alive = text("desire <> 'deleted'")

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("owner_id", String(64), nullable=False),
    Column("hostname", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_accessed", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    # What is wanted: written by verbs.
    Column("desire", String(16), nullable=False),
    Column("cpu", Float, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("storage_bytes", BigInteger, nullable=False),
    Column("template", String(64), nullable=False),
    Column("packages", _json, nullable=False),
    Column("ports", _json, nullable=False),
    Column("intent", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("pinned", Integer),
    Column("restarts", Integer, nullable=False),
    # What was seen: written by the reconciler.
    Column("status", String(16), nullable=False),
    Column("progress", _json),
    Column("package_set", Text, nullable=False),
    Column("generation", Integer),
    Column("toplevel", Text, nullable=False),
    Column("open_ports", _json, nullable=False),
    Column("built_revision", Integer, nullable=False),
    Column("restarts_done", Integer, nullable=False),
    Column("address", _json),
    Column("encryption", String(32), nullable=False),
    Column("volume_bytes", BigInteger, nullable=False),
    Column("started_at", UtcDateTime),
    Column("ready_at", UtcDateTime),
    Column("oom_kills", Integer, nullable=False),
    Column("host_key", Text, nullable=False),
    Column("forgotten", Boolean, nullable=False),
    Column("build_failure", _json),
    Column("step_failure", _json),
    Index("uq_workspaces_owner_name", "owner_id", "name", unique=True, sqlite_where=_alive, postgresql_where=_alive),
    Index("ix_workspaces_created", "created_at", "id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("principal_id", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("name", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("principal_id", String(64), nullable=False),
    Column("principal_name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)

login_codes = Table(
    "login_codes",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("workspace_id", String(64), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("detail", _json),
    # Room for the chain that makes tampering visible.
    Column("mac", String(64)),
    Index("ix_audit_entries_workspace", "workspace_id", "number"),
)

leases = Table(
    "leases",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)
