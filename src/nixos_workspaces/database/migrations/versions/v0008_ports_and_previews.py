"""Ports that are shown to others, and the sessions of browsers in previews."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of shared ports and of preview sessions."""
    op.create_table(
        "port_shares",
        sa.Column("workspace_id", sa.String(32), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("program", sa.String(64), nullable=False),
        sa.Column("link_hash", sa.String(64)),
        sa.Column("expires_at", sa.DateTime()),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("workspace_id", "port"),
    )
    op.create_table(
        "preview_sessions",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("workspace_id", sa.String(32), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("token_id", sa.String(32), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"]),
        sa.PrimaryKeyConstraint("hash"),
    )
