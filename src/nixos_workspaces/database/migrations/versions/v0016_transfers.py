"""Offers of workspaces to new owners, and workspaces that their owners' personal secrets are kept from."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the column; workspaces from before are given their owners' secrets as they were."""
    op.create_table(
        "transfer_offers",
        sa.Column("workspace_id", sa.String(32), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("to_id", sa.String(64), nullable=False),
        sa.Column("offered_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("workspace_id"),
    )
    op.create_index("ix_transfer_offers_owner", "transfer_offers", ["owner_id"])
    op.create_index("ix_transfer_offers_to", "transfer_offers", ["to_id"])
    op.add_column(
        "workspaces", sa.Column("withholds_personal", sa.Boolean(), nullable=False, server_default=sa.false())
    )
