"""The history of figures, inside one transaction: several rows of one workspace and level are stored as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import metadata

# Rows of figures, several of one workspace and step in one: ``metering.metrics.encoding`` reads the data.
table = Table(
    "metrics",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("workspace_id", String(32), nullable=False),
    Column("step", Integer, nullable=False),
    # Seconds since 1970: where the first and the last row begin, and the last finer row that is in them.
    Column("begin", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("through", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("ix_metrics_workspace", "workspace_id", "step", "last", "through"),
    Index("ix_metrics_step", "step", "last"),
)


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows of one workspace and level."""

    workspace_id: str
    step: int
    begin: int
    """Where the first begins, in seconds since 1970; ``last``: where the last one does."""
    last: int
    through: int
    """The begin of the last finer row that is in them."""
    data: bytes


class MetricRepository:
    """The history of figures."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def add(self, rows: Sequence[StoredRows]) -> None:
        """Store rows."""
        if rows:
            await self._connection.execute(insert(table), [asdict(one) for one in rows])

    async def read(self, workspace_id: str, step: int, begin: int, end: int) -> Sequence[bytes]:
        """Return what is stored of a time, and a little more on both sides, oldest first."""
        wanted = (
            select(table.c.data)
            .where(
                table.c.workspace_id == workspace_id, table.c.step == step, table.c.last >= begin, table.c.begin < end
            )
            .order_by(table.c.last)
        )
        return tuple((await self._connection.execute(wanted)).scalars())

    async def throughs(self) -> Mapping[tuple[str, int], tuple[int, int]]:
        """Return by workspace and step where the last row begins, and the last finer row that is in any."""
        columns = table.c.workspace_id, table.c.step
        rows = await self._connection.execute(
            select(*columns, func.max(table.c.last), func.max(table.c.through)).group_by(*columns)
        )
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    async def workspaces(self) -> frozenset[str]:
        """Return the workspaces of which anything is stored."""
        return frozenset((await self._connection.execute(select(table.c.workspace_id).distinct())).scalars())

    async def expire(self, step: int, before: int, most: int) -> int:
        """Remove rows that ended before a time, at most so many; return how many."""
        old = select(table.c.number).where(table.c.step == step, table.c.last < before).limit(most)
        return (await self._connection.execute(delete(table).where(table.c.number.in_(old)))).rowcount

    async def forget(self, workspace_id: str, most: int) -> int:
        """Remove rows of a workspace, at most so many; return how many."""
        of_it = select(table.c.number).where(table.c.workspace_id == workspace_id).limit(most)
        return (await self._connection.execute(delete(table).where(table.c.number.in_(of_it)))).rowcount
