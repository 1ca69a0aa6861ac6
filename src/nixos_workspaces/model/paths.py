"""Paths in a workspace, which are bytes: checks and wire form.

A name may hold every byte but ``/`` and NUL. On the wire a path is percent-encoded (RFC 3986): every byte that is not
an unreserved character is written as ``%NN``, so that names which are not UTF-8 survive. ``shown`` is for people only.
"""

from __future__ import annotations

import posixpath
from urllib.parse import quote_from_bytes, unquote_to_bytes

from nixos_workspaces.errors import InvalidInput

MAX_PATH_BYTES = 4095
"""The longest path that Linux takes in one call, without the closing NUL."""
MAX_NAME_BYTES = 255

_UNRESERVED = "/~"
_HEX = frozenset(b"0123456789abcdefABCDEF")


def checked(path: bytes, field: str = "path") -> bytes:
    """Return an absolute path without doubled or closing slashes; raise ``InvalidInput`` for any other.

    ``..`` is left alone: its meaning is decided by the kernel of the workspace, which ends at the workspace's root.
    """
    if not path.startswith(b"/"):
        raise InvalidInput("A path in a workspace begins with a slash.", code="invalid_path", field=field)
    parts = _parts(path, field)
    whole = b"/" + b"/".join(parts)
    if len(whole) > MAX_PATH_BYTES:
        raise InvalidInput(f"A path has at most {MAX_PATH_BYTES} bytes.", code="invalid_path", field=field)
    return whole


def checked_target(path: bytes, field: str = "path") -> bytes:
    """Return a checked path that something can be made at: not the root, and not ending in ``.`` or ``..``."""
    whole = checked(path, field)
    if posixpath.basename(whole) in {b"", b".", b".."}:
        raise InvalidInput(
            "The path has to end with the name of a file or directory.", code="invalid_path", field=field
        )
    return whole


def checked_relative(path: bytes, field: str = "path") -> bytes:
    """Return a path that stays below the directory it is joined to; raise ``InvalidInput`` for any other."""
    parts = _parts(path, field)
    if path.startswith(b"/") or not parts or b".." in parts:
        raise InvalidInput("The name has to stay inside the target directory.", code="invalid_path", field=field)
    return b"/".join(part for part in parts if part != b".") or _refuse_dot(field)


def _refuse_dot(field: str) -> bytes:
    raise InvalidInput("The name has to name a file.", code="invalid_path", field=field)


def _parts(path: bytes, field: str) -> list[bytes]:
    """Split a path; refuse NUL and names that no file system takes."""
    if b"\0" in path:
        raise InvalidInput("A path cannot hold a NUL byte.", code="invalid_path", field=field)
    parts = [part for part in path.split(b"/") if part]
    if any(len(part) > MAX_NAME_BYTES for part in parts):
        raise InvalidInput(f"A name has at most {MAX_NAME_BYTES} bytes.", code="invalid_path", field=field)
    return parts


def encoded(path: bytes) -> str:
    """Return the wire form of a path: ASCII, without loss."""
    return quote_from_bytes(path, safe=_UNRESERVED)


def decoded(text: str | bytes, field: str = "path") -> bytes:
    """Return the path of a wire form; raise ``InvalidInput`` for a ``%`` that two hexadecimal digits do not follow."""
    raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    at = raw.find(b"%")
    while at >= 0:
        if len(raw) < at + 3 or not _HEX.issuperset(raw[at + 1 : at + 3]):
            raise InvalidInput("A % in a path needs two hexadecimal digits after it.", code="invalid_path", field=field)
        at = raw.find(b"%", at + 3)
    return unquote_to_bytes(raw)


def shown(name: bytes) -> str:
    """Return a name for people: bytes that are not UTF-8 become U+FFFD, so it may not name the file any more."""
    return name.decode("utf-8", "replace")
