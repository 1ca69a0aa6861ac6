"""The evidence of work in one machine, read without touching it."""

from __future__ import annotations

import os
import time

from nixos_workspaces.model.automation.activity import MOST_PROGRAMS, Activity, UnitActivity
from nixos_workspaces.node.kernel.unit_groups import UnitGroup, unit_groups
from nixos_workspaces.node.machines.machines import Machine
from nixos_workspaces.node.machines.usage.figures import figures
from nixos_workspaces.node.machines.working.inhibitors import inhibitors
from nixos_workspaces.node.machines.working.processes import LOOK_SECONDS, Look

_OF_MANAGERS = "init.scope"
"""The unit that a system manager puts itself into."""


def activity(machine: Machine) -> Activity:
    """Return what a running or paused machine has done until now; raises ``Conflict`` when it is neither."""
    run, now = machine.running, time.monotonic()
    used = figures(machine, {})
    look = Look(now + LOOK_SECONDS)
    units = tuple(_seen(one, look) for one in _units(machine))
    return Activity(
        taken_at=now,
        run=used.run,
        cpu_seconds=used.cpu_seconds,
        network_bytes=used.network_received_bytes + used.network_sent_bytes,
        units=units,
        last_input=max(0.0, time.time() - look.last_read) if look.last_read else None,
        programs=tuple(sorted(look.programs)[:MOST_PROGRAMS]),
        traced=tuple(sorted(look.traced)[:MOST_PROGRAMS]),
        inhibitors=tuple(() if run.ended() else inhibitors(run.pid)),
    )


def _seen(unit: UnitGroup, look: Look) -> UnitActivity:
    """Return the figures of a unit. A manager inherits the bytes of all that it reaps, long after they were moved."""
    moved = look.add(unit.processes)
    return UnitActivity(unit.name, unit.cpu_seconds, 0 if unit.name == _OF_MANAGERS else moved, len(unit.processes))


def _units(machine: Machine) -> list[UnitGroup]:
    """Return the units of a machine; none where its manager has no groups of its own."""
    hierarchies = machine.tools.cgroups
    root = hierarchies.unified or hierarchies.controllers.get("name=systemd")
    if root is None:
        return []
    try:
        return unit_groups(os.path.join(f"{root}{machine.tools.group}", machine.workspace_id))  # noqa: PTH118
    except OSError:
        return []
