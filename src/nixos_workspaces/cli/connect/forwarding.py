"""Carrying connections from this computer's loopback address to ports of a workspace."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nixos_workspaces.cli.connect.ports import Forwarded
from nixos_workspaces.cli.target import emit, err, out, printable
from nixos_workspaces.client.access.tunnels import open_tunnel
from nixos_workspaces.errors import InvalidInput, Unavailable, WorkspacesError

if TYPE_CHECKING:
    from nixos_workspaces.client import Client

LOOPBACK = "127.0.0.1"
RETRY_SECONDS = 15.0
"""How long a new connection waits for a service that does not answer."""


async def serve(client: Client, workspace_id: str, name: str, wanted: Sequence[Forwarded], *, as_json: bool) -> None:
    """Listen on all ports until SIGINT or SIGTERM; raises ``InvalidInput`` for one that is taken."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    async with contextlib.AsyncExitStack() as stack:
        said = _Said()
        for one in wanted:
            tunnels = _Tunnels(client, workspace_id, name, one.remote, said)
            try:
                server = await asyncio.start_server(tunnels.carry, LOOPBACK, one.local)
            except OSError as taken:
                raise InvalidInput(
                    f"Port {one.local} of this computer cannot be used: {taken.strerror}. Give {one.remote}:LOCAL.",
                    code="local_port",
                    field="ports",
                ) from taken
            stack.callback(tunnels.end)
            stack.callback(server.close)
            local = server.sockets[0].getsockname()[1]
            if as_json:
                emit({"port": one.remote, "host": LOOPBACK, "local": local})
            else:
                out().print(f"{LOOPBACK}:{local} is port {one.remote} of {name}", markup=False)
        await over.wait()


class _Said:
    """Tells people the same thing once until something else has happened."""

    def __init__(self) -> None:
        self._last: dict[int, str] = {}

    def say(self, port: int, text: str) -> None:
        """Print a line about a port."""
        if self._last.get(port) != text:
            self._last[port] = text
            if text:
                err().print(f"port {port}: {printable(text)}", markup=False)


class _Tunnels:
    """The tunnels of one port."""

    def __init__(self, client: Client, workspace_id: str, name: str, port: int, said: _Said) -> None:
        self._client = client
        self._workspace_id = workspace_id
        self._name = name
        self._port = port
        self._said = said
        self._tasks: set[asyncio.Task[None]] = set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection; say why where that does not work."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._carry(reader, writer)
        except WorkspacesError as refused:
            self._said.say(self._port, refused.message)
        except OSError:
            pass  # the program on this computer has gone
        except asyncio.CancelledError:
            return
        finally:
            self._tasks.discard(task)
            writer.close()

    def end(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + RETRY_SECONDS, 0.1
        while True:
            try:
                async with open_tunnel(self._client, self._workspace_id, self._port) as tunnel:
                    self._said.say(self._port, "")
                    return await tunnel.carry(reader, writer)
            except Unavailable as away:
                # A service that restarts; a port on which nothing listens is told at once.
                if away.code != "unavailable" or loop.time() > deadline:
                    raise
                self._said.say(self._port, f"{away.message} Trying again.")
            await asyncio.sleep(pause)
            pause = min(2 * pause, 2.0)
