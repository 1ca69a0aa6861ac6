"""The client's calls on the terminals of one workspace, and the connection to one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets.asyncio.client
import websockets.exceptions

from nixos_workspaces import errors
from nixos_workspaces.client.connection import Connection, error_of
from nixos_workspaces.schemas.terminals import TerminalAnswer, TerminalConnectionAnswer, TerminalInfo, TerminalList

SUBPROTOCOL = "nixws.terminal.v1"


class TerminalCalls:
    """The calls on the terminals of one workspace, given by its id. Raises our own errors."""

    def __init__(self, client: Connection, workspace_id: str) -> None:
        self._client = client
        self._root = f"/api/nixos/workspaces/{workspace_id}"
        self._socket = f"{client.url.replace('http', 'ws', 1)}/ws/nixos/workspaces/{workspace_id}/terminal"

    def list(self) -> list[TerminalInfo]:
        """Return the terminals, oldest first."""
        return TerminalList.model_validate(self._client.call("GET", f"{self._root}/terminals")).terminals

    def open(self, **wanted: Any) -> TerminalInfo:
        """Open a terminal: ``wanted`` is a ``TerminalRequest``."""
        return TerminalAnswer.model_validate(self._client.call("POST", f"{self._root}/terminals", body=wanted)).terminal

    def rename(self, terminal_id: str, name: str) -> TerminalInfo:
        """Give a terminal another name."""
        answer = self._client.call("PATCH", f"{self._root}/terminals/{terminal_id}", body={"name": name})
        return TerminalAnswer.model_validate(answer).terminal

    def close(self, terminal_id: str) -> None:
        """End a terminal and what runs in it."""
        self._client.call("DELETE", f"{self._root}/terminals/{terminal_id}")

    def ticket(self) -> str:
        """Return a credential for one connection."""
        answer = self._client.call("GET", f"{self._root}/terminal")
        return TerminalConnectionAnswer.model_validate(answer).terminal.ticket

    @asynccontextmanager
    async def attached(
        self, terminal_id: str, offset: int, cols: int, rows: int, *, readonly: bool, ticket: str
    ) -> AsyncIterator[websockets.asyncio.client.ClientConnection]:
        """Connect to a terminal whose output is known up to ``offset``; the messages are those of ``web.terminals``."""
        query = f"session={terminal_id}&offset={offset}&cols={cols}&rows={rows}&readonly={int(readonly)}"
        protocols: Any = [SUBPROTOCOL, f"nixws.ticket.{ticket}"]
        try:
            async with websockets.asyncio.client.connect(
                f"{self._socket}?{query}", subprotocols=protocols, proxy=None, compression=None
            ) as socket:
                yield socket
        except websockets.exceptions.InvalidStatus as refused:
            raise error_of(refused.response.status_code, bytes(refused.response.body or b"")) from refused
        except (OSError, websockets.exceptions.InvalidHandshake) as lost:
            raise errors.Unavailable(f"The service does not answer at {self._client.url}.") from lost
