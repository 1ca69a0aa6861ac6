"""Where the node keeps its things, and the one short name that keeps several nodes on a machine apart."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from nixos_workspaces.errors import Conflict, RuntimeFailed
from nixos_workspaces.node.kernel.mounts import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    bind_read_only,
    mount,
    mount_points,
)

_TAG_LENGTH = 5
PASSABLE = 0o711
STORE = Path("/nix/store")


@dataclass(frozen=True, slots=True)
class Home:
    """The places of one node.

    ``live`` is a file system in memory in the node's own mount namespace: it ends with the machine or when the last
    workspace has stopped. Within it, ``kept`` is the node's directory in the data directory, which is bound there so
    that nobody who owns the data directory can put something else in its place.
    """

    data: Path

    @property
    def tag(self) -> str:
        """A short name that no other data directory on this machine has."""
        digest = hashlib.sha256(os.fsencode(self.data)).digest()
        return base64.b32encode(digest).decode().lower()[:_TAG_LENGTH]

    @property
    def socket(self) -> Path:
        """Where the node answers."""
        return self.data / "node.sock"

    @property
    def pin(self) -> Path:
        """The bind mount that keeps the node's mount namespace."""
        return Path(f"/run/nixws-{self.tag}/ns/mnt")

    @property
    def live(self) -> Path:
        """Directory of what lasts as long as something runs."""
        return Path(f"/run/nixws-{self.tag}/live")

    @property
    def kept(self) -> Path:
        """Directory of what is kept for good, below the data directory."""
        return self.live / "kept"

    @property
    def store(self) -> Path:
        """The Nix store as workspaces see it."""
        return self.live / "store"

    @property
    def machines(self) -> Path:
        """Directory of the running workspaces' files."""
        return self.live / "machines"

    @property
    def engine(self) -> Path:
        """The container engine's own state."""
        return self.live / "engine"


def take(home: Home) -> int:
    """Make the node's directory and take it for this process; returns the descriptor that holds it.

    Raises ``Conflict`` when another node has it, ``RuntimeFailed`` when another user than root owns it.
    """
    own = home.data / "node"
    home.data.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        own.mkdir(mode=0o700)
    held = _open_private(own)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise Conflict(f"Another node serves {home.data}; stop that one first.", code="node_running") from None
    return held


def furnish(home: Home, held: int) -> None:
    """Make the places in the node's mount namespace, those that are not there yet."""
    present = set(mount_points(home.live.parent))
    if home.live not in present:
        home.live.mkdir(exist_ok=True)
        mount("tmpfs", home.live, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=256m")
    for directory in (home.kept, home.store, home.engine):
        directory.mkdir(mode=0o700, exist_ok=True)
    for directory in (home.live.parent, home.live, home.machines):
        # A container's root, who is nobody out here, walks through these to its own file system.
        directory.mkdir(exist_ok=True)
        directory.chmod(PASSABLE)
    if home.store not in present:
        bind_read_only(STORE, home.store)
    if home.kept not in present:
        # Opened again, because a descriptor of the mount namespace outside cannot be bound in this one.
        own = _open_private(home.data / "node")
        try:
            mount(f"/proc/self/fd/{own}", home.kept, None, MS_BIND)
        finally:
            os.close(own)
    if not os.path.samestat(home.kept.stat(), os.fstat(held)):
        message = f"{home.data / 'node'} was moved while workspaces run; move it back, or restart this machine."
        raise RuntimeFailed(message, code="node_directory")
    for name in ("volumes", "machines"):
        (home.kept / name).mkdir(mode=0o700, exist_ok=True)


def _open_private(directory: Path) -> int:
    """Open a directory that must be root's alone."""
    try:
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        status = os.fstat(opened)
        if status.st_uid == 0 and not status.st_mode & 0o077:
            return opened
        os.close(opened)
    except NotADirectoryError:
        pass
    message = f"{directory} is not a directory of root's with mode 0700; the node keeps volumes there. Remove it."
    raise RuntimeFailed(message, code="node_directory")
