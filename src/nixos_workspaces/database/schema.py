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
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
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
_present = text("deleted_at IS NULL")

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
    Column("stop_reason", _json),
    # The size that it has by itself; null: as chosen.
    Column("scaled_cpu", Float),
    Column("scaled_memory_bytes", BigInteger),
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
    # Its owner's personal secrets are not delivered to it: it has come from another owner.
    Column("withholds_personal", Boolean, nullable=False, server_default=false()),
    # Conditions for PostgreSQL stand in the migrations, which make it: here they would load its dialect, 2 MB.
    Index("uq_workspaces_owner_name", "owner_id", "name", unique=True, sqlite_where=_alive),
    Index("ix_workspaces_created", "created_at", "id"),
    Index("ix_workspaces_name", "name", "id"),
    Index("ix_workspaces_accessed", "last_accessed", "id"),
    # Pages of one owner, in every order.
    Index("ix_workspaces_owner_created", "owner_id", "created_at", "id"),
    Index("ix_workspaces_owner_name_id", "owner_id", "name", "id"),
    Index("ix_workspaces_owner_accessed", "owner_id", "last_accessed", "id"),
    # Holds all that the sums at a creation need, so that no row is looked at.
    Index(
        "ix_workspaces_sums",
        *("desire", "cpu", "memory_bytes", "storage_bytes", "volume_bytes", "deleted_at"),
        *("scaled_cpu", "scaled_memory_bytes"),
        sqlite_where=_present,
    ),
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
    # The token or session it was made with: it ends with that one.
    Column("parent_id", String(32)),
    # All that it comes from, the first one first: a session that it outlives, too. Null: only the parent is known.
    Column("chain", _json),
    # It may do no more than this, to no other workspaces; null: all that its user may.
    Column("scopes", _json),
    Column("workspace_ids", _json),
    # The first letters of the secret, to know it by.
    Column("prefix", String(16)),
    # Of a session: the program and the address that it was begun by, and when it ends unless it is used.
    Column("device", Text),
    Column("address", String(64)),
    Column("idle_until", UtcDateTime),
    Index("ix_tokens_principal", "principal_id", "created_at"),
    Index("ix_tokens_parent", "parent_id"),
)

login_codes = Table(
    "login_codes",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    # The user that it signs in; null: the first administrator.
    Column("user_id", String(64)),
)

