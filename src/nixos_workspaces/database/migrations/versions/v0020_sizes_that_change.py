"""Sizes that workspaces have by themselves, the decisions that made them, and what advice about sizes is made of."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and the columns; workspaces from before have the size that was chosen."""
    op.add_column("workspaces", sa.Column("scaled_cpu", sa.Float()))
    op.add_column("workspaces", sa.Column("scaled_memory_bytes", sa.BigInteger()))
    op.drop_index("ix_workspaces_sums", "workspaces")
    present = sa.text("deleted_at IS NULL")
    sums = ("desire", "cpu", "memory_bytes", "storage_bytes", "volume_bytes", "deleted_at")
    op.create_index(
        "ix_workspaces_sums",
        "workspaces",
        [*sums, "scaled_cpu", "scaled_memory_bytes"],
        sqlite_where=present,
        postgresql_where=present,
    )
    op.create_table(
        "workspace_scaling",
        sa.Column("workspace_id", sa.String(32), nullable=False),
        sa.Column("policy", sa.JSON()),
        sa.Column("boost", sa.JSON()),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("workspace_id"),
    )
    op.create_table(
        "scaling_decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workspace_id", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("cpu_before", sa.Float(), nullable=False),
        sa.Column("cpu_after", sa.Float(), nullable=False),
        sa.Column("memory_before", sa.BigInteger(), nullable=False),
        sa.Column("memory_after", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.JSON(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_scaling_decisions_workspace", "scaling_decisions", ["workspace_id", "id"])
    op.create_index("ix_scaling_decisions_at", "scaling_decisions", ["at"])
    op.create_table(
        "advice_records",
        sa.Column("workspace_id", sa.String(32), nullable=False),
        sa.Column("stored_at", sa.DateTime(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        sa.PrimaryKeyConstraint("workspace_id"),
    )
