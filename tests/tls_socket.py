"""A WebSocket over TLS for tests that wait for each answer.

The library's own blocking client reads in one thread and writes in another through one connection of OpenSSL, which
allows that to one at a time: about one in 400 handshakes never ended.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from websockets.asyncio.client import ClientConnection, connect


class TlsSocket:
    """One connection, with a loop of its own that runs while something is waited for."""

    def __init__(self, runner: asyncio.Runner, socket: ClientConnection) -> None:
        self._runner, self._socket = runner, socket

    def recv(self, seconds: float = 20) -> str | bytes:
        """Return the next message."""
        return self._runner.run(asyncio.wait_for(self._socket.recv(), seconds))

    def send(self, message: str | bytes) -> None:
        """Send a message."""
        self._runner.run(self._socket.send(message))


@contextmanager
def tls_socket(url: str, trusted: ssl.SSLContext, headers: Mapping[str, str]) -> Iterator[TlsSocket]:
    """Yield a connection to ``url``; raises as ``websockets`` does where it is refused."""
    with asyncio.Runner() as runner:
        socket = runner.run(_opened(url, trusted, headers))
        try:
            yield TlsSocket(runner, socket)
        finally:
            runner.run(socket.close())


async def _opened(url: str, trusted: ssl.SSLContext, headers: Mapping[str, str]) -> ClientConnection:
    return await connect(url, ssl=trusted, additional_headers=headers, proxy=None)
