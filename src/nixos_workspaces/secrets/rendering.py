"""The files that a workspace's secrets become. Pure.

files/NAME    the value of a file; a link leads to it from the place that it was given
profile       shell code that exports the variables
environment   the same for systemd (``EnvironmentFile=``, systemd.exec(5))
names         the names of the variables, on one line
git/HOST      user name and password of one host, a line each, for the credential helper
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from nixos_workspaces.model.contents.secrets import OpenSecret, SecretKind

DEFAULT_USERNAME = "x-access-token"
"""Hosts of code that are given a token take any user name."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The files of one delivery: never log, never store."""

    files: Mapping[str, tuple[bytes, int]] = field(repr=False)
    """Content and mode by path within the delivery."""
    links: Mapping[str, str]
    """The path within the delivery that each place leads to."""


def merged(of_person: Iterable[OpenSecret], of_workspace: Iterable[OpenSecret]) -> list[OpenSecret]:
    """Return the secrets of a workspace: its own win over its owner's, by name, place and host."""
    own = list(of_workspace)
    names = {one.secret.name for one in own}
    places = {(one.secret.kind, one.secret.place) for one in own if one.secret.place}
    others = [
        one for one in of_person if one.secret.name not in names and (one.secret.kind, one.secret.place) not in places
    ]
    return sorted([*others, *own], key=lambda one: one.secret.name)


def rendered(secrets: Iterable[OpenSecret]) -> Rendered:
    """Return the files of these secrets."""
    files: dict[str, tuple[bytes, int]] = {}
    links: dict[str, str] = {}
    variables: dict[str, bytes] = {}
    for one in secrets:
        match one.secret.kind:
            case SecretKind.ENVIRONMENT:
                variables[one.secret.name] = one.value
            case SecretKind.FILE:
                files[f"files/{one.secret.name}"] = (one.value, int(one.secret.mode, 8))
                links[one.secret.place] = f"files/{one.secret.name}"
            case SecretKind.GIT:
                username = one.secret.username or DEFAULT_USERNAME
                files[f"git/{one.secret.place}"] = (username.encode() + b"\n" + one.value + b"\n", 0o400)
            case _ as never:
                assert_never(never)
    files["profile"] = (b"".join(_exported(name, value) for name, value in variables.items()), 0o400)
    files["environment"] = (b"".join(_assigned(name, value) for name, value in variables.items()), 0o400)
    files["names"] = (" ".join(variables).encode() + b"\n", 0o400)
    return Rendered(files, links)


def _exported(name: str, value: bytes) -> bytes:
    """Return shell code that exports a variable; between single quotes only these are special."""
    return b"export " + name.encode() + b"='" + value.replace(b"'", b"'\\''") + b"'\n"


def _assigned(name: str, value: bytes) -> bytes:
    """Return a line of an ``EnvironmentFile``: between double quotes a backslash stands before these four."""
    for special in (b"\\", b'"', b"$", b"`"):
        value = value.replace(special, b"\\" + special)
    return name.encode() + b'="' + value + b'"\n'
