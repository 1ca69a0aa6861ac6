"""Indexes for pages in every order, and for the sums at a creation."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_workspaces_name": ["name", "id"],
    "ix_workspaces_accessed": ["last_accessed", "id"],
    "ix_workspaces_owner_created": ["owner_id", "created_at", "id"],
    "ix_workspaces_owner_name_id": ["owner_id", "name", "id"],
    "ix_workspaces_owner_accessed": ["owner_id", "last_accessed", "id"],
}


def upgrade() -> None:
    """Make the indexes."""
    for name, columns in INDEXES.items():
        op.create_index(name, "workspaces", columns, unique=False)
    present = sa.text("deleted_at IS NULL")
    op.create_index(
        "ix_workspaces_sums",
        "workspaces",
        ["desire", "cpu", "memory_bytes", "storage_bytes", "volume_bytes", "deleted_at"],
        unique=False,
        sqlite_where=present,
        postgresql_where=present,
    )
