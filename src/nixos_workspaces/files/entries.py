"""Entries out of SFTP's attributes, and the tags that tell versions of a file apart."""

from __future__ import annotations

import hashlib
import stat

import asyncssh

from nixos_workspaces.model.files import Entry, Kind

PERMISSION_BITS = 0o777
"""Mode bits that callers may set: set-user-id, set-group-id and sticky bits are never set and cleared on upload."""
FRESH_SECONDS = 3
"""SFTP tells times in whole seconds: for so long after a change the time alone does not tell two versions apart."""
SMALL_BYTES = 255 * 1024
"""Files up to this size are read and written in one request."""


def entry(path: bytes, attributes: asyncssh.SFTPAttrs, *, owner: str = "", link_target: bytes | None = None) -> Entry:
    """Return the entry of SFTP's attributes."""
    permissions = attributes.permissions or 0
    return Entry(
        path=path,
        kind=_kind(permissions),
        size=attributes.size or 0,
        mode=stat.S_IMODE(permissions),
        modified=int(attributes.mtime or 0),
        uid=attributes.uid or 0,
        gid=attributes.gid or 0,
        owner=owner,
        link_target=link_target,
    )


def _kind(permissions: int) -> Kind:
    match stat.S_IFMT(permissions):
        case stat.S_IFREG:
            return Kind.FILE
        case stat.S_IFDIR:
            return Kind.DIRECTORY
        case stat.S_IFLNK:
            return Kind.LINK
        case _:
            return Kind.OTHER


def owner_of(longname: bytes | str) -> str:
    """Return the owner's name out of the ``ls -l`` line that OpenSSH sends with each name of a listing."""
    text = longname.decode("utf-8", "replace") if isinstance(longname, bytes) else longname
    words = text.split(None, 3)
    return words[2] if len(words) > 3 else ""  # noqa: PLR2004 - mode, links, owner, the rest


def content_hash(content: bytes) -> str:
    """Return the digest of a small file's content that its ETag carries."""
    return hashlib.sha256(content).hexdigest()[:32]


def etag(of: Entry, *, content: bytes | None = None, digest: str | None = None) -> str:
    """Return the version of a file as an HTTP entity tag, in quotes, without ``W/``.

    It is made of modification time and size, and of the content where that is given: equal tags with content mean
    equal content.
    """
    told = digest or (content_hash(content) if content is not None else "")
    return f'"{of.modified:x}-{of.size:x}{"-" if told else ""}{told}"'


def is_fresh(of: Entry, now: float) -> bool:
    """Whether the file may change once more within the second that its time tells."""
    return of.modified + FRESH_SECONDS > now


def digest_in(tag: str) -> str:
    """Return the content hash that a tag of ours holds; empty if it holds none."""
    parts = tag.strip('"').split("-")
    return parts[2] if len(parts) == 3 else ""  # noqa: PLR2004 - time, size, content
