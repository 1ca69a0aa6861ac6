"""The credentials that each token comes from, all the way up."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of tokens from before the one above is known."""
    op.add_column("tokens", sa.Column("chain", sa.JSON(none_as_null=True)))
