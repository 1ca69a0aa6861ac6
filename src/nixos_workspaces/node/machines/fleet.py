"""All machines of this node: found on disk when the node starts, given an index each, let go of at the end."""

from __future__ import annotations

import itertools
import logging
import threading

from nixos_workspaces.errors import InsufficientResources, WorkspacesError
from nixos_workspaces.node.kernel.cgroups import remove_empty
from nixos_workspaces.node.machines import records
from nixos_workspaces.node.machines.machines import Machine, NodeContext

_log = logging.getLogger(__name__)


class Fleet:
    """The machines of one node by workspace id."""

    def __init__(self, context: NodeContext) -> None:
        """Know nothing yet; ``adopt`` looks at what is there."""
        self._tools = context
        self._machines: dict[str, Machine] = {}
        self._claims: dict[str, int] = {}
        self._claiming = threading.Lock()

    def adopt(self) -> None:
        """Find every machine, finish or undo what was half made, and make the network fit what runs."""
        home = self._tools.home
        for place in sorted((home.kept / "machines").iterdir()):
            record = records.read_machine(place / "machine.json")
            self._machines[place.name] = Machine(place.name, self._tools, record)
        leftovers = {place.name for place in home.machines.iterdir()}
        leftovers |= {*self._tools.engine.known(), *self._tools.cgroups.below(self._tools.group)}
        for name in leftovers - self._machines.keys():
            self._machines[name] = Machine(name, self._tools, None)
        for machine in list(self._machines.values()):
            try:
                machine.adopt()
            except WorkspacesError:
                _log.exception("%s could not be taken up; its next call tries again", machine.workspace_id)
            self.forget(machine.workspace_id)
        self._tools.network.open(self._running())

    def find(self, workspace_id: str) -> Machine:
        """Return a workspace's machine, which may be absent."""
        return self._machines.setdefault(workspace_id, Machine(workspace_id, self._tools, None))

    def all(self) -> list[Machine]:
        """Return every machine that has a volume."""
        return [machine for machine in list(self._machines.values()) if machine.record is not None]

    def forget(self, workspace_id: str) -> None:
        """Let go of a machine if it is absent; its index may then be another's."""
        machine = self._machines.get(workspace_id)
        if machine is not None and machine.record is None:
            del self._machines[workspace_id]
            self._claims.pop(workspace_id, None)

    def claim_index(self, workspace_id: str) -> int:
        """Return the least index that no other machine has, and hold it for this one."""
        with self._claiming:
            used = {machine.record.index for machine in self.all() if machine.record} | set(self._claims.values())
            index = next(number for number in itertools.count() if number not in used)
            if index >= self._tools.network.capacity:
                message = (
                    f"This node has addresses for {self._tools.network.capacity} workspaces only; delete one first."
                )
                raise InsufficientResources(message, code="addresses_used_up")
            self._claims[workspace_id] = index
            return index

    def close(self) -> bool:
        """Leave this computer as it was if nothing runs any more; returns whether that is so."""
        running = self._running()
        for machine in self.all():
            if machine.run is not None:
                machine.run.close()
        if running:
            return False
        self._tools.network.close()
        remove_empty(self._tools.cgroups, self._tools.group)
        return True

    def _running(self) -> list[int]:
        return [machine.record.index for machine in self.all() if machine.record and machine.run]
