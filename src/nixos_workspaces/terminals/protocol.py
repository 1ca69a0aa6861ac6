"""The terminal holder's frames (``agent/PROTOCOL.md``, versions 1 and 2): bytes to values and back, without I/O."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from nixos_workspaces.errors import RuntimeFailed
from nixos_workspaces.model.terminals import Start, Terminal

LOWEST_VERSION = 1
"""Of holders in workspaces that were built before there were ``News``."""
VERSION = 2
INPUT_MAX = 32768
"""Bytes of input in one frame."""
FROM_NOW_ON = (1 << 64) - 1
"""As an offset to attach at: only output that comes from now on."""

_HEADER = struct.Struct("<BBHI")
_DATA = ord("D")
_CONTROL_MAX = 65536


class Refusal(IntEnum):
    """Why the holder refused a request."""

    PROTOCOL = 1
    VERSION = 2
    NO_TERMINAL = 3
    LIMIT = 4
    START = 5
    READONLY = 6
    OFFSET = 7
    REPLACED = 8
    UPGRADE = 9


@dataclass(frozen=True, slots=True)
class Welcome:
    """The holder's answer to the greeting."""

    version: int
    incarnation: int
    """Random number of this holder's life; kept by an upgrade."""


@dataclass(frozen=True, slots=True)
class Attached:
    """The attachment holds; output follows from ``offset`` on."""

    terminal_id: str
    offset: int
    end: int
    """Where the terminal's output ends now."""
    input_received: int
    input_limit: int
    cols: int
    rows: int


@dataclass(frozen=True, slots=True)
class Window:
    """The program has taken input up to ``received``; the client may send up to ``limit``."""

    received: int
    limit: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Output from ``start`` to ``end`` is no longer kept; output goes on at ``end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Resized:
    """The terminal has another size: that of the client which was active last."""

    cols: int
    rows: int


@dataclass(frozen=True, slots=True)
class News:
    """How things stand with the terminal: told after ``Attached`` and when it changes, by holders of version 2."""

    sizes: bool
    """This client's size is in force."""
    attached: int
    name: str
    title: str
    cwd: str
    process: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The program has ended and all its output has been sent."""

    status: int
    """Exit code, or 128 + the number of the signal that ended it."""
    end: int


@dataclass(frozen=True, slots=True)
class ListEnd:
    """The list is complete."""

    count: int


@dataclass(frozen=True, slots=True)
class Done:
    """The request of this type was carried out."""

    request: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The request was refused."""

    reason: Refusal
    message: str


Frame = Welcome | Attached | Window | Gap | Resized | News | Exited | Terminal | ListEnd | Done | Refused


def _frame(kind: bytes, payload: bytes = b"") -> bytes:
    return _HEADER.pack(kind[0], 0, 0, len(payload)) + payload


def _text(value: str) -> bytes:
    encoded = value.encode(errors="surrogateescape")
    return len(encoded).to_bytes(2, "little") + encoded


def greeting() -> bytes:
    """Return the first frame of every connection."""
    return _frame(b"H", b"nixws-tm" + struct.pack("<HH", LOWEST_VERSION, VERSION))


def open_terminal(start: Start, *, token: int, credit: int) -> bytes:
    """Start a program on a new terminal and attach to it from its first byte on."""
    head = struct.pack("<QIHH", token, credit, start.cols, start.rows)
    return _frame(b"O", head + _text(start.name) + _text(start.cwd) + _text(start.command))


@dataclass(frozen=True, slots=True)
class Attach:
    """How to attach to a terminal."""

    terminal_id: str
    offset: int
    cols: int
    rows: int
    readonly: bool = False


def attach_terminal(wanted: Attach, *, token: int, credit: int) -> bytes:
    """Attach to a terminal; its output follows from ``wanted.offset`` on."""
    head = struct.pack(
        "<QQQIHHB", int(wanted.terminal_id, 16), wanted.offset, token, credit, wanted.cols, wanted.rows, wanted.readonly
    )
    return _frame(b"A", head)


def input_bytes(offset: int, data: bytes) -> bytes:
    """Type ``data``, the first byte of which is number ``offset`` of this token's input."""
    return b"I\0\0\0" + (8 + len(data)).to_bytes(4, "little") + offset.to_bytes(8, "little") + data


def resize(cols: int, rows: int) -> bytes:
    """Give the size of this client's window."""
    return _frame(b"R", struct.pack("<HH", cols, rows))


def acknowledge(offset: int) -> bytes:
    """Say that output up to ``offset`` has been passed on."""
    return _frame(b"C", offset.to_bytes(8, "little"))


def list_terminals() -> bytes:
    """Ask for every terminal."""
    return _frame(b"L")


