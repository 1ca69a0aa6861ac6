"""The ledger of use, prices and budgets."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_METERS = ("cpu_used", "cpu_reserved", "memory_used", "memory_reserved", "storage", "snapshots", "egress")


def _amounts() -> list[sa.Column[int]]:
    """Return a column for each meter."""
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in _METERS]


def upgrade() -> None:
    """Make the tables; what was used before is not known."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "meter_records",
        sa.Column("id", number, nullable=False, autoincrement=False),
        sa.Column("workspace_id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("begin_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.Column("template", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        *_amounts(),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_meter_records_number", "meter_records", ["workspace_id", "number"], unique=True)
    op.create_index("ix_meter_records_begin", "meter_records", ["begin_us"])
    op.create_index("ix_meter_records_end", "meter_records", ["end_us"])
    op.create_table(
        "meter_intervals",
        sa.Column("workspace_id", sa.String(32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id"),
    )
    op.create_table(
        "price_lists",
        sa.Column("valid_from_us", number, nullable=False, autoincrement=False),
        sa.Column("currency", sa.String(3), nullable=False),
        *_amounts(),
        sa.PrimaryKeyConstraint("valid_from_us"),
    )
    op.create_table(
        "budgets",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("at_limit", sa.String(16), nullable=False),
        sa.Column("thresholds", sa.JSON(), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("reached", sa.String(7), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject_id"),
    )
