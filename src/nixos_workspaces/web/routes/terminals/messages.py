"""The messages of a terminal's WebSocket: bytes and text to values, strictly, and back; without I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import orjson

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.terminals import Mode
from nixos_workspaces.schemas.problems import no_such, plain_field
from nixos_workspaces.schemas.terminals import MOST_CELLS
from nixos_workspaces.terminals.ssh_bridge import (
    Attach,
    Attached,
    Control,
    Exited,
    Failed,
    Gap,
    News,
    PresenceOf,
    Received,
    Resized,
    Start,
)

BINARY_SUBPROTOCOL = "nixws.terminal.v1"
TEXT_SUBPROTOCOL = "nixws.terminal.json"
MOST_OFFSET = (1 << 63) - 1
MOST_FRAMES = 1 << 20
"""Frames that one acknowledgement may be about."""


@dataclass(frozen=True, slots=True)
class Input:
    """Typed input."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Resize:
    """The client's window has this size."""

    cols: int
    rows: int


@dataclass(frozen=True, slots=True)
class Ack:
    """The client has consumed so many more frames."""

    frames: int


@dataclass(frozen=True, slots=True)
class Ping:
    """A request for a pong."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for the keyboard."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The keyboard is this client's alone; 0: everybody's."""

    to: int


@dataclass(frozen=True, slots=True)
class SendAway:
    """This client's person is to go."""

    who: int


@dataclass(frozen=True, slots=True)
class End:
    """The terminal is to end."""


Message = Input | Resize | Ack | Ping | Ask | Grant | SendAway | End

_FIELDS: Mapping[str, frozenset[str]] = {
    "input": frozenset({"type", "data"}),
    "resize": frozenset({"type", "cols", "rows"}),
    "ack": frozenset({"type", "frames"}),
    "ping": frozenset({"type"}),
    "ask": frozenset({"type"}),
    "grant": frozenset({"type", "to"}),
    "kick": frozenset({"type", "who"}),
    "end": frozenset({"type"}),
}


_PLAIN: Mapping[str, Message] = {"ping": Ping(), "ask": Ask(), "end": End()}


def read(received: str | bytes, *, binary: bool) -> Message:
    """Parse a client's text or binary message; ``binary`` tells whether its subprotocol has binary frames.

    Raises ``InvalidInput`` with code ``malformed_message`` for everything that no client may send.
    """
    if isinstance(received, bytes):
        if not binary:
            raise _malformed(f"Binary frames are of the subprotocol {BINARY_SUBPROTOCOL}; send JSON text.")
        return Input(received)
    return _message(*_object(received))


def _message(kind: str, message: Mapping[str, Any]) -> Message:
    match kind:
        case "input":
            if not isinstance(message["data"], str):
                raise _malformed("data is a string.", "data")
            return Input(message["data"].encode())
        case "resize":
            return Resize(_number(message, "cols", 1, MOST_CELLS), _number(message, "rows", 1, MOST_CELLS))
        case "ack":
            return Ack(_number(message, "frames", 1, MOST_FRAMES))
        case "grant":
            return Grant(_number(message, "to", 0, MOST_OFFSET))
        case "kick":
            return SendAway(_number(message, "who", 1, MOST_OFFSET))
        case _:
            return _PLAIN[kind]


