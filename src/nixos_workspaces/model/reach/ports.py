"""Ports of a workspace: listening programs, and the people that a port's preview is shown to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LONGEST_PROGRAM = 64
MOST_LISTENERS = 256
"""Listening ports that are told of one workspace."""
SSH_PORT = 22
"""Never a preview: a browser has nothing to say to sshd, and its way in has keys of its own."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP port that a program in a workspace listens on."""

    port: int
    addresses: tuple[str, ...]
    """The addresses that it is bound to, as in ``0.0.0.0``, ``127.0.0.1`` and ``::``."""
    program: str
    """Name of the program's file, printable, chosen by the workspace; empty if it is not known."""
    since: datetime | None
    """When the program was started; None if the program is not known."""


class Visibility(StrEnum):
    """The people that may see a port's preview."""

    PRIVATE = "private"
    """Those who may connect to the workspace."""
    SIGNED_IN = "signed_in"
    """Everybody with a credential of this service."""
    LINK = "link"
    """Everybody with the link, until it expires."""


@dataclass(frozen=True, slots=True)
class PortShare:
    """A port whose preview is shown to others than those who may connect to the workspace."""

    workspace_id: str
    port: int
    visibility: Visibility
    program: str
    """The program that listened when this was chosen; no other one is shown. Empty: none listened, any is."""
    link_digest: str | None
    """SHA-256 of the link's secret; None unless the visibility is ``LINK``."""
    expires_at: datetime | None
    """When it becomes private again; None: never."""


HTTPLESS_PORTS = frozenset({22, 25, 53, 110, 143, 465, 587, 993, 995, 1433, 3306, 5432, 5672, 6379, 11211, 27017})
HTTPLESS_PROGRAMS = ("sshd", "postgres", "mysqld", "mariadbd", "redis-server", "mongod", "memcached", "systemd-resolve")


def speaks_http(port: int, program: str) -> bool:
    """Guess whether a listener speaks HTTP, by what its port and program usually speak; nothing is asked of it."""
    return port not in HTTPLESS_PORTS and not program.startswith(HTTPLESS_PROGRAMS)
