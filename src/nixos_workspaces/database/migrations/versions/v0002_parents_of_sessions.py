"""Sessions name the token that they were made with, at the root.

Of the sessions that exist nobody knows which token they were made with, so that revoking it could not end them. They
are ended now: people sign in anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and end the sessions that lack it."""
    op.add_column("tokens", sa.Column("parent_id", sa.String(length=32), nullable=True))
    op.execute("UPDATE tokens SET revoked_at = CURRENT_TIMESTAMP WHERE kind = 'session' AND revoked_at IS NULL")
