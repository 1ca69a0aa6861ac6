"""Ports that are shown to others, and the sessions of browsers in previews."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.schema import port_shares, preview_sessions, tokens, workspaces
from nixos_workspaces.database.tokens import TokenRecord, TokenRepository
from nixos_workspaces.model.reach.ports import PortShare, Visibility

PortKey = tuple[str, int]
"""A workspace's id and a port of it."""


class PortRepository:
    """Shared ports and preview sessions, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def shares(self, ids: Collection[str]) -> tuple[PortShare, ...]:
        """Return the ports of these workspaces that are not private, those that have expired too."""
        wanted = select(port_shares).where(port_shares.c.workspace_id.in_(ids)).order_by(port_shares.c.port)
        return tuple(_share(row) for row in await self._connection.execute(wanted))

    async def replace(self, workspace_id: str, port: int, share: PortShare | None) -> None:
        """Store who sees a port; None makes it private."""
        await self._connection.execute(delete(port_shares).where(_of(port_shares, workspace_id, port)))
        if share is not None:
            await self._connection.execute(
                insert(port_shares).values(
                    workspace_id=share.workspace_id,
                    port=share.port,
                    visibility=share.visibility,
                    program=share.program,
                    link_hash=share.link_digest,
                    expires_at=share.expires_at,
                )
            )

    async def named(self, names: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return the ids of the workspaces of any owner that have one of these names, by the name."""
        wanted = select(workspaces.c.name, workspaces.c.id).where(
            workspaces.c.name.in_(names), workspaces.c.desire != "deleted", workspaces.c.deleted_at.is_(None)
        )
        found: dict[str, tuple[str, ...]] = {}
        for row in await self._connection.execute(wanted):
            found[row.name] = (*found.get(row.name, ()), row.id)
        return found

    async def add_session(self, digest: str, key: PortKey, token_id: str, now: datetime, expires_at: datetime) -> None:
        """Store a preview session, and forget those that have expired."""
        await self._connection.execute(delete(preview_sessions).where(preview_sessions.c.expires_at <= now))
        await self._connection.execute(
            insert(preview_sessions).values(
                hash=digest, workspace_id=key[0], port=key[1], token_id=token_id, expires_at=expires_at
            )
        )

    async def count_sessions(self, token_id: str) -> int:
        """Return how many preview sessions were opened with a token."""
        wanted = select(func.count()).select_from(preview_sessions).where(preview_sessions.c.token_id == token_id)
        return int((await self._connection.execute(wanted)).scalar_one())

    async def sessions(self, digests: Collection[str], now: datetime) -> dict[str, tuple[PortKey, TokenRecord]]:
        """Return the valid ones of some preview sessions, by their digests, each with the token it was opened with."""
        wanted = (
            select(preview_sessions.c.hash, preview_sessions.c.workspace_id, preview_sessions.c.port, tokens.c.hash)
            .join(tokens, tokens.c.id == preview_sessions.c.token_id)
            .where(preview_sessions.c.hash.in_(digests), preview_sessions.c.expires_at > now)
        )
        found = {row[0]: ((row[1], row[2]), row[3]) for row in await self._connection.execute(wanted)}
        repository = TokenRepository(self._connection)
        held = {digest: await repository.find(digest, now) for digest in {one[1] for one in found.values()}}
        return {digest: (key, token) for digest, (key, of) in found.items() if (token := held[of]) is not None}


def _of(table: Any, workspace_id: str, port: int) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = (table.c.workspace_id == workspace_id) & (table.c.port == port)
    return condition


def _share(row: Row[Any]) -> PortShare:
    return PortShare(row.workspace_id, row.port, Visibility(row.visibility), row.program, row.link_hash, row.expires_at)
