"""The client's calls on the terminals of one workspace, and the connection to one of them."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import websockets.asyncio.client
import websockets.exceptions

from nixos_workspaces import errors
from nixos_workspaces.client.connection import Connection, error_of, read_answer
from nixos_workspaces.schemas.terminals import (
    FoundRecording,
    RecordingList,
    TerminalAnswer,
    TerminalChoicesAnswer,
    TerminalConnectionAnswer,
    TerminalInfo,
    TerminalList,
    TypedRangeInfo,
    TypedRangeList,
)

SUBPROTOCOL = "nixws.terminal.v1"


class TerminalCalls:
    """The calls on the terminals of one workspace, given by its id. Raises our own errors."""

    def __init__(self, client: Connection, workspace_id: str) -> None:
        self._client = client
        self._root = f"/api/nixos/workspaces/{workspace_id}"
        self._socket = f"{client.url.replace('http', 'ws', 1)}/ws/nixos/workspaces/{workspace_id}/terminal"

    def list(self) -> list[TerminalInfo]:
        """Return the terminals, oldest first."""
        return read_answer(TerminalList, self._client.call("GET", f"{self._root}/terminals")).terminals

    def open(self, **wanted: Any) -> TerminalInfo:
        """Open a terminal: ``wanted`` is a ``TerminalRequest``."""
        return read_answer(TerminalAnswer, self._client.call("POST", f"{self._root}/terminals", body=wanted)).terminal

    def rename(self, terminal_id: str, name: str) -> TerminalInfo:
        """Give a terminal another name."""
        answer = self._client.call("PATCH", f"{self._root}/terminals/{terminal_id}", body={"name": name})
        return read_answer(TerminalAnswer, answer).terminal

    def close(self, terminal_id: str) -> None:
        """End a terminal and what runs in it."""
        self._client.call("DELETE", f"{self._root}/terminals/{terminal_id}")

    def ticket(self) -> str:
        """Return a credential for one connection."""
        answer = self._client.call("GET", f"{self._root}/terminal")
        return read_answer(TerminalConnectionAnswer, answer).terminal.ticket

    @asynccontextmanager
    async def attached(
        self, terminal_id: str, offset: int, cols: int, rows: int, *, readonly: bool, ticket: str
    ) -> AsyncIterator[websockets.asyncio.client.ClientConnection]:
        """Connect to a terminal whose output is known up to ``offset``; the messages are those of ``web.terminals``."""
        query = f"session={terminal_id}&offset={offset}&cols={cols}&rows={rows}&readonly={int(readonly)}"
        protocols: Any = [SUBPROTOCOL, f"nixws.ticket.{ticket}"]
        try:
            async with websockets.asyncio.client.connect(
                f"{self._socket}?{query}", subprotocols=protocols, proxy=None, compression=None, ssl=self._client.tls
            ) as socket:
                yield socket
        except websockets.exceptions.InvalidStatus as refused:
            raise error_of(refused.response.status_code, bytes(refused.response.body or b"")) from refused
        except (OSError, websockets.exceptions.InvalidHandshake) as lost:
            raise errors.Unavailable(f"The service does not answer at {self._client.url}.") from lost


class RecordingCalls:
    """The calls on the recordings of one workspace, given by its id. Raises our own errors."""

    def __init__(self, client: Connection, workspace_id: str) -> None:
        self._client = client
        self._root = f"/api/nixos/workspaces/{workspace_id}"

    def list(self, text: str = "") -> list[FoundRecording]:
        """Return the recordings, the latest first; with ``text`` those that hold it, with its lines."""
        answer = self._client.call("GET", f"{self._root}/recordings", query={"q": text} if text else None)
        return read_answer(RecordingList, answer).recordings

    def cast(self, recording_id: str) -> Iterator[bytes]:
        """Download a recording as an asciicast file, in parts."""
        return self._client.download(f"{self._root}/recordings/{recording_id}/cast")

    def typed(self, recording_id: str) -> builtins.list[TypedRangeInfo]:
        """Return who typed which bytes of the terminal's input when."""
        answer = self._client.call("GET", f"{self._root}/recordings/{recording_id}/typed")
        return read_answer(TypedRangeList, answer).typed

    def remove(self, recording_id: str) -> None:
        """Remove a recording for good."""
        self._client.call("DELETE", f"{self._root}/recordings/{recording_id}")

    def choices(self) -> TerminalChoicesAnswer:
        """Return whether the workspace's terminals are recorded and moderated."""
        return read_answer(TerminalChoicesAnswer, self._client.call("GET", f"{self._root}/terminal-choices"))

    def choose(self, *, record: bool, moderated: bool) -> TerminalChoicesAnswer:
        """Choose whether the workspace's terminals are recorded and moderated."""
        wanted = {"record": record, "moderated": moderated}
        return read_answer(
            TerminalChoicesAnswer, self._client.call("PUT", f"{self._root}/terminal-choices", body=wanted)
        )