def _object(text: str) -> tuple[str, dict[str, Any]]:
    """Return a message with its type: a known one, with exactly its fields."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as wrong:
        raise _malformed("The message is not JSON.") from wrong
    if not isinstance(message, dict):
        raise _malformed("A message is a JSON object.")
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise _malformed(f"A message's type is one of {', '.join(sorted(_FIELDS))}.", "type")
    if unknown := message.keys() - _FIELDS[kind]:
        raise _malformed(no_such("field", min(unknown), _FIELDS[kind]), plain_field(min(unknown)))
    if message.keys() != _FIELDS[kind]:
        raise _malformed(f"A message of type {kind} has the fields {', '.join(sorted(_FIELDS[kind]))}.")
    if not _is_plain(text, message):
        try:
            json.loads(text, object_pairs_hook=_once)
        except RecursionError as deep:
            raise _malformed("The message is nested too deeply.") from deep
    return kind, message


def _is_plain(received: str, message: dict[str, Any]) -> bool:
    """Tell whether a message is as short as it can be said: then no field stands in it twice."""
    try:
        return received.isascii() and len(orjson.dumps(message)) == len(received)
    except orjson.JSONEncodeError:
        return False


def _once(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _malformed("A field is given more than once.")


def _number(message: Mapping[str, Any], field: str, least: int, most: int) -> int:
    value = message[field]
    if type(value) is not int or not least <= value <= most:
        raise _malformed(f"{field} is a whole number from {least} to {most}.", field)
    return value


def _malformed(why: str, field: str | None = None) -> InvalidInput:
    return InvalidInput(why, code="malformed_message", field=field)


def binary_header(end_offset: int) -> bytes:
    """Return the header of a binary frame of output that ends at ``end_offset``."""
    return end_offset.to_bytes(8, "big")


def output(data: bytes, end_offset: int) -> bytes:
    """Return output that ends at ``end_offset`` as JSON."""
    return orjson.dumps({"type": "output", "data": data.decode(errors="replace"), "offset": end_offset})


def control(message: Control) -> bytes:
    """Return the wire form of any other message to a client."""
    content: dict[str, object]
    match message:
        case Attached():
            content = {
                "type": "session",
                "id": message.terminal_id,
                "offset": message.offset,
                "end": message.end,
                "input_received": message.input_received,
                "cols": message.cols,
                "rows": message.rows,
            }
        case Gap():
            content = {"type": "gap", "from": message.start, "to": message.end}
        case Resized():
            content = {"type": "resized", "cols": message.cols, "rows": message.rows}
        case News():
            content = {
                "type": "news",
                "sizes": message.sizes,
                "attached": message.attached,
                "name": message.name,
                "title": message.title,
                "cwd": message.cwd,
                "process": message.process,
            }
        case PresenceOf():
            return b'{"type":"presence","you":%d,%b' % (message.you, message.presence.content)
        case Received():
            content = {"type": "received", "input": message.count}
        case Exited():
            content = {"type": "exit", "code": message.status, "offset": message.end}
        case Failed():
            content = {"type": "error", "code": message.error.code, "message": message.error.message}
        case _:
            assert_never(message)
    return orjson.dumps(content)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The query of the WebSocket."""

    session: str
    """Empty for a new terminal."""
    offset: int
    cols: int
    rows: int
    readonly: bool
    news: bool
    """The client is told what runs in the terminal."""
    presence: bool
    """It is told of the others who are there."""
    mode: Mode | None
    """The most that it wants to do; None: what it may."""
    client: int
    """The client's own number, for repeating input after a lost connection; 0 for a client that does not."""

    def to_start(self) -> Start:
        """Return the terminal to be opened."""
        return Start(self.cols, self.rows)

    def to_attach(self, *, readonly: bool) -> Attach:
        """Return how to attach."""
        return Attach(self.session, self.offset, self.cols, self.rows, readonly)


_MOST_DIGITS = 19


_PARAMETERS = ("session", "offset", "cols", "rows", "readonly", "news", "client", "presence", "mode")


def read_query(pairs: list[tuple[str, str]]) -> Wanted:
    """Parse a query. Raises ``InvalidInput`` for unknown, repeated and unreadable parameters."""
    query = dict(pairs)
    if len(query) < len(pairs):
        raise InvalidInput("A query parameter is given more than once.")
    if unknown := query.keys() - {*_PARAMETERS}:
        raise InvalidInput(no_such("query parameter", min(unknown), _PARAMETERS), field=plain_field(min(unknown)))
    session, mode = query.get("session", ""), query.get("mode")
    if mode is not None and mode not in {*Mode}:
        raise InvalidInput(f"mode is one of {', '.join(Mode)}.", field="mode")
    watches = query.get("readonly", "0") != "0" or mode == Mode.OBSERVER
    if not session and ("session" in query or "offset" in query or watches):
        raise InvalidInput("offset and readonly belong to a session that is attached to.", field="session")
    return Wanted(
        session=session,
        offset=_query_number(query, "offset", 0, 0, MOST_OFFSET),
        cols=_query_number(query, "cols", 80, 1, MOST_CELLS),
        rows=_query_number(query, "rows", 24, 1, MOST_CELLS),
        readonly=bool(_query_number(query, "readonly", 0, 0, 1)),
        news=bool(_query_number(query, "news", 0, 0, 1)),
        presence=bool(_query_number(query, "presence", 0, 0, 1)),
        mode=None if mode is None else Mode(mode),
        client=_query_number(query, "client", 0, 0, MOST_OFFSET),
    )


def _query_number(query: Mapping[str, str], field: str, fallback: int, least: int, most: int) -> int:
    text = query.get(field, str(fallback))
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and least <= int(text) <= most):
        raise InvalidInput(f"{field} is a whole number from {least} to {most}.", field=field)
    return int(text)
