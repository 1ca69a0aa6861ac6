"""Why a workspace was stopped, when it rests, and the times at which it is started and stopped."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the reason to workspaces, and the tables of rest and of schedules."""
    op.add_column("workspaces", sa.Column("stop_reason", sa.JSON(none_as_null=True)))
    op.create_table(
        "workspace_idle",
        sa.Column("workspace_id", sa.String(32), nullable=False),
        sa.Column("policy", sa.JSON(none_as_null=True)),
        sa.Column("hold_until", sa.DateTime()),
        sa.Column("hold_reason", sa.Text(), nullable=False),
        sa.Column("hold_by", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("workspace_id"),
    )
    op.create_table(
        "workspace_schedules",
        sa.Column("workspace_id", sa.String(32), nullable=False),
        sa.Column("runs", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("done_until", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("workspace_id"),
    )
