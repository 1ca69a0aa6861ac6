"""The protocols of engines that run workspaces (design section 5).

The docstrings are the contract; ``tests/contracts`` holds every implementation to it.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from nixos_workspaces.model.automation.activity import Activity
from nixos_workspaces.model.machine import Capabilities, MachineSpec, Observed, Resources, Usage
from nixos_workspaces.model.network import DeniedConnection, EgressRules
from nixos_workspaces.model.reach.ports import Listener
from nixos_workspaces.model.usage import Program


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


class MachineFigures(Protocol):
    """The use of running machines. Raises as ``Machines`` does."""

    async def usage(self, workspace_id: str) -> Usage:
        """Return the present figures; raises ``Conflict`` when the machine is not running or paused."""

    async def usage_all(self) -> Mapping[str, Usage]:
        """Return the present figures of every machine that runs or is paused, by its id, in one pass over all.

        A machine that ends meanwhile, or whose figures cannot be read, is left out.
        """

    async def programs(self, workspace_id: str) -> Sequence[Program]:
        """Return the units with the most CPU use and memory, the busiest first; it takes about half a second.

        Raises ``Conflict`` when the machine is not running or paused.
        """

    async def activity(self, workspace_id: str) -> Activity:
        """Return the evidence of work in it; raises ``Conflict`` when the machine is not running or paused.

        Whatever its root has done, this comes within a second, and looks at nothing outside.
        """


class MachineAccess(Protocol):
    """Connections into a running machine, and its console. Raises as ``Machines`` does."""

    async def connect(self, workspace_id: str, port: int) -> socket.socket:
        """Return a connected, non-blocking stream socket to ``127.0.0.1:port`` *inside* the machine.

        Where nothing listens there, to ``::1`` or the address that a program listens on. Port 22 may be reached by
        another way than TCP, and so the socket be of another family.
        Works whatever the machine's network policy is. Raises ``Conflict`` when it is not running, ``Unavailable``
        when nothing listens there.
        """

    async def connect_holder(self, workspace_id: str) -> socket.socket | None:
        """Return a connected, non-blocking stream socket to the terminal holder (``agent/PROTOCOL.md``) as its user.

        None where the engine has no way to it that is shorter than SSH, or no holder listens (yet). Raises ``Conflict``
        when the machine is not running.
        """

    async def listening(self, workspace_id: str) -> Sequence[Listener]:
        """Return the programs that listen on TCP ports, by port; at most ``MOST_LISTENERS``.

        Cheap enough to be asked every second. Raises ``Conflict`` when the machine is not running, ``RuntimeFailed``
        (``listeners_unseen``) where the engine cannot tell.
        """

    async def open_ports(self, workspace_id: str, ports: Sequence[int]) -> None:
        """Let the machine's own firewall open these TCP ports besides 22, and no others, while it runs.

        Holds until the next start, which opens those of its order. Connections that were let in go on. Raises
        ``Conflict`` when the machine is not running or paused, ``RuntimeFailed`` with code ``ports_refused`` where its
        root has changed the firewall so that it cannot be done.
        """

    async def authorise(self, workspace_id: str, keys: Sequence[str], host_certificate: str) -> None:
        """Let these public keys log in as user ``nixos``, and no others of ours, from the next login on.

        ``host_certificate`` is what its sshd shows to whoever connects from then on; empty for none. Holds until the
        next start, which has those of its order. Raises ``Conflict`` when the machine is not running or paused,
        ``RuntimeFailed`` with code ``keys_refused`` where its root has changed ``/etc`` so that it cannot be done.
        """

    async def boot_log(self, workspace_id: str, offset: int = 0) -> bytes:
        """Return the console's output from byte ``offset`` on.

        At most 1 MiB; empty when there is no more.
        """

    async def log(self) -> Sequence[str]:
        """Return the last lines that the engine itself has logged, each an object of JSON; none where it keeps none."""

    async def close(self) -> None:
        """Release the engine; machines keep running."""


class Egress(Protocol):
    """The reach of machines, enforced outside of them. Raises as ``Machines`` does."""

    async def set_egress(self, workspace_id: str, rules: EgressRules) -> None:
        """Put rules in force, also upon connections that are open, before it returns; in every state but ``ABSENT``.

        They hold until they are set anew, through starts and stops of the machine and of the engine itself. A machine
        for which none were ever set reaches nothing. The engine never lets out to ``model.network.NEVER_ALLOWED``,
        its own computer and other machines. Entries that have ended are not its concern: it is told in time.
        """

    async def denied(self, workspace_id: str, since: datetime | None = None) -> Sequence[DeniedConnection]:
        """Return the connections that were refused after ``since``, oldest first: at most the last 1000 different ones.

        Survives neither the machine's deletion nor, necessarily, a restart of the engine.
        """

    async def observed(self, workspace_id: str, since: datetime | None = None) -> Sequence[DeniedConnection]:
        """Return the connections that were let out in mode ``OBSERVE`` after ``since``, as ``denied`` does."""


class Runtime(Machines, MachineFigures, MachineAccess, Egress, Protocol):
    """An engine that runs workspaces: its machines, the ways into them and the way out."""
