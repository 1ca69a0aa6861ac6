"""Users, groups, quotas; bounds of tokens, devices of sessions."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_FIRST_USER = "admin"


def upgrade() -> None:
    """Make the tables; everybody whom the database knows becomes a user, the first administrator always."""
    _make_tables()
    for column in (
        sa.Column("scopes", sa.JSON()),
        sa.Column("workspace_ids", sa.JSON()),
        sa.Column("prefix", sa.String(16)),
        sa.Column("device", sa.Text()),
        sa.Column("address", sa.String(64)),
        sa.Column("idle_until", sa.DateTime()),
    ):
        op.add_column("tokens", column)
    op.add_column("login_codes", sa.Column("user_id", sa.String(64)))
    op.create_index("ix_tokens_principal", "tokens", ["principal_id", "created_at"])
    op.create_index("ix_tokens_parent", "tokens", ["parent_id"])
    _add_known_users()


def _make_tables() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("handle", sa.String(64), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.Text()),
        sa.Column("password_at", sa.DateTime()),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("handle"),
    )
    op.create_table(
        "user_groups",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.String(32), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["user_groups.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("group_id", "user_id"),
    )
    op.create_index("ix_group_members_user", "group_members", ["user_id"])
    op.create_table(
        "quotas",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("workspaces", sa.Integer()),
        sa.Column("running", sa.Integer()),
        sa.Column("cpu", sa.Float()),
        sa.Column("memory_bytes", sa.BigInteger()),
        sa.Column("storage_bytes", sa.BigInteger()),
        sa.PrimaryKeyConstraint("kind", "subject_id"),
    )


def _add_known_users() -> None:
    """Make a user of each principal of tokens and SSH keys, and of each owner of a workspace."""
    connection, texts = op.get_bind(), (sa.column(name, sa.String()) for name in _COLUMNS[:-1])
    users = sa.table("users", *texts, sa.column(_COLUMNS[-1], sa.DateTime()))
    known = {_FIRST_USER: (_FIRST_USER, "admin")}
    for table in ("tokens", "ssh_keys"):
        of = sa.table(table, sa.column("principal_id"), sa.column("principal_name"), sa.column("role"))
        for principal_id, name, role in connection.execute(sa.select(of).distinct()):
            known.setdefault(principal_id, (name, "admin" if role == "admin" else "member"))
    workspaces = sa.table("workspaces", sa.column("owner_id"))
    for owner in connection.execute(sa.select(workspaces.c.owner_id).distinct()).scalars():
        known.setdefault(owner, (owner, "member"))
    handles: set[str] = set()
    for principal_id, (name, role) in known.items():
        handle = principal_id if name in handles else name
        handles.add(handle)
        row = (principal_id, handle, name, role, "person", "active", datetime.now(UTC).replace(tzinfo=None))
        connection.execute(sa.insert(users).values(dict(zip(_COLUMNS, row, strict=True))))


_COLUMNS = ("id", "handle", "display_name", "role", "kind", "state", "created_at")