users = Table(
    "users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("handle", String(64), nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("password_hash", Text),
    Column("password_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("user_id", String(64), ForeignKey("users.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("credential_id", Text, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    # The host name that it is for.
    Column("rp_id", String(255), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
    Index("ix_passkeys_user", "user_id"),
    Index("ix_passkeys_rp", "rp_id"),
)

user_groups = Table(
    "user_groups",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", String(32), ForeignKey("user_groups.id"), primary_key=True),
    Column("user_id", String(64), ForeignKey("users.id"), primary_key=True),
    Index("ix_group_members_user", "user_id"),
)

provisioned_users = Table(
    "provisioned_users",
    metadata,
    Column("user_id", String(64), ForeignKey("users.id"), primary_key=True),
    Column("user_name", Text, nullable=False),
    # For comparing; none of a deleted user, so that another may have the name.
    Column("user_name_key", Text, unique=True),
    Column("external_id", Text, index=True),
    Column("attributes", _json, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
)

provisioned_groups = Table(
    "provisioned_groups",
    metadata,
    Column("group_id", String(32), ForeignKey("user_groups.id"), primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False, unique=True),
    Column("external_id", Text),
    Column("changed_at", UtcDateTime, nullable=False),
)

# Accounts at an OpenID provider, by which users sign in.
identities = Table(
    "identities",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("user_id", String(64), ForeignKey("users.id"), nullable=False),
    Column("issuer", String(512), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Index("ix_identities_issuer", "issuer", "subject", unique=True),
    Index("ix_identities_user_id", "user_id"),
)

# Browser sessions that began there: it may end them.
provider_sessions = Table(
    "provider_sessions",
    metadata,
    Column("token_id", String(32), ForeignKey("tokens.id"), primary_key=True),
    Column("issuer", String(512), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("sid", String(255), nullable=False),
    Index("ix_provider_sessions_subject", "subject"),
    Index("ix_provider_sessions_sid", "sid"),
)

# Digests of its logout tokens that were used, until they expire.
provider_logouts = Table(
    "provider_logouts",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
)

quotas = Table(
    "quotas",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("subject_id", String(64), primary_key=True),
    Column("workspaces", Integer),
    Column("running", Integer),
    Column("cpu", Float),
    Column("memory_bytes", BigInteger),
    Column("storage_bytes", BigInteger),
)

terminal_layouts = Table(
    "terminal_layouts",
    metadata,
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), primary_key=True),
    Column("principal_id", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("layout", _json, nullable=False),
)

terminal_choices = Table(
    "terminal_choices",
    metadata,
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), primary_key=True),
    Column("record", Boolean, nullable=False),
    Column("moderated", Boolean, nullable=False),
)

recordings = Table(
    "recordings",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), nullable=False, index=True),
    Column("terminal_id", String(16), nullable=False),
    Column("title", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("end", BigInteger, nullable=False),
    Column("missing", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("cast_sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("exit_status", Integer),
)

workspace_networks = Table(
    "workspace_networks",
    metadata,
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("policy", _json, nullable=False),
    Column("learning", _json),
    # When the next part of it ends: an entry, or learning.
    Column("expires_at", UtcDateTime),
    Index("ix_workspace_networks_expires", "expires_at"),
)

network_proposals = Table(
    "network_proposals",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("source", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("entries", _json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("decided_at", UtcDateTime),
    Column("decided_by", String(64), nullable=False),
    Index("ix_network_proposals_workspace", "workspace_id", "state"),
)

port_shares = Table(
    "port_shares",
    metadata,
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), primary_key=True),
    Column("port", Integer, primary_key=True),
    Column("visibility", String(16), nullable=False),
    Column("program", String(64), nullable=False),
    Column("link_hash", String(64)),
    Column("expires_at", UtcDateTime),
)

# Who has a workspace, or a part of it, besides its owner; ended ones are removed, and live on in the audit log.
workspace_shares = Table(
    "workspace_shares",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), nullable=False),
    Column("recipient", String(16), nullable=False),
    # A user, a group or a guest; empty for a link.
    Column("subject", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("access", String(16), nullable=False),
    # A terminal or a port; empty for the whole workspace.
    Column("part", String(80), nullable=False),
    Column("files", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("knock", Boolean, nullable=False),
    Column("link_hash", String(64)),
    # The link that they came by.
    Column("via", String(32), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("expires_at", UtcDateTime),
    Index("ix_workspace_shares_workspace", "workspace_id"),
    Index("ix_workspace_shares_subject", "subject"),
    Index("ix_workspace_shares_link", "link_hash", unique=True),
)

# One of each workspace; answered, withdrawn and expired ones are removed, and live on in the audit log.
transfer_offers = Table(
    "transfer_offers",
    metadata,
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), primary_key=True),
    # By the one, to the other.
    Column("owner_id", String(64), nullable=False),
    Column("to_id", String(64), nullable=False),
    Column("offered_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("ix_transfer_offers_owner", "owner_id"),
    Index("ix_transfer_offers_to", "to_id"),
)

preview_sessions = Table(
    "preview_sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), nullable=False),
    Column("port", Integer, nullable=False),
    # It ends with the credential that it was opened with.
    Column("token_id", String(32), ForeignKey("tokens.id"), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

ssh_keys = Table(
    "ssh_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("principal_id", String(64), nullable=False),
    Column("principal_name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("name", String(64), nullable=False),
    Column("type", String(64), nullable=False),
    Column("blob", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
    Index("ix_ssh_keys_principal", "principal_id", "fingerprint", unique=True),
    Index("ix_ssh_keys_fingerprint", "fingerprint"),
)

secrets = Table(
    "secrets",
    metadata,
    # A person, or the id of a workspace.
    Column("scope", String(96), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("place", Text, nullable=False),
    Column("mode", String(8), nullable=False),
    Column("username", Text, nullable=False),
    Column("length", String(8), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

# Counts the changes of each scope; stays when its last secret goes, so that this reaches the workspaces too.
secret_scopes = Table(
    "secret_scopes",
    metadata,
    Column("scope", String(96), primary_key=True),
    Column("revision", Integer, nullable=False),
)

repositories = Table(
    "repositories",
    metadata,
    Column("workspace_id", String(32), ForeignKey("workspaces.id"), primary_key=True),
    Column("purpose", String(16), primary_key=True),
    Column("url", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("directory", Text, nullable=False),
    Column("script", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

profiles = Table(
    "profiles",
    metadata,
    Column("principal_id", String(64), primary_key=True),
    Column("dotfiles_url", Text, nullable=False),
    Column("dotfiles_ref", Text, nullable=False),
    Column("dotfiles_script", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)
