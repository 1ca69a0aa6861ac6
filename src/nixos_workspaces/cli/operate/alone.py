"""One service a data directory: a second one ends with a sentence, before it has written anything."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from nixos_workspaces.errors import Conflict, Forbidden

_LOCK = "serve.lock"


def refuse_running_node(data: Path) -> None:
    """Raise ``Conflict`` (code ``already_running``) if a node serves this data directory."""
    try:
        own = os.open(data / "node", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        # Shared: two that look at the same time do not refuse each other.
        fcntl.flock(own, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as held:
        raise _running(data) from held
    finally:
        os.close(own)


@contextlib.contextmanager
def held(data: Path) -> Iterator[None]:
    """Hold the data directory for one control plane within the block.

    Raises ``Conflict`` (code ``already_running``) if another one has it, ``Forbidden`` if it is another user's.
    """
    owner = data.stat().st_uid
    if owner != os.geteuid():
        raise Forbidden(
            f"The data in {data} belongs to {_name(owner)}, and this is {_name(os.geteuid())}: run nixws serve as "
            f"{_name(owner)}, or nixws up as root.",
            code="foreign_data",
        )
    lock = os.open(data / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            raise _running(data) from taken
        yield
    finally:
        os.close(lock)


def _running(data: Path) -> Conflict:
    return Conflict(
        f"The service runs already on the data in {data}: use it, stop it first, or choose another directory with "
        "--data.",
        code="already_running",
    )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
