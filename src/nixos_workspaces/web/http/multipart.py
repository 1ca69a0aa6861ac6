"""multipart/form-data (RFC 7578) as a stream: bytes in, events out, in bounded memory.

The grammar is the library ``multipart``'s; here its parts become ours. File names are bytes, as they came. An end
without the closing boundary is ``Malformed``, and so is a part of which the library would guess the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import multipart

MAX_PART_HEADER_BYTES = 16 * 1024
MAX_PART_HEADERS = 16

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_PARAMETER = r';[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"(?:[^"\\\r\n]|\\[^\r\n])*"|[^\s;"]*)[ \t]*'
_DISPOSITION = re.compile(rf"form-data[ \t]*(?:{_PARAMETER})*", re.IGNORECASE)
_AS_BYTES = "latin-1"
"""Every byte is one character and comes back as it was."""


class Malformed(ValueError):
    """The body does not follow its content type; the text says why."""


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins."""

    name: bytes
    filename: bytes | None
    """None for a plain field. From the header ``X-File-Name``, percent-encoded, which is our own, where that is given:
    what browsers do to a name cannot be undone with certainty."""
    mode: int | None = None
    """Permission bits, from the header ``X-File-Mode`` in octal, which is our own."""


@dataclass(frozen=True, slots=True)
class PartData:
    """Content of the part that began last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part that began last is complete."""


Event = PartBegin | PartData | PartEnd


def boundary_of(content_type: bytes) -> bytes:
    """Return the boundary of a Content-Type header; raise ``Malformed`` if it has no usable one."""
    kind, options = multipart.parse_options_header(content_type.decode(_AS_BYTES))
    if kind != "multipart/form-data":
        raise Malformed("the content type is not multipart/form-data")
    boundary = options.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise Malformed("the content type names no valid boundary")
    return str(boundary).encode(_AS_BYTES)


class MultipartParser:
    """Turns chunks of a body into events: ``feed`` each, then ``finish`` once."""

    def __init__(self, boundary: bytes) -> None:
        self._parser = multipart.PushMultipartParser(
            boundary,
            max_header_size=MAX_PART_HEADER_BYTES,
            max_header_count=MAX_PART_HEADERS,
            header_charset=_AS_BYTES,
        )

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that a chunk completes; has to be drained before the next chunk. Raises ``Malformed``."""
        if not chunk or self._parser.closed:  # an empty one would say that this is the end
            return
        try:
            for event in self._parser.parse(chunk):
                match event:
                    case None:
                        yield PartEnd()
                    case multipart.MultipartSegment():
                        yield _part_of(event)
                    case _:
                        yield PartData(bytes(event))
        except multipart.MultipartError as wrong:
            raise Malformed(_said(wrong)) from wrong

    def finish(self) -> None:
        """Raise ``Malformed`` if the body ended too early."""
        try:
            self._parser.close()
        except multipart.MultipartError as wrong:
            raise Malformed(_said(wrong)) from wrong


def _said(wrong: Exception) -> str:
    """Return the library's reason as the end of a sentence of ours."""
    text = str(wrong.args[0] if wrong.args else wrong).rstrip(".")
    return text[:1].lower() + text[1:]


def _require_one_meaning(segment: multipart.MultipartSegment) -> None:
    """Raise ``Malformed`` for headers that two readers could read in two ways."""
    if len({name for name, _ in segment.headerlist}) < len(segment.headerlist):
        raise Malformed("a part has a header twice")
    disposition = segment.header("Content-Disposition", "")
    names = [name.lower() for name in re.findall(_PARAMETER, disposition)]
    if not _DISPOSITION.fullmatch(disposition) or "name" not in names or len(set(names)) < len(names):
        raise Malformed("a part has no Content-Disposition: form-data with one name")


def _part_of(segment: multipart.MultipartSegment) -> PartBegin:
    """Read the headers of a part."""
    if segment.header("Content-Transfer-Encoding", "binary").strip().lower() not in {"binary", "8bit", "7bit"}:
        raise Malformed("a part is encoded; send the bytes as they are")
    _require_one_meaning(segment)
    mode, exact = segment.header("X-File-Mode"), segment.header("X-File-Name")
    if mode is not None and not re.fullmatch(r"[0-7]{3}", mode):
        raise Malformed("X-File-Mode is three octal digits")
    filename = segment.filename if exact is None else exact
    raw = None if filename is None else filename.encode(_AS_BYTES)
    if raw is not None and exact is not None:
        raw = unquote_to_bytes(raw)
    return PartBegin(segment.name.encode(_AS_BYTES), raw, None if mode is None else int(mode, 8))
