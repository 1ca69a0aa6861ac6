"""The audit log as a Merkle tree: entries as canonical JSON, hashes of subtrees, checkpoints.

Entries that exist become its first leaves, in their order and numbered without gaps.
"""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from nixos_workspaces.audit.entries import AuditEntry, body_of, cells_of, complete, fields_of
from nixos_workspaces.audit.tree import Frontier, leaf_hash

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT_ONCE = 1000


def upgrade() -> None:
    """Make the tables and take the old entries over."""
    op.drop_index("ix_audit_entries_workspace", table_name="audit_entries")
    op.rename_table("audit_entries", "audit_entries_before")
    op.create_table(
        "audit_entries",
        sa.Column("number", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("workspace_id", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("class", sa.String(16), nullable=False),
        sa.Column("body", sa.Text()),
        sa.Column("expired_by", sa.BigInteger()),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "audit_nodes",
        sa.Column("position", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("size", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("witnessed_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("size"),
    )
    _take_over()
    op.drop_table("audit_entries_before")
    for column in ("workspace_id", "actor", "action", "class"):
        op.create_index(f"ix_audit_entries_{column.removesuffix('_id')}", "audit_entries", [column, "number"])


def _take_over() -> None:
    """Append the entries that exist to the tree."""
    connection, tree, last = op.get_bind(), Frontier(), 0
    while rows := connection.execute(_BEFORE, {"last": last, "limit": _AT_ONCE}).all():
        for row in rows:
            last = row.number
            tree = _append(connection, tree, _entry(row))
    connection.execute(_HEAD, {"size": tree.size, "peaks": b"".join(tree.peaks)})


def _append(connection: sa.Connection, tree: Frontier, entry: AuditEntry) -> Frontier:
    fields = fields_of(tree.size + 1, complete(entry))
    body = body_of(fields)
    names = ("at", "actor", "action", "workspace_id", "outcome", "request_id", "kind")
    cells = dict(zip(names, cells_of(fields), strict=True))
    connection.execute(_ENTRY, {"number": tree.size + 1, **cells, "body": body.decode()})
    grown, nodes = tree.append(leaf_hash(body))
    connection.execute(_NODE, [{"position": position, "hash": digest} for position, digest in nodes])
    return grown


def _entry(row: sa.Row[tuple[object, ...]]) -> AuditEntry:
    at = row.at if isinstance(row.at, datetime) else datetime.fromisoformat(str(row.at))
    detail = json.loads(row.detail) if isinstance(row.detail, str) else row.detail
    return AuditEntry(
        at.replace(tzinfo=UTC), row.actor, row.action, row.workspace_id, row.outcome, row.request_id, detail
    )


_BEFORE = sa.text(
    "SELECT number, at, actor, action, workspace_id, outcome, request_id, detail FROM audit_entries_before "
    "WHERE number > :last ORDER BY number LIMIT :limit"
)
_ENTRY = sa.text(
    "INSERT INTO audit_entries (number, at, actor, action, workspace_id, outcome, request_id, class, body) "
    "VALUES (:number, :at, :actor, :action, :workspace_id, :outcome, :request_id, :kind, :body)"
)
_NODE = sa.text("INSERT INTO audit_nodes (position, hash) VALUES (:position, :hash)")
_HEAD = sa.text("INSERT INTO audit_head (id, size, peaks) VALUES (1, :size, :peaks)")
