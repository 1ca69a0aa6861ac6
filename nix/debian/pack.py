"""Pack files into a tarball that is the same for the same files, and compute the hash by which Nix pins it.

Nix pins a flake by the hash of its tree in the "Nix archive" (NAR) format. Computing it here means that the set can be
generated before, or without, Nix.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TypeAlias

Contents: TypeAlias = Mapping[str, tuple[bytes, bool]]
"""Relative path to content and whether it is executable."""
Tree: TypeAlias = dict[str, "Tree | tuple[bytes, bool]"]

TIMESTAMP = 1
"""Seconds since 1970 that every file bears: content alone decides about the tarball."""


def flake_tarball(contents: Contents) -> tuple[bytes, str]:
    """Return the tarball (one top directory, as Nix wants) and the ``narHash`` of its tree."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(contents):
            content, executable = contents[name]
            entry = tarfile.TarInfo(f"set/{name}")
            entry.size, entry.mtime, entry.mode = len(content), TIMESTAMP, 0o755 if executable else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), compresslevel=6, mtime=TIMESTAMP), nar_hash(contents)


def nar_hash(contents: Contents) -> str:
    """Return the hash of a tree as flakes write it: ``sha256-`` and base64."""
    tree: Tree = {}
    for name, leaf in contents.items():
        *folders, last = PurePosixPath(name).parts
        at = tree
        for folder in folders:
            below = at.setdefault(folder, {})
            if not isinstance(below, dict):
                raise ValueError(f"{folder} is both a file and a folder")  # noqa: TRY004 - a value's fault, not a type's
            at = below
        at[last] = leaf
    digest = hashlib.sha256(_text(b"nix-archive-1") + _node(tree)).digest()
    return "sha256-" + base64.b64encode(digest).decode()


def _node(node: Tree | tuple[bytes, bool]) -> bytes:
    if isinstance(node, tuple):
        content, executable = node
        mark = _text(b"executable") + _text(b"") if executable else b""
        return (
            b"".join(map(_text, (b"(", b"type", b"regular"))) + mark + _text(b"contents") + _text(content) + _text(b")")
        )
    entries = b"".join(
        b"".join(map(_text, (b"entry", b"(", b"name", name.encode(), b"node"))) + _node(node[name]) + _text(b")")
        for name in sorted(node)
    )
    return b"".join(map(_text, (b"(", b"type", b"directory"))) + entries + _text(b")")


def _text(value: bytes) -> bytes:
    """Write a string the archive's way: length, bytes, padding to eight."""
    return len(value).to_bytes(8, "little") + value + bytes(-len(value) % 8)
