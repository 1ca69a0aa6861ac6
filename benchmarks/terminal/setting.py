"""What every measure is given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.terminal.clients import Client
from benchmarks.terminal.far_end import Place
from benchmarks.terminal.peers import OURS, PLAIN, Ways

_AT_ONCE = 8
"""Terminals that are being opened: sshd turns away who comes in a crowd."""


@dataclass(frozen=True)
class Setting:
    """The workspace, the peers, and how much of everything."""

    place: Place
    ways: Ways
    peers: tuple[str, ...]
    keys: int
    rounds: int
    megabytes: float
    terminals: int
    typists: int
    seconds: float

    @property
    def has_both(self) -> bool:
        """Both sides of the bounds are measured."""
        return {OURS, PLAIN} <= set(self.peers)

    @property
    def ours(self) -> tuple[str, ...]:
        return tuple(peer for peer in self.peers if peer.startswith(OURS))

    @asynccontextmanager
    async def opened(self, wanted: Iterable[str] | Mapping[str, str]) -> AsyncIterator[dict[str, Client]]:
        """Yield a terminal for each peer, or each name of one; close them and end what they leave behind."""
        peers = wanted if isinstance(wanted, Mapping) else {peer: peer for peer in wanted}
        clients: dict[str, Client] = {}
        gate = asyncio.Semaphore(_AT_ONCE)

        async def open_one(name: str, peer: str) -> None:
            async with gate:
                clients[name] = await self.ways.open(peer)

        try:
            await asyncio.gather(*(open_one(name, peer) for name, peer in peers.items()))
            yield {name: clients[name] for name in peers}
        finally:
            await asyncio.gather(*(client.close() for client in clients.values()))
            await asyncio.to_thread(self.place.end_terminals)
