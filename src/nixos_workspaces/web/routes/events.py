"""``WS /ws/nixos/events``: changes of workspaces as they happen.

Each message is one JSON object with ``type``. The first is ``{"type": "hello"}``; then ``workspace.status``,
``workspace.progress``, ``workspace.layout`` (its terminals were arranged otherwise), ``workspace.ports`` (a port is
shown to others than before), ``workspace.network`` (its network or the proposals for it changed),
``workspace.repository`` (how far one of its repositories has got), ``workspace.shares`` (those who have it are others
than before: read what you may do with it again), ``workspace.budget`` (a budget that bounds it has passed a threshold:
``percent``, and whether it ``stops`` workspaces at its end), ``workspace.offered`` (read the offers to you and by you
again) and ``workspace.deleted`` follow, with ``workspace_id``, the event's own fields and, where it is there to be
read, the ``workspace`` as lists have it. A client that falls behind gets ``{"type": "lagged"}`` once and should read
the list again. ``{"type": "ping"}`` is answered by ``{"type": "pong"}``.

A part of a workspace that changes all the time is read and told only while it is watched:

    {"type": "watch", "usage": [ID, ...], "terminals": [ID, ...], "ports": [ID, ...]}

Ids, not names, of at most 200 workspaces in ``usage`` and 16 in the others; a field that is left out is empty. It
takes the place of what was watched before, and is answered by what is known already. Workspaces that there are none of
are without effect. From then on come, each about one workspace and without ``workspace``:

    {"type": "workspace.usage", "workspace_id": ID, "at": TIME, "metrics": {"cpu_usage", "memory_usage",
     "storage_usage"} or null}                           of ``usage``: every 5 seconds, null while it does not run
    {"type": "workspace.open", "workspace_id": ID, "open": {"terminals": N or null, "ports": [PORT, ...]}}
                                                          of ``usage``: its open terminals, and the ports on which
                                                          a page may answer, seen with the figures
    {"type": "workspace.terminals", "workspace_id": ID, "terminals": [...]}
                                                          of ``terminals``: the whole list as GET has it, when one was
                                                          opened, ended, named or resized, or runs something else
    {"type": "workspace.listening", "workspace_id": ID, "ports": [{"port", "program"}, ...]}
                                                          of ``ports``: at once, and within a second of a program that
                                                          begins or ends to listen; GET has the rest

A wish that cannot be read is answered by ``{"type": "error", "code", "message", "field"}`` and changes nothing;
anything else from the client is ignored.
A handshake without a valid credential is refused with 401, from a foreign page with 403. Close codes:

    1012  the service stops or restarts: connect again
    4401  the credential has become invalid: sign in again
    4403  the principal may no longer do this
    4404  the workspace does not exist (any more)
    4409  the workspace's state does not allow it
    4429  too many sockets (100 of one principal), or the client does not read: slow down, connect again
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from nixos_workspaces.auth.counted import Kind
from nixos_workspaces.auth.policy import Action, Principal, relation
from nixos_workspaces.errors import Forbidden, LimitExceeded, NotFound, WorkspacesError
from nixos_workspaces.events import Event
from nixos_workspaces.metering.watchers import Topic, Watcher
from nixos_workspaces.schemas.watching import WatchRequest
from nixos_workspaces.schemas.workspaces import WorkspaceSummary
from nixos_workspaces.services import Services
from nixos_workspaces.web.http.errors import validation_error
from nixos_workspaces.web.http.sockets.direct_socket import EXTENSION
from nixos_workspaces.web.http.sockets.open_sockets import OpenSockets
from nixos_workspaces.web.http.streams import until_stopped
from nixos_workspaces.web.routes.dependencies import Asked, By

GOING_AWAY = 1012
INVALID_CREDENTIAL = 4401
TOO_SLOW = 4429

MOST_SOCKETS_OF_ONE = 100
SEND_SECONDS = 20.0
"""Time that a client may leave a message unread."""
REVOKED_SECONDS = 0.3
"""Time to send the close code where the credential has become invalid."""

router = APIRouter()


@router.websocket("/ws/nixos/events")
async def events(socket: WebSocket, services: Asked, principal: By) -> None:
    """Send the events of the workspaces that the caller may see."""
    open_sockets: OpenSockets = socket.app.state.event_sockets
    revoked = asyncio.Event()
    await socket.accept()
    try:
        with open_sockets.entered(principal, socket.state.credential, lambda _: revoked.set()):
            await _serve(socket, services, principal, revoked)
    except LimitExceeded:
        await _close(socket, TOO_SLOW, "too many event sockets")


async def _serve(socket: WebSocket, services: Services, principal: Principal, revoked: asyncio.Event) -> None:
    """Send and listen until the client goes, the service stops or the credential ends."""
    parts = [
        asyncio.create_task(_send(socket, services, principal)),
        asyncio.create_task(_listen(socket, services, principal)),
        asyncio.create_task(revoked.wait()),
    ]
    try:
        await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
    if revoked.is_set():
        try:
            async with asyncio.timeout(REVOKED_SECONDS):
                await _close(socket, INVALID_CREDENTIAL, "the credential is no longer valid")
        except TimeoutError:
            socket.scope["extensions"][EXTENSION].drop()


async def _send(socket: WebSocket, services: Services, principal: Principal) -> None:
    """Send events until the service stops or the client cannot keep up."""
    try:
        source = services.workspaces.events(principal=principal)
        hello = partial(_send_json, socket, {"type": "hello"})
        async for event in until_stopped(source, socket.app.state.stopping, on_listening=hello):
            await _send_json(socket, await _message(services, principal, event))
    except TimeoutError:
        await _close(socket, TOO_SLOW, "the client does not read")
    except (WebSocketDisconnect, RuntimeError):
        return
    else:
        await _close(socket, GOING_AWAY, "the service stops")


async def _listen(socket: WebSocket, services: Services, principal: Principal) -> None:
    """Answer pings, follow wishes and drop anything else that the client sends, until it goes."""
    with services.live.watching(principal) as watcher:
        telling = asyncio.create_task(_tell(socket, watcher))
        try:
            while (message := await socket.receive())["type"] != "websocket.disconnect":
                match _read(message.get("text") or ""):
                    case {"type": "ping", **rest} if not rest:
                        await _send_json(socket, {"type": "pong"})
                    case {"type": "watch"} as wish:
                        if (wrong := await _watch(services, watcher, wish, socket.state.request_id)) is not None:
                            await _send_json(socket, wrong)
                    case _:
                        pass
        except TimeoutError:
            await _close(socket, TOO_SLOW, "the client does not read")
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)


async def _tell(socket: WebSocket, watcher: Watcher) -> None:
    """Send what is watched; to a client that does not read only the last of it is kept."""
    try:
        while True:
            for event in await watcher.take():
                await _send_json(socket, {"type": event.kind, "workspace_id": event.workspace_id, **event.data})
    except TimeoutError:
        await _close(socket, TOO_SLOW, "the client does not read")
    except (WebSocketDisconnect, RuntimeError):
        return


async def _watch(services: Services, watcher: Watcher, wish: object, request_id: str) -> dict[str, str | None] | None:
    """Follow a wish; return an error where it cannot be read."""
    try:
        wanted = WatchRequest.model_validate(wish)
    except ValidationError as wrong:
        error = validation_error([{**one, "loc": ("message", *one["loc"])} for one in wrong.errors()])
        return {"type": "error", "code": error.code, "message": error.message, "field": error.field}
    listed = frozenset(wanted.terminals)
    for workspace_id in listed - watcher.wants(Topic.TERMINALS):
        with contextlib.suppress(NotFound, Forbidden):
            workspace = await services.workspaces.get(
                workspace_id, principal=watcher.principal, action=Action.LIST_TERMINALS
            )
            kind = Kind("read-terminals", actor=watcher.principal.id, workspace_id=workspace.id)
            services.counted_audit.note(kind, request_id)
    watcher.want(Topic.USAGE, frozenset(wanted.usage))
    watcher.want(Topic.TERMINALS, listed)
    watcher.want(Topic.PORTS, frozenset(wanted.ports))
    return None


def _read(text: str) -> object:
    """Return a message's JSON; None for what is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


async def _send_json(socket: WebSocket, message: Mapping[str, Any]) -> None:
    """Send one message; ``TimeoutError`` when the client leaves it unread."""
    async with asyncio.timeout(SEND_SECONDS):
        await socket.send_text(orjson.dumps(message).decode())


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
            message |= {"name": workspace.name} if "name" in message else {}
            message["workspace"] = WorkspaceSummary.of(workspace, relation(principal, workspace)).model_dump(
                mode="json", exclude={"usage"}
            )
    return message
