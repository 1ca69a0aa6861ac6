"""A neighbour whose terminal floods: a client in a process of its own that reads and acknowledges everything.

``main`` is that process. Its standard input gives the way there and the peer as JSON, then a line for every
flood to begin or to end; it answers each with a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import uvloop
from benchmarks.terminal.clients import now
from benchmarks.terminal.peers import Ways

FLOOD = "yes 0123456789012345678901234567890123456789012345678901234567890123456789"
_FLOWS = 1_000_000
"""Bytes after which a flood is one."""
_PROGRAM = Path(__file__).resolve().parent.parent / "bench_terminal.py"


@dataclass
class Flooder:
    """The parent's end."""

    process: asyncio.subprocess.Process

    async def tell(self, line: str = "") -> float:
        """Let a flood begin or end; returns, once it does, how many MB/s it had."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line.encode() + b"\n")
        answer = await self.process.stdout.readline()
        if not answer:
            message = "the flooding client has died"
            raise RuntimeError(message)
        return float(answer)


@contextlib.asynccontextmanager
async def flooder(ways: Ways, peer: str) -> AsyncIterator[Flooder]:
    """Yield a flooder with its terminal open, still quiet."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(_PROGRAM), "--flood"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    try:
        child = Flooder(process)
        await child.tell(json.dumps({"ways": ways.as_json(), "peer": peer}))
        yield child
    finally:
        process.stdin.close()
        await process.wait()


def main() -> None:
    """Be the flooding client until the standard input ends."""
    uvloop.run(_flood())


async def _flood() -> None:
    loop = asyncio.get_running_loop()

    async def told() -> str:
        return await loop.run_in_executor(None, sys.stdin.readline)

    given = json.loads(await told())
    client = await Ways.from_json(given["ways"]).open(given["peer"])
    try:
        print(0, flush=True)
        while await told():
            flows = client.has_received(client.received + _FLOWS)
            client.send(FLOOD.encode() + b"\r")
            await flows
            print(0, flush=True)
            before, started = client.received, now()
            if not await told():
                return
            speed = (client.received - before) / (now() - started) / 1e6
            await client.interrupt()
            print(speed, flush=True)
    finally:
        await client.close()
