"""Accounts at an OpenID provider, the sessions that began there, and its logout tokens that were used."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "identities",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("issuer", sa.String(512), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("used_at", sa.DateTime()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_identities_issuer", "identities", ["issuer", "subject"], unique=True)
    op.create_index("ix_identities_user_id", "identities", ["user_id"])
    op.create_table(
        "provider_sessions",
        sa.Column("token_id", sa.String(32), nullable=False),
        sa.Column("issuer", sa.String(512), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("sid", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"]),
        sa.PrimaryKeyConstraint("token_id"),
    )
    op.create_index("ix_provider_sessions_subject", "provider_sessions", ["subject"])
    op.create_index("ix_provider_sessions_sid", "provider_sessions", ["sid"])
    op.create_table(
        "provider_logouts",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