def rename(terminal_id: str, name: str) -> bytes:
    """Give a terminal another name."""
    return _frame(b"N", int(terminal_id, 16).to_bytes(8, "little") + _text(name))


def close(terminal_id: str) -> bytes:
    """End a terminal's program, or forget one that has ended."""
    return _frame(b"K", int(terminal_id, 16).to_bytes(8, "little"))


class _Payload:
    """Reads a payload from left to right."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def numbers(self, layout: str) -> tuple[int, ...]:
        """Read little-endian numbers."""
        values = struct.unpack_from("<" + layout, self._data, self._at)
        self._at += struct.calcsize("<" + layout)
        return values

    def text(self) -> str:
        """Read a text; bytes that are not UTF-8 become U+FFFD."""
        (size,) = self.numbers("H")
        if self._at + size > len(self._data):
            raise struct.error("a text reaches beyond the frame")
        self._at += size
        return self._data[self._at - size : self._at].decode(errors="replace")

    def end(self) -> None:
        """Refuse trailing bytes."""
        if self._at != len(self._data):
            raise struct.error("bytes are left over")


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _terminal(payload: _Payload) -> Terminal:
    number, created, active, start, end, _pid, status, cols, rows, attached, ended = payload.numbers("QQQQQiiHHHB")
    name, title, command, cwd, process = (payload.text() for _ in range(5))
    return Terminal(
        id=f"{number:016x}",
        name=name,
        title=title,
        command=command,
        cwd=cwd,
        process=process,
        created_at=_moment(created),
        active_at=_moment(active),
        start=start,
        end=end,
        cols=cols,
        rows=rows,
        attached=attached,
        exit_status=status if ended else None,
    )


def _attached(payload: _Payload) -> Attached:
    number, *rest = payload.numbers("QQQQQHH")
    return Attached(f"{number:016x}", *rest)


def _news(payload: _Payload) -> News:
    sizes, attached = payload.numbers("BH")
    return News(bool(sizes), attached, *(payload.text() for _ in range(4)))


def _refused(payload: _Payload) -> Refused:
    (reason,) = payload.numbers("H")
    return Refused(Refusal(reason), payload.text())


_DECODERS: dict[int, Callable[[_Payload], Frame]] = {
    ord("H"): lambda payload: Welcome(*payload.numbers("HQ")),
    ord("A"): _attached,
    ord("W"): lambda payload: Window(*payload.numbers("QQ")),
    ord("G"): lambda payload: Gap(*payload.numbers("QQ")),
    ord("Z"): lambda payload: Resized(*payload.numbers("HH")),
    ord("P"): _news,
    ord("X"): lambda payload: Exited(*payload.numbers("iQ")),
    ord("T"): _terminal,
    ord("L"): lambda payload: ListEnd(*payload.numbers("I")),
    ord("Y"): lambda payload: Done(*payload.numbers("B")),
    ord("E"): _refused,
}


def _decode(kind: int, payload: bytes) -> Frame:
    try:
        reader = _Payload(payload)
        frame = _DECODERS[kind](reader)
        reader.end()
    except (KeyError, ValueError, OverflowError, OSError, struct.error) as wrong:
        raise RuntimeFailed(
            "The workspace's terminal holder sent a frame that is not of its version; rebuild the workspace.",
            code="terminal_protocol",
        ) from wrong
    return frame


class FrameReader:
    """Cuts the holder's stream, which may arrive in any pieces, into output and frames.

    ``on_data`` gets output as soon as it is there, also parts of a frame; ``on_frame`` everything else. Holds at most
    one control frame. Raises ``RuntimeFailed`` (``terminal_protocol``) on bytes that are not of the protocol.
    """

    def __init__(self, on_data: Callable[[bytes], None], on_frame: Callable[[Frame], None]) -> None:
        self._on_data = on_data
        self._on_frame = on_frame
        self._held = b""
        self._data_left = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        if self._held:
            data = self._held + data
            self._held = b""
        at, size = 0, len(data)
        while at < size:
            if self._data_left:
                piece = data[at : at + self._data_left]
                self._data_left -= len(piece)
                at += len(piece)
                self._on_data(piece)
                continue
            if size - at < _HEADER.size:
                break
            kind, flags, reserved, length = _HEADER.unpack_from(data, at)
            if flags or reserved or (kind != _DATA and length > _CONTROL_MAX):
                _decode(0, b"")
            if kind == _DATA:
                self._data_left = length
            elif size - at - _HEADER.size < length:
                break
            else:
                self._on_frame(_decode(kind, data[at + _HEADER.size : at + _HEADER.size + length]))
                at += length
            at += _HEADER.size
        self._held = data[at:]
