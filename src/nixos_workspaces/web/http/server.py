"""Running the application: uvicorn with our bounds, and an end that closes every stream."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import uvicorn.config
import uvicorn.server
from fastapi import FastAPI
from typing_extensions import override

from nixos_workspaces.web.http.access.tls import Certificate
from nixos_workspaces.web.http.protocol import GuardedHttpProtocol
from nixos_workspaces.web.http.sockets.direct_socket import DirectProtocol

GRACE_SECONDS = 5
"""Time that running requests have to end when the service stops."""
KEEP_ALIVE_SECONDS = 20
"""Time that an idle connection is kept."""
BACKLOG = 1024
MAX_SOCKET_MESSAGE_BYTES = 1 << 20


class Server(uvicorn.server.Server):
    """uvicorn's server, which tells the application first that it is about to stop.

    Streams (log followers, event sockets) end only when they know; ``app.state.stopping`` is the event they wait for.
    """

    def __init__(
        self,
        app: FastAPI,
        config: uvicorn.config.Config,
        on_started: Callable[[], None] | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        super().__init__(config)
        self._fastapi = app
        self._on_started = on_started
        self._certificate = certificate
        self._looking: asyncio.Task[None] | None = None

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._certificate is not None:
            self._looking = asyncio.create_task(self._certificate.keep_fresh())
        if self._on_started is not None:
            self._on_started()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._fastapi.state.stopping.set()
        if self._looking is not None:
            self._looking.cancel()
        for server in self.servers:
            server.close()
        # One turn for the streams to say good-bye themselves, with their own close codes.
        await asyncio.sleep(0.1)
        await super().shutdown(sockets)

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM without uvicorn's habit of raising them again afterwards."""
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self.force_exit = self.should_exit
            self.should_exit = True

        handled: list[signal.Signals] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            # Only the main thread's loop may do so; tests serve from other threads and stop by ``should_exit``.
            with contextlib.suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, stop)
                handled.append(number)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)


def make_server(
    app: FastAPI,
    *,
    on_started: Callable[[], None] | None = None,
    proxies: Sequence[str] = (),
    certificate: Certificate | None = None,
) -> Server:
    """Return a server for ``app``; ``await server.serve(sockets=[listener])`` runs it until SIGINT or SIGTERM.

    ``proxies`` are the addresses and networks whose forwarded headers are believed; with ``certificate`` it speaks TLS.
    """
    tls: dict[str, Any] = {}
    if certificate is not None:
        tls["ssl_context_factory"] = lambda _config, _default: certificate.context
    config = uvicorn.config.Config(
        app.state.entry(),
        http=partial(GuardedHttpProtocol, proxies=proxies, is_preview=app.state.preview_addresses.is_preview),  # type: ignore[arg-type]
        ws=DirectProtocol,
        ws_per_message_deflate=False,
        ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
        ws_ping_interval=None,  # the kernel notices who is gone: web.protocol
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=[*proxies],
        **tls,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return Server(app, config, on_started, certificate)
