"""Shares of workspaces and of parts of them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of shares."""
    op.create_table(
        "workspace_shares",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("workspace_id", sa.String(32), nullable=False),
        sa.Column("recipient", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("access", sa.String(16), nullable=False),
        sa.Column("part", sa.String(80), nullable=False),
        sa.Column("files", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("knock", sa.Boolean(), nullable=False),
        sa.Column("link_hash", sa.String(64)),
        sa.Column("via", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime()),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_workspace_shares_workspace", "workspace_shares", ["workspace_id"])
    op.create_index("ix_workspace_shares_subject", "workspace_shares", ["subject"])
    op.create_index("ix_workspace_shares_link", "workspace_shares", ["link_hash"], unique=True)
