"""The node's socket: who may call, how a call is read, kept alive and answered (``protocol`` gives the wire)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nixos_workspaces.errors import Forbidden, InvalidInput, RuntimeFailed, WorkspacesError
from nixos_workspaces.logs.context import note_request, note_task, note_workspace
from nixos_workspaces.node.protocol import HEADER, HEARTBEAT_SECONDS, MAX_REQUEST, decode, encode, error_to_wire

_log = logging.getLogger(__name__)
_CREDENTIALS = struct.Struct("=iII")
_REQUEST_SECONDS = 10.0
_ANSWER_SECONDS = 30.0
_CALLS_AT_ONCE = 512
_REFUSED_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a call: a JSON value and perhaps a socket, which is closed once it was passed on."""

    result: Any = None
    handed_over: socket.socket | None = None


Handler = Callable[[str, dict[str, Any]], Awaitable[Answer]]


def listen(path: Path) -> socket.socket:
    """Return a socket that everybody may connect to; who is answered is decided by the peer's user id."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    mask = os.umask(0)
    try:
        server.bind(str(path))
    finally:
        os.umask(mask)
    server.listen(_CALLS_AT_ONCE)
    return server


async def serve_calls(server: socket.socket, allowed: Collection[int], handler: Handler) -> None:
    """Answer calls until cancelled; calls that are under way are then finished first."""
    loop = asyncio.get_running_loop()
    calls: set[asyncio.Task[None]] = set()
    try:
        while True:
            try:
                connection, _ = await loop.sock_accept(server)
            except OSError as refused:
                # Too many open files, for one: it passes, and a node that takes no calls would serve nobody.
                _log.warning("a call cannot be taken now: %s", refused)
                await asyncio.sleep(_REFUSED_SECONDS)
                continue
            if len(calls) >= _CALLS_AT_ONCE:
                connection.close()
                continue
            task = asyncio.create_task(_serve(connection, allowed, handler))
            calls.add(task)
            task.add_done_callback(calls.discard)
    finally:
        server.close()
        await asyncio.gather(*calls, return_exceptions=True)


async def _serve(connection: socket.socket, allowed: Collection[int], handler: Handler) -> None:
    with connection:
        connection.setblocking(False)
        try:
            await _exchange(connection, allowed, handler)
        except (OSError, TimeoutError, EOFError):
            return  # the caller has gone; what was begun for it has been finished


async def _exchange(connection: socket.socket, allowed: Collection[int], handler: Handler) -> None:
    work = asyncio.create_task(_answered(connection, allowed, handler))
    loop = asyncio.get_running_loop()
    gone = False
    while True:
        done, _ = await asyncio.wait({work}, timeout=HEARTBEAT_SECONDS)
        if done:
            break
        try:
            await asyncio.wait_for(loop.sock_sendall(connection, HEADER.pack(0)), _ANSWER_SECONDS)
        except (OSError, TimeoutError):
            gone = True
            await asyncio.wait({work})
            break
    message, handed_over = work.result()
    with contextlib.ExitStack() as closing:
        if handed_over is not None:
            closing.enter_context(handed_over)
        if gone:
            return
        frame = encode(message)
        if handed_over is not None:
            socket.send_fds(connection, [frame[:1]], [handed_over.fileno()])
            frame = frame[1:]
        await asyncio.wait_for(loop.sock_sendall(connection, frame), _ANSWER_SECONDS)


async def _answered(
    connection: socket.socket, allowed: Collection[int], handler: Handler
) -> tuple[dict[str, Any], socket.socket | None]:
    """Read one request and return its answer; every failure becomes an answer."""
    try:
        _require_allowed(connection, allowed)
        method, parameters = await asyncio.wait_for(_read(connection), _REQUEST_SECONDS)
        _note(method, parameters)
        answer = await handler(method, parameters)
    except WorkspacesError as error:
        return {"error": error_to_wire(error)}, None
    except EOFError:
        raise
    except Exception as unexpected:  # noqa: BLE001 - a fault in one call must not end the node
        _log.exception("a call failed")
        fault = RuntimeFailed(f"The node failed: {type(unexpected).__name__}. Its log says more.", code="node_fault")
        return {"error": error_to_wire(fault)}, None
    return {"result": answer.result}, answer.handed_over


def _require_allowed(connection: socket.socket, allowed: Collection[int]) -> None:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    if user not in allowed:
        raise Forbidden(f"User {user} may not use this node; name it with --allow-user.", code="node_forbidden")


async def _read(connection: socket.socket) -> tuple[str, dict[str, Any]]:
    (length,) = HEADER.unpack(await _exactly(connection, HEADER.size))
    if length > MAX_REQUEST:
        raise InvalidInput(f"A request has at most {MAX_REQUEST} bytes.")
    request = decode(await _exactly(connection, length))
    method, parameters = request.get("method"), request.get("parameters")
    note_request(str(request.get("request_id", ""))[:128])
    if not isinstance(method, str) or not isinstance(parameters, dict):
        raise InvalidInput("A request has a method and parameters.")
    return method, parameters


def _note(method: str, parameters: Mapping[str, Any]) -> None:
    """Let what is logged of a call tell what it belongs to."""
    note_task(method)
    spec = parameters.get("spec")
    of_spec = spec.get("workspace_id") if isinstance(spec, dict) else None
    note_workspace(str(parameters.get("workspace_id") or of_spec or ""))


async def _exactly(connection: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = bytearray()
    while len(data) < count:
        chunk = await loop.sock_recv(connection, count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)
