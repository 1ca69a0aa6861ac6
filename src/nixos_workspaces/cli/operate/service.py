"""The verbs that run here: ``serve``, ``node``, ``up``."""

from __future__ import annotations

import contextlib
import gc
import logging
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from nixos_workspaces.cli.operate.tokens import login_link
from nixos_workspaces.cli.target import read_cli_token, target_of, write_cli_file
from nixos_workspaces.errors import Conflict, InvalidInput, Unauthenticated
from nixos_workspaces.settings import Settings, load

Host = Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].", show_default=False)]
Port = Annotated[int | None, typer.Option(help="Port to listen on [default: 5000].", show_default=False)]
PackageSet = Annotated[
    str | None, typer.Option(help="auto, nixpkgs, debian, or a flake reference [default: auto].", show_default=False)
]
StopWorkspaces = Annotated[
    bool | None, typer.Option("--stop-workspaces", help="Stop the workspaces with the service.", show_default=False)
]
_MIGRATION_SECONDS = 24 * 3600.0
"""Far more than any migration takes: one that is killed half way would only begin anew."""


def register(app: typer.Typer) -> None:
    """Add the verbs to ``app``."""
    app.command("login-link")(login_link)
    for verb in (up, serve, node):
        app.command()(verb)


def up(
    context: typer.Context,
    *,
    host: Host = None,
    port: Port = None,
    package_set: PackageSet = None,
    stop_workspaces: StopWorkspaces = None,
) -> None:
    """Run the whole service on this machine: the node as root, the control plane as an unprivileged user."""
    from nixos_workspaces.cli.operate.up import up as run_both

    run_both(_settings(context, host, port, package_set, stop_workspaces))


def serve(
    context: typer.Context,
    *,
    host: Host = None,
    port: Port = None,
    package_set: PackageSet = None,
    stop_workspaces: StopWorkspaces = None,
) -> None:
    """Run the control plane: API, database, builds. Needs a node, and no root."""
    import asyncio

    import uvloop

    settings = _settings(context, host, port, package_set, stop_workspaces)
    _log_to_stderr(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


def node(
    context: typer.Context,
    *,
    allow_user: Annotated[
        list[int] | None, typer.Option("--allow-user", help="User id that may ask the node; may be repeated.")
    ] = None,
) -> None:
    """Run the node: the root daemon that makes containers, volumes and networks on this machine."""
    from nixos_workspaces.cli.operate.node import become_node

    settings = load({"data": target_of(context).data})
    _log_to_stderr(settings)
    become_node(settings, allow_user or [])


def _settings(
    context: typer.Context,
    host: str | None,
    port: int | None,
    package_set: str | None,
    stop_workspaces: bool | None,  # noqa: FBT001 - options, handed on by position
) -> Settings:
    """Return the settings in force for a verb of this module."""
    return load(
        {
            "data": target_of(context).data,
            "host": host,
            "port": port,
            "package_set": package_set,
            "stop_workspaces": stop_workspaces,
        }
    )


async def _serve(settings: Settings) -> None:
    """Open the services and answer until SIGINT or SIGTERM."""
    from nixos_workspaces.auth.policy import ADMIN
    from nixos_workspaces.services import DATABASE, open_services
    from nixos_workspaces.web.app import create_app
    from nixos_workspaces.web.http.server import make_server

    settings.data.mkdir(mode=0o711, parents=True, exist_ok=True)
    await _migrate_apart(settings.data / DATABASE)
    listener = _listen(settings)
    with listener:
        url = _url(settings.host, listener.getsockname()[1])
        async with open_services(settings) as services:
            token = read_cli_token(settings.data)
            try:
                await services.tokens.authenticate(token)
            except Unauthenticated:
                token, _ = await services.tokens.create("cli", principal=ADMIN)
            write_cli_file(settings.data, url, token)
            server = make_server(create_app(services), on_started=lambda: _greet(url, services.first_login_code))
            _keep_pauses_short()
            await server.serve(sockets=[listener])


async def _migrate_apart(database: Path) -> None:
    """Let a process of its own run the migrations that are missing; what is wrong is told when the database opens."""
    from nixos_workspaces.database import is_current
    from nixos_workspaces.process import run_async

    if not is_current(database):
        argv = [sys.executable, "-P", "-m", "nixos_workspaces.database.migrations", str(database)]
        with contextlib.suppress(OSError):
            await run_async(argv, timeout=_MIGRATION_SECONDS, check=False)


def _keep_pauses_short() -> None:
    """Let neither the garbage collector nor another thread hold up a keystroke for long.

    A full collection of what was loaded so far takes 70 ms, and none of it is ever garbage. A thread that runs Python
    keeps the event loop waiting for a switch interval, by default 5 ms.
    """
    gc.collect()
    gc.freeze()
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


def _url(host: str, port: int) -> str:
    """Return the address that a client on this machine uses."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - shown
    return f"http://{name}:{port}"


def _greet(url: str, code: str | None) -> None:
    print(f"NixOS Workspaces answers at {url}", flush=True)
    if code is not None:
        print(f"Sign in, once, within an hour: {url}/login?code={code}", flush=True)


def _log_to_stderr(settings: Settings) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for chatty in ("alembic", "asyncssh", "aiosqlite", "httpx2", "httpcore2", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
