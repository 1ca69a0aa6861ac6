"""The control plane's process: API, database, builds.

``nixws serve`` becomes this with the settings in its environment, and ``nixws up`` starts it: the verbs of the command
line and what reads them do not stay in its memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import socket
import sys
from pathlib import Path

import uvloop

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.cli.operate.alone import held
from nixos_workspaces.cli.target import read_cli_token, write_cli_file
from nixos_workspaces.database import is_current
from nixos_workspaces.errors import Conflict, InvalidInput, Unauthenticated, WorkspacesError, exit_code
from nixos_workspaces.logs.form import log_to_stderr
from nixos_workspaces.process import run_async
from nixos_workspaces.services import DATABASE, open_services
from nixos_workspaces.settings import LogFormat, Settings, load
from nixos_workspaces.web.app import create_app
from nixos_workspaces.web.http.access.tls import Certificate
from nixos_workspaces.web.http.server import make_server

_OBJECTS_OF_A_COLLECTION = 5_000
_OPEN_FILES = 65536
_MIGRATION_SECONDS = 24 * 3600.0
"""Far more than any migration takes: one that is killed half way would only begin anew."""


def main() -> int:
    """Serve until SIGINT or SIGTERM, as the environment's settings say; return the exit code."""
    try:
        settings = load()
        log_to_stderr(settings.log_level, as_json=settings.log_format is LogFormat.JSON)
        _allow_open_files()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            settings.data.mkdir(mode=0o711, parents=True, exist_ok=True)
            with held(settings.data):
                runner.run(_serve(settings))
    except WorkspacesError as error:
        sys.stderr.write(f"nixws: {error.message}\n")
        return exit_code(error)
    return 0


async def _serve(settings: Settings) -> None:
    """Open the services and answer until SIGINT or SIGTERM."""
    await _migrate_apart(settings.data / DATABASE)
    listener = _listen(settings)
    certificate = _certificate(settings)
    with listener:
        url = _url(settings.host, listener.getsockname()[1], tls=certificate is not None)
        async with open_services(settings) as services:
            token = read_cli_token(settings.data)
            try:
                await services.tokens.authenticate(token)
            except Unauthenticated:
                token, _ = await services.tokens.create("cli", principal=ADMIN)
            addresses = {"public_url": settings.public_url, "certificate": settings.tls_certificate}
            write_cli_file(settings.data, url, token, **addresses)
            app = await asyncio.to_thread(create_app, services)
            server = make_server(
                app,
                on_started=lambda: _greet(settings.public_url or url, services.first_login_code),
                proxies=settings.proxies,
                certificate=certificate,
            )
            _keep_pauses_short()
            await server.serve(sockets=[listener])


async def _migrate_apart(database: Path) -> None:
    """Let a process of its own run the migrations that are missing; what is wrong is told when the database opens."""
    if not is_current(database):
        argv = [sys.executable, "-P", "-m", "nixos_workspaces.database.migrations", str(database)]
        with contextlib.suppress(OSError):
            await run_async(argv, timeout=_MIGRATION_SECONDS, check=False)


def _allow_open_files() -> None:
    """Let there be a file for every connection, terminal and transfer: the usual soft limit is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, _OPEN_FILES), most))


def _keep_pauses_short() -> None:
    """Let neither the garbage collector nor another thread hold up a keystroke for long.

    A full collection of what was loaded so far takes 70 ms, and none of it is ever garbage. Collecting the young after
    every 700 objects takes a fortieth of what requests cost, and finds hardly any. A thread that runs Python
    keeps the event loop waiting for a switch interval, by default 5 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_OF_A_COLLECTION)
    sys.setswitchinterval(0.0005)


def _listen(settings: Settings) -> socket.socket:
    """Return the listening socket; raise ``Conflict`` when the port is taken."""
    try:
        address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(address[0], socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address[4])
        listener.listen(1024)
    except (OverflowError, socket.gaierror) as wrong:
        raise InvalidInput(f"Cannot listen on {settings.host} port {settings.port}: {wrong}.", field="host") from wrong
    except OSError as taken:
        raise Conflict(
            f"Cannot listen on {settings.host} port {settings.port}: {taken.strerror}. Choose another with --port."
        ) from taken
    return listener


def _certificate(settings: Settings) -> Certificate | None:
    """Return the certificate to speak TLS with; None without one."""
    if not settings.tls_certificate:
        return None
    return Certificate(Path(settings.tls_certificate), Path(settings.tls_key))


def _url(host: str, port: int, *, tls: bool) -> str:
    """Return the address that a client on this machine uses."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - shown
    return f"{'https' if tls else 'http'}://{name}:{port}"


def _greet(url: str, code: str | None) -> None:
    sys.stdout.write(f"NixOS Workspaces answers at {url}\n")
    if code is not None:
        sys.stdout.write(f"Sign in, once, within an hour: {url}/login?code={code}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
