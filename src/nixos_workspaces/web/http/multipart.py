"""multipart/form-data (RFC 7578) as a stream: bytes in, events out, in bounded memory.

The parser knows nothing of connections. It is strict: a departure from the grammar is ``Malformed``, as is an end
without the closing boundary. File names are bytes, as they came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import unquote_to_bytes

MAX_PART_HEADER_BYTES = 16 * 1024
MAX_BOUNDARY_BYTES = 70

_PARAMETER = re.compile(rb';[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\\r\n]|\\[^\r\n])*)"|([^\s;"]*))[ \t]*')
_HEADER_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")


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


class _State(Enum):
    PREAMBLE = auto()
    AFTER_BOUNDARY = auto()
    HEADERS = auto()
    CONTENT = auto()
    EPILOGUE = auto()


def boundary_of(content_type: bytes) -> bytes:
    """Return the boundary of a Content-Type header; raise ``Malformed`` if it has no usable one."""
    kind, _, _rest = content_type.partition(b";")
    if kind.strip().lower() != b"multipart/form-data":
        raise Malformed("the content type is not multipart/form-data")
    boundary = _parameters(content_type[len(kind) :]).get(b"boundary", b"")
    if not _BOUNDARY.fullmatch(boundary):
        raise Malformed("the content type names no valid boundary")
    return boundary


class MultipartParser:
    """Turns chunks of a body into events: ``feed`` each, then ``finish`` once."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        # The first boundary may stand at the very start, without a line before it.
        self._buffer = bytearray(b"\r\n")
        self._state = _State.PREAMBLE

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that a chunk completes; has to be drained before the next chunk. Raises ``Malformed``."""
        self._buffer += chunk
        step = True
        while step:
            match self._state:
                case _State.PREAMBLE:
                    step = self._skip_preamble()
                case _State.AFTER_BOUNDARY:
                    step = self._after_boundary()
                case _State.HEADERS:
                    begin = self._headers()
                    step = begin is not None
                    if begin is not None:
                        yield begin
                case _State.CONTENT:
                    data, step = self._content()
                    if data:
                        yield PartData(data)
                    if step:
                        yield PartEnd()
                case _State.EPILOGUE:
                    self._buffer.clear()
                    step = False

    def finish(self) -> None:
        """Raise ``Malformed`` if the body ended too early."""
        if self._state is not _State.EPILOGUE:
            raise Malformed("the body ends before its closing boundary")

    def _skip_preamble(self) -> bool:
        at = self._buffer.find(self._delimiter)
        if at < 0:
            if len(self._buffer) > MAX_PART_HEADER_BYTES:
                raise Malformed("the body does not begin with its boundary")
            return False
        if at > 0:
            raise Malformed("there is something before the first boundary")
        del self._buffer[: len(self._delimiter)]
        self._state = _State.AFTER_BOUNDARY
        return True

    def _after_boundary(self) -> bool:
        if len(self._buffer) < 2:  # noqa: PLR2004 - two bytes tell whether a part or the end follows
            return False
        follows = bytes(self._buffer[:2])
        if follows == b"--":
            self._state = _State.EPILOGUE
        elif follows == b"\r\n":
            del self._buffer[:2]
            self._state = _State.HEADERS
        else:
            raise Malformed("a boundary is followed by something else than a line end")
        return True

    def _headers(self) -> PartBegin | None:
        if self._buffer.startswith(b"\r\n"):
            raise Malformed("a part has no headers")
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_PART_HEADER_BYTES)
        if end < 0:
            if len(self._buffer) >= MAX_PART_HEADER_BYTES:
                raise Malformed("the headers of a part are too long")
            return None
        begin = _part_of(bytes(self._buffer[:end]))
        # The line end before the content stays: content may be empty, and the next boundary begins with it.
        del self._buffer[: end + 2]
        self._content_begins = True
        self._state = _State.CONTENT
        return begin

    def _content(self) -> tuple[bytes, bool]:
        """Return content as far as it is certain, and whether the part is complete."""
        skip = 2 if self._content_begins else 0
        at = self._buffer.find(self._delimiter)
        if at >= 0:
            data = bytes(self._buffer[skip:at]) if at >= skip else b""
            del self._buffer[: at + len(self._delimiter)]
            self._state = _State.AFTER_BOUNDARY
            return data, True
        certain = len(self._buffer) - len(self._delimiter) + 1
        if certain <= skip:
            return b"", False
        data = bytes(memoryview(self._buffer)[skip:certain])
        del self._buffer[:certain]
        self._content_begins = False
        return data, False

    _content_begins = False


def _part_of(raw: bytes) -> PartBegin:
    """Parse the headers of a part."""
    headers = _headers_of(raw)
    if headers.get(b"content-transfer-encoding", b"binary").lower() not in {b"binary", b"8bit", b"7bit"}:
        raise Malformed("a part is encoded; send the bytes as they are")
    kind, _, rest = headers.get(b"content-disposition", b"").partition(b";")
    if kind.strip().lower() != b"form-data":
        raise Malformed("a part has no Content-Disposition: form-data")
    parameters = _parameters(b";" + rest)
    if b"name" not in parameters:
        raise Malformed("a part has no name")
    mode = headers.get(b"x-file-mode")
    if mode is not None and not re.fullmatch(rb"[0-7]{3}", mode):
        raise Malformed("X-File-Mode is three octal digits")
    exact = headers.get(b"x-file-name")
    filename = _filename(parameters) if exact is None else unquote_to_bytes(exact)
    return PartBegin(_unescaped(parameters[b"name"]), filename, None if mode is None else int(mode, 8))


def _headers_of(raw: bytes) -> dict[bytes, bytes]:
    """Return the header lines of a part by their lower-case names."""
    headers: dict[bytes, bytes] = {}
    for line in raw.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or not _HEADER_NAME.fullmatch(name) or set(value) & set(b"\r\n\0"):
            raise Malformed("a part has a header line that is none")
        if name.lower() in headers:
            raise Malformed("a part has a header twice")
        headers[name.lower()] = value.strip()
    return headers


def _filename(parameters: dict[bytes, bytes]) -> bytes | None:
    given = parameters.get(b"filename")
    return None if given is None else _unescaped(given)


def _unescaped(value: bytes) -> bytes:
    """Undo browsers' changes of names: quotes and line ends become ``%22``, ``%0D``, ``%0A``; nothing else does."""
    for escaped, plain in ((b"%22", b'"'), (b"%0D", b"\r"), (b"%0A", b"\n")):
        value = value.replace(escaped, plain)
    return value


def _parameters(text: bytes) -> dict[bytes, bytes]:
    """Return ``; name=value`` pairs; raise ``Malformed`` for anything else, and for a name that comes twice."""
    found: dict[bytes, bytes] = {}
    at = 0
    text = text.rstrip(b" \t")
    if text == b";":
        return found
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            raise Malformed("a header has parameters that cannot be read")
        name = match[1].lower()
        if name in found:
            raise Malformed("a header has a parameter twice")
        quoted = match[2]
        found[name] = match[3] if quoted is None else re.sub(rb'\\(["\\])', rb"\1", quoted)
        at = match.end()
    return found
