"""The protocols of engines that run workspaces (design section 5).

The docstrings are the contract; ``tests/contracts`` holds every implementation to it.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Protocol

from nixos_workspaces.model.machine import Capabilities, MachineSpec, Observed, Resources, Usage


class Machines(Protocol):
    """The machines of an engine: make, change and observe them.

    Every method is idempotent: calling it again with the same arguments, also after a crash at any line of the first
    call, ends in the same state. Every method raises ``RuntimeFailed`` (the step, the reason, what to do),
    ``InsufficientResources`` or, when the engine itself does not answer within 10 s, ``Unavailable``. Methods that
    need a machine which is ``ABSENT`` raise ``NotFound``. Calls for different workspaces run side by side; calls for
    one workspace are serialised by the engine.
    """

    async def capabilities(self) -> Capabilities:
        """Return this engine's features and resources."""

    async def create(self, spec: MachineSpec) -> None:
        """Make the encrypted volume; ends in ``STOPPED``. Does nothing when the volume exists.

        Reserves the whole of ``resources.storage_bytes`` or raises ``InsufficientResources`` and leaves nothing.
        """

    async def start(self, spec: MachineSpec) -> Observed:
        """Boot ``spec.toplevel``; returns when sshd answers (state ``RUNNING``).

        May be called in ``STOPPED``, ``BOOTING``, ``RUNNING`` (returns at once) and ``PAUSED`` (resumes). A volume
        smaller than ``resources.storage_bytes`` is grown first. If sshd does not answer in time the machine is stopped
        again and ``RuntimeFailed`` tells the last lines of the boot log.
        """

    async def stop(self, workspace_id: str, grace_seconds: float = 10.0) -> None:
        """Shut the machine down, by force after ``grace_seconds``; ends in ``STOPPED``.

        A paused one is resumed first.
        """

    async def delete(self, workspace_id: str) -> None:
        """Stop by force and remove everything; ends in ``ABSENT``. Allowed in every state."""

    async def observe(self, workspace_id: str) -> Observed:
        """Return the machine as it is now; ``ABSENT`` is an answer, not an error."""

    async def list(self) -> Sequence[Observed]:
        """Return every machine that has a volume or a process, also ones without a record."""

    async def resize(self, workspace_id: str, resources: Resources) -> None:
        """Change CPU and memory limits at once when running, and grow the volume when stopped.

        Raises ``Conflict`` for storage smaller than now, or larger while running on an engine without
        ``live_storage_growth``.
        """

    async def pause(self, workspace_id: str) -> None:
        """Freeze every process; ``RUNNING`` to ``PAUSED``."""

    async def resume(self, workspace_id: str) -> None:
        """Thaw; ``PAUSED`` to ``RUNNING``."""


class MachineAccess(Protocol):
    """Connections into a running machine, its figures and its console. Raises as ``Machines`` does."""

    async def usage(self, workspace_id: str) -> Usage:
        """Return the present figures; raises ``Conflict`` when the machine is not running or paused."""

    async def connect(self, workspace_id: str, port: int) -> socket.socket:
        """Return a connected, non-blocking stream socket to ``127.0.0.1:port`` *inside* the machine.

        Port 22 may be reached by another way than TCP, and so the socket be of another family.
        Works whatever the machine's network policy is. Raises ``Conflict`` when it is not running, ``Unavailable``
        when nothing listens there.
        """

    async def connect_holder(self, workspace_id: str) -> socket.socket | None:
        """Return a connected, non-blocking stream socket to the terminal holder (``agent/PROTOCOL.md``) as its user.

        None where the engine has no way to it that is shorter than SSH, or no holder listens (yet). Raises ``Conflict``
        when the machine is not running.
        """

    async def boot_log(self, workspace_id: str, offset: int = 0) -> bytes:
        """Return the console's output from byte ``offset`` on.

        At most 1 MiB; empty when there is no more.
        """

    async def close(self) -> None:
        """Release the engine; machines keep running."""


class Runtime(Machines, MachineAccess, Protocol):
    """An engine that runs workspaces: its machines and the ways into them."""
