"""One HTTP request that ends with its credential, or with the access to its workspace.

Before its answer has begun it is refused, with 401 or 404: a body that is still coming is not read any further. An
answer that has begun (a download, a followed log) is cut off, so that its reader sees that something is missing.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from starlette.types import Message, Receive, Scope, Send

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.web.http.errors import error_response

EXTENSION = "nixws.line"
"""The key of a request's ``Line`` among the extensions of its ASGI scope."""
FAREWELL_SECONDS = 0.1
"""Time that an answer has to end by a last word of its own."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Line(Protocol):
    """The connection under a request."""

    def vouch(self) -> None:
        """Take notice that the request has shown a valid credential."""

    def wake(self) -> None:
        """Let a ``receive`` that waits for the client return."""

    def abort(self) -> None:
        """End the connection; what was not sent is dropped."""


class OpenRequest:
    """Stands between the server and the application for one request with a valid credential."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._is_safe = scope["method"] in SAFE_METHODS
        self._receive = receive
        self._send = send
        self._line: Line | None = scope.get("extensions", {}).get(EXTENSION)
        if self._line is not None:
            self._line.vouch()
        self._error: WorkspacesError | None = None
        self._begun = self._refused = False
        self._cut: asyncio.TimerHandle | None = None
        self._held = ExitStack()
        self.ended = asyncio.Event()
        """Set by ``end``, for answers that have a last word."""

    @property
    def error(self) -> WorkspacesError | None:
        """Return the reason that it was ended for."""
        return self._error

    def end(self, error: WorkspacesError) -> None:
        """Refuse or cut off the request."""
        if self._error is not None or self._line is None:
            return
        self._error = error
        self.ended.set()
        if self._begun:
            self._cut = asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self._line.abort)
        else:
            self._line.wake()

    def hold(self, entered: AbstractContextManager[None]) -> None:
        """Be in ``entered`` until the answer is complete: it ends the request for another reason."""
        self._held.enter_context(entered)

    def close(self) -> None:
        """Take notice that the answer is complete."""
        self._held.close()
        if self._cut is not None:
            self._cut.cancel()

    async def receive(self) -> Message:
        """Stand in for the server's ``receive``."""
        message = await self._receive()
        if self._error is None or self._begun:
            return message
        if self._is_safe:
            return {"type": "http.disconnect"}  # who waits for that sends nothing on
        raise self._error

    async def send(self, message: Message) -> None:
        """Stand in for the server's ``send``."""
        if self._refused:
            return
        if message["type"] == "http.response.start":
            # What was read is not shown any more; what was done is told.
            if self._error is not None and message["status"] < 400 and self._is_safe:  # noqa: PLR2004 - an error shows nothing
                self._refused = True
                answer = error_response(self._error, self._scope["state"]["request_id"])
                await answer(self._scope, self._receive, self._send)
                return
            self._begun = True
        await self._send(message)
