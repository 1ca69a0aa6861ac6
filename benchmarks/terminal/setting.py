"""What every measure is given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.terminal.clients import Client
from benchmarks.terminal.far_end import Place
from benchmarks.terminal.peers import OURS, PLAIN, Ways


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

    async def close(self, clients: Iterable[Client]) -> None:
        """Close clients and end what they leave behind."""
        for client in clients:
            await client.close()
        await asyncio.to_thread(self.place.end_terminals)
