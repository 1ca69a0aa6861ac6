"""How far a recording has come, and the pieces of its file: values to bytes and back; without I/O.

A piece is a head in JSON, a line feed, and lines of the asciicast file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field

import orjson

from nixos_workspaces.model.terminals import TypedRange
from nixos_workspaces.terminals.recording import cast

SAME_PERSON_MS = 1000
"""Input of one person with pauses shorter than this is one range."""


@dataclass(slots=True)
class Progress:
    """The events of a recording as they come, and the sums over all of them."""

    end: int = 0
    """Offset at which the output in it ends."""
    ms: int = 0
    missing: int = 0
    typed_bytes: int = 0
    is_begun: bool = False
    """It has its header."""
    output_sum: hashlib._Hash = field(default_factory=hashlib.sha256)
    cast_sum: hashlib._Hash = field(default_factory=hashlib.sha256)
    lines: list[bytes] = field(default_factory=list)
    """Lines that are in no piece yet."""
    waiting: int = 0
    """Bytes of those."""
    typed: list[TypedRange] = field(default_factory=list)

    def begin(self, header: bytes) -> None:
        """Write the header of a new recording."""
        self.is_begun = True
        self._add(header)

    def output(self, ms: int, data: bytes, end: int) -> None:
        """Take output that ends at offset ``end``."""
        self.end = end
        self.output_sum.update(data)
        self.event(ms, cast.Code.OUTPUT, cast.text_of(data))

    def gap(self, ms: int, start: int, end: int) -> None:
        """Say that output is missing."""
        self.missing += end - start
        self.end = end
        self.event(ms, cast.Code.MARKER, f"{end - start} bytes are missing here")

    def event(self, ms: int, code: cast.Code, data: str) -> None:
        """Take any event; its time never goes back."""
        ms = max(ms, self.ms)
        self._add(cast.line(cast.CastEvent(ms, code, data), self.ms))
        self.ms = ms

    def note_typed(self, ms: int, principal: str, name: str, count: int) -> None:
        """Take note that somebody typed ``count`` bytes."""
        first, self.typed_bytes = self.typed_bytes, self.typed_bytes + count
        last = self.typed[-1] if self.typed else None
        if last and last.principal == principal and last.offset == self.end and ms - last.at_ms < SAME_PERSON_MS:
            self.typed[-1] = TypedRange(last.at_ms, principal, name, last.first, self.typed_bytes, last.offset)
        else:
            self.typed.append(TypedRange(ms, principal, name, first, self.typed_bytes, self.end))

    def take_piece(self) -> bytes | None:
        """Return all that is in no piece yet, or None."""
        if not self.lines and not self.typed:
            return None
        head = {
            "end": self.end,
            "ms": self.ms,
            "missing": self.missing,
            "typed_bytes": self.typed_bytes,
            "typed": [astuple(one) for one in self.typed],
        }
        piece = b"\n".join((orjson.dumps(head), b"".join(self.lines)))
        self.lines, self.typed, self.waiting = [], [], 0
        return piece

    def _add(self, line: bytes) -> None:
        self.cast_sum.update(line)
        self.lines.append(line)
        self.waiting += len(line)


def resumed(pieces: Iterable[bytes]) -> Progress:
    """Return the progress of a recording of which these pieces are stored."""
    progress = Progress()
    for piece in pieces:
        head, _, text = piece.partition(b"\n")
        said = orjson.loads(head)
        progress.end, progress.ms, progress.missing = said["end"], said["ms"], said["missing"]
        progress.typed_bytes = said["typed_bytes"]
        progress.cast_sum.update(text)
        # Line feeds only: an event's text may hold what else counts as the end of a line.
        for event in cast.read(filter(None, text.split(b"\n")), has_header=not progress.is_begun):
            if event.code == cast.Code.OUTPUT:
                progress.output_sum.update(cast.bytes_of(event.data))
        progress.is_begun = True
    return progress


def cast_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Return the asciicast file in parts."""
    for piece in pieces:
        yield piece.partition(b"\n")[2]


def typed_of(pieces: Iterable[bytes]) -> Iterator[TypedRange]:
    """Return who typed when."""
    for piece in pieces:
        for one in orjson.loads(piece.partition(b"\n")[0])["typed"]:
            yield TypedRange(*one)
