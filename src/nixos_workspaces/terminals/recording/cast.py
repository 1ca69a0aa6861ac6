"""The asciicast format, version 3: events to lines and back; without I/O.

Bytes that are no UTF-8 stand in the text as lone surrogates (PEP 383), so that the text holds every byte and other
players show a replacement character.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from nixos_workspaces.errors import RuntimeFailed

_SURROGATE = re.compile("[\ud800-\udfff]")


class Code(StrEnum):
    """The kind of an event."""

    OUTPUT = "o"
    RESIZE = "r"
    MARKER = "m"
    EXIT = "x"


@dataclass(frozen=True, slots=True)
class CastEvent:
    """One event, at its time since the beginning."""

    ms: int
    code: str
    data: str


def text_of(data: bytes) -> str:
    """Return output as the text of an event."""
    return data.decode(errors="surrogateescape")


def bytes_of(text: str) -> bytes:
    """Return the output that ``text_of`` was given."""
    return text.encode(errors="surrogateescape")


def header(cols: int, rows: int, started: int, title: str) -> bytes:
    """Return the first line; ``started`` is in seconds since 1970."""
    said: dict[str, object] = {
        "version": 3,
        "term": {"cols": cols, "rows": rows, "type": "xterm-256color"},
        "timestamp": started,
    }
    if title:
        said["title"] = title
    return _json(said) + b"\n"


def line(event: CastEvent, before_ms: int) -> bytes:
    """Return an event's line; the format counts from the event before, which was at ``before_ms``."""
    elapsed = max(0, event.ms - before_ms)
    return b"[%d.%03d, %s, %s]\n" % (*divmod(elapsed, 1000), _json(event.code), _json(event.data))


def read(text: Iterable[bytes], *, has_header: bool = True) -> Iterator[CastEvent]:
    """Return the events of a file's lines. Raises ``RuntimeFailed`` for a line that is none of ours."""
    ms = 0
    for number, one in enumerate(text):
        if has_header and number == 0:
            continue
        try:
            interval, code, data = json.loads(one)
            ms += round(interval * 1000)
            yield CastEvent(ms, str(code), str(data))
        except (ValueError, TypeError) as wrong:
            raise RuntimeFailed("The recording is damaged.", code="recording_unreadable") from wrong


def _json(value: object) -> bytes:
    """Return JSON in UTF-8, in which lone surrogates stand escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()
