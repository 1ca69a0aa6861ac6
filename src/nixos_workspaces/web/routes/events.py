"""``WS /ws/nixos/events``: changes of workspaces as they happen.

Each message is one JSON object with ``type``. The first is ``{"type": "hello"}``; then ``workspace.status``,
``workspace.progress`` and ``workspace.deleted`` follow, with ``workspace_id``, the event's own fields and (unless
deleted) the ``workspace`` as lists have it. A client that falls behind gets ``{"type": "lagged"}`` once and should read
the list again. ``{"type": "ping"}`` is answered by ``{"type": "pong"}``; anything else from the client is ignored.
A handshake without a valid credential is refused with 401, from a foreign page with 403. Close codes:

    1012  the service stops or restarts: connect again
    4401  the credential has become invalid: sign in again
    4403  the principal may no longer do this
    4404  the workspace does not exist (any more)
    4409  the workspace's state does not allow it
    4429  too many sockets, or the client does not read: slow down, connect again
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.errors import Unauthenticated, WorkspacesError
from nixos_workspaces.events import Event
from nixos_workspaces.schemas.workspaces import WorkspaceSummary
from nixos_workspaces.services import Services
from nixos_workspaces.web.http.streams import until_stopped
from nixos_workspaces.web.routes.dependencies import Asked, By

GOING_AWAY = 1012
INVALID_CREDENTIAL = 4401
TOO_SLOW = 4429

MAX_SOCKETS = 200
RECHECK_SECONDS = 5.0
"""How long a revoked credential's socket may live on."""
SEND_SECONDS = 20.0
"""Time that a client may leave a message unread."""

router = APIRouter()


@router.websocket("/ws/nixos/events")
async def events(socket: WebSocket, services: Asked, principal: By) -> None:
    """Send the events of the workspaces that the caller may see."""
    open_sockets: set[WebSocket] = socket.app.state.event_sockets
    await socket.accept()
    if len(open_sockets) >= MAX_SOCKETS:
        await socket.close(TOO_SLOW, "too many event sockets")
        return
    open_sockets.add(socket)
    parts = [
        asyncio.create_task(_send(socket, services, principal)),
        asyncio.create_task(_listen(socket)),
        asyncio.create_task(_recheck(socket, services)),
    ]
    try:
        await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    finally:
        open_sockets.discard(socket)
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)


async def _send(socket: WebSocket, services: Services, principal: Principal) -> None:
    """Send events until the service stops or the client cannot keep up."""
    try:
        source = services.workspaces.events(principal=principal)
        hello = partial(_send_json, socket, {"type": "hello"})
        async for event in until_stopped(source, socket.app.state.stopping, hello):
            await _send_json(socket, await _message(services, principal, event))
    except TimeoutError:
        await _close(socket, TOO_SLOW, "the client does not read")
    except (WebSocketDisconnect, RuntimeError):
        return
    else:
        await _close(socket, GOING_AWAY, "the service stops")


async def _listen(socket: WebSocket) -> None:
    """Answer pings and drop anything else that the client sends, until it goes."""
    while (message := await socket.receive())["type"] != "websocket.disconnect":
        if _is_ping(message.get("text") or ""):
            await _send_json(socket, {"type": "pong"})


def _is_ping(text: str) -> bool:
    try:
        return bool(orjson.loads(text) == {"type": "ping"})
    except orjson.JSONDecodeError:
        return False


async def _send_json(socket: WebSocket, message: Mapping[str, Any]) -> None:
    """Send one message; ``TimeoutError`` when the client leaves it unread."""
    async with asyncio.timeout(SEND_SECONDS):
        await socket.send_text(orjson.dumps(message).decode())


async def _recheck(socket: WebSocket, services: Asked) -> None:
    """End when the credential of the handshake is no longer valid."""
    while True:
        await asyncio.sleep(RECHECK_SECONDS)
        try:
            await services.tokens.authenticate(socket.state.credential)
        except Unauthenticated:
            await _close(socket, INVALID_CREDENTIAL, "the credential is no longer valid")
            return
        except WorkspacesError:
            continue


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    """Close the socket unless that has happened already."""
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(code, reason)


async def _message(services: Services, principal: Principal, event: Event) -> dict[str, Any]:
    """Return an event as it goes over the wire, with the workspace as it is now."""
    message: dict[str, Any] = {"type": event.kind, "workspace_id": event.workspace_id or None, **event.data}
    if event.workspace_id and event.kind != "workspace.deleted":
        with contextlib.suppress(WorkspacesError):
            workspace = await services.workspaces.get(event.workspace_id, principal=principal)
            message["workspace"] = WorkspaceSummary.of(workspace).model_dump(mode="json")
    return message
