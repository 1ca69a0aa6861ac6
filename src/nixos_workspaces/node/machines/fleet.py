"""All machines of this node: found on disk when the node starts, given an index each, let go of at the end."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from nixos_workspaces.errors import InsufficientResources, RuntimeFailed
from nixos_workspaces.model.machine import BYTES_PER_GB
from nixos_workspaces.model.network import EgressRules
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.node.egress.programs import program_of
from nixos_workspaces.node.egress.reports import Packet
from nixos_workspaces.node.kernel.cgroups import members, remove_empty
from nixos_workspaces.node.machines.machines import Machine, NodeContext

_log = logging.getLogger(__name__)


class Fleet:
    """The machines of one node by workspace id."""

    def __init__(self, context: NodeContext) -> None:
        """Know nothing yet; ``adopt`` looks at what is there."""
        self._tools = context
        self._machines: dict[str, Machine] = {}
        self._claims: dict[str, int] = {}
        self._booting: dict[str, int] = {}
        self._claiming = threading.Lock()

    def adopt(self) -> None:
        """Find every machine, finish or undo what was half made, and make the network fit what runs."""
        home = self._tools.home
        names = {place.name for place in [*(home.kept / "machines").iterdir(), *home.machines.iterdir()]}
        names |= {*self._tools.engine.known(), *self._tools.cgroups.below(self._tools.group)}
        for name in sorted(names):
            machine = self._machines[name] = Machine(name, self._tools, None)
            machine.adopt()
            self._refuse_shared_index(machine)
            self.forget(name)
        strange = any(machine.quarantine for machine in self.all())
        self._tools.network.way_out.reported.find_program = self._program
        self._tools.network.open(self._linked(), keep_others=strange)

    def require_adopted(self, machine: Machine) -> None:
        """Try again to take up a machine that is in quarantine; raises ``RuntimeFailed`` when that fails again."""
        if machine.quarantine:
            machine.adopt()
            self._refuse_shared_index(machine)
        if machine.quarantine:
            message = f"{machine.quarantine}. Nothing of it was removed; look at the node's log, mend it, try again."
            raise RuntimeFailed(message, code="machine_quarantined")

    def _refuse_shared_index(self, machine: Machine) -> None:
        """Put a machine into quarantine whose address and ids are another's, which a damaged record may bring about."""
        index = machine.record.index if machine.record else None
        others = [one for one in self.all() if one is not machine and one.record and one.record.index == index]
        if others and not machine.quarantine:
            machine.quarantine = f"Its record names the address of {others[0].workspace_id}"
            _log.error("%s is left alone: %s", machine.workspace_id, machine.quarantine)

    def find(self, workspace_id: str) -> Machine:
        """Return a workspace's machine, which may be absent."""
        return self._machines.setdefault(workspace_id, Machine(workspace_id, self._tools, None))

    def all(self) -> list[Machine]:
        """Return every machine that has a volume, or is in quarantine because that is not known."""
        machines = list(self._machines.values())
        return [machine for machine in machines if machine.record is not None or machine.quarantine]

    def forget(self, workspace_id: str) -> None:
        """Let go of a machine if it is absent; its index may then be another's."""
        machine = self._machines.get(workspace_id)
        if machine is not None and machine.record is None and not machine.quarantine:
            del self._machines[workspace_id]
            self._claims.pop(workspace_id, None)

    def claim_index(self, workspace_id: str) -> int:
        """Return the least index that no other machine has, and hold it for this one."""
        with self._claiming:
            used = {machine.record.index for machine in self.all() if machine.record} | set(self._claims.values())
            used |= self._tools.network.linked()
            index = next(number for number in itertools.count() if number not in used)
            if index >= self._tools.network.capacity:
                message = (
                    f"This node has addresses for {self._tools.network.capacity} workspaces only; delete one first."
                )
                raise InsufficientResources(message, code="addresses_used_up")
            self._claims[workspace_id] = index
            return index

    @contextmanager
    def admitted(self, workspace_id: str, memory_bytes: int) -> Iterator[None]:
        """Hold memory for a machine that is about to have that limit and run.

        Raises ``InsufficientResources`` where the limits of all that run would come to more than is allowed.
        """
        with self._claiming:
            left = self._tools.memory_bytes - sum(self._memory(besides=workspace_id).values())
            if memory_bytes > left:
                needed, still = memory_bytes / BYTES_PER_GB, max(left, 0) / BYTES_PER_GB
                said = Sentence("refused.memory_left", {"needed": f"{needed:.4g}", "left": f"{still:.4g}"})
                raise InsufficientResources(said, code="insufficient_memory", field="memory")
            self._booting[workspace_id] = memory_bytes
        try:
            yield
        finally:
            self._booting.pop(workspace_id, None)

    def _memory(self, besides: str) -> dict[str, int]:
        """Return the limits of the machines that run, may run or are about to, but for one."""
        machines = [one for one in self.all() if one.record and (one.run or one.quarantine)]
        limits = {one.workspace_id: one.record.resources.memory_bytes for one in machines if one.record}
        limits |= self._booting
        limits.pop(besides, None)
        return limits

    def close(self) -> bool:
        """Leave this computer as it was if nothing runs any more; returns whether that is so."""
        kept = bool(self._linked()) or any(machine.quarantine for machine in self.all())
        for machine in self.all():
            if machine.run is not None:
                machine.run.close()
        if kept:
            self._tools.network.way_out.release()
            return False
        self._tools.network.close()
        remove_empty(self._tools.cgroups, self._tools.group)
        return True

    def _linked(self) -> dict[int, EgressRules]:
        """Return the indices of the machines that run or may run, with what each may reach."""
        linked = [one.record for one in self.all() if one.record and (one.run or one.quarantine)]
        return {record.index: record.egress for record in linked}

    def _program(self, index: int, packet: Packet) -> str | None:
        """Return the name of the program of a machine that has a connection; None if it is not found."""
        for machine in self.all():
            run = machine.run
            if machine.record is not None and machine.record.index == index and run is not None:
                with suppress(OSError):
                    processes = members(self._tools.cgroups, f"{self._tools.group}/{machine.workspace_id}")
                    return program_of(run.network, processes, packet)
        return None
