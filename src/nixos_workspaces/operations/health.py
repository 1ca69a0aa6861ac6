"""The health of each part of the service, with stable codes and remedies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from nixos_workspaces.database import Database
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.model.machine import BYTES_PER_GB, Capabilities, Observed
from nixos_workspaces.model.service import HealthItem, Sentence, moment, quoting
from nixos_workspaces.operations.background import TaskReport
from nixos_workspaces.operations.disks import Disks
from nixos_workspaces.operations.readiness import Readiness
from nixos_workspaces.runtimes.base import Runtime


class Health:
    """Asks the parts of one control plane. ``unknown_machines`` tells the machines that no record knows of."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        package_set: str,
        unknown_machines: Callable[[], AbstractSet[str]],
        background: Callable[[], Sequence[TaskReport]],
        disks: Disks,
        *,
        logins: Callable[[], HealthItem],
    ) -> None:
        """Ask these parts; ``package_set`` is the one in force, for people, ``background`` tells the tasks' state.

        ``logins`` tells which running workspaces answered the last login: none is tried here, health is asked often.
        """
        self._database = database
        self._runtime = runtime
        self._package_set = package_set
        self._unknown_machines = unknown_machines
        self._background = background
        self._disks = disks
        self._logins = logins
        self.readiness = Readiness(
            (
                partial(_answer, "database", self._ask_database),
                partial(_answer, "engine", runtime.capabilities),
                self._schema,
            )
        )
        """The parts without which nothing goes."""

    async def items(self) -> tuple[HealthItem, ...]:
        """Return one item per part; never raises."""
        return (
            await _answer("database", self._ask_database),
            await self._schema(),
            await _answer("engine", self._runtime.capabilities),
            HealthItem("package_set", True, Sentence("package_set.ok", {"set": self._package_set})),
            self._machines(),
            *await self._seen(),
            await self._commitment(),
            self._logins(),
            *await asyncio.to_thread(self._disks.items),
            await self._pool(),
            *(_task(report) for report in self._background()),
        )

    async def _ask_database(self) -> None:
        """Raise if the database cannot take a transaction now."""
        async with self._database.transaction() as tx:
            await tx.tokens.any_ever()

    async def _schema(self) -> HealthItem:
        """Return whether the database has the present tables: a copy of another time may have been put there."""
        try:
            is_ours = await self._database.is_current()
        except WorkspacesError:
            return HealthItem("schema", True, Sentence("schema.unseen"))
        return HealthItem("schema", is_ours, Sentence("schema.ok" if is_ours else "schema.other"))

    def _machines(self) -> HealthItem:
        """Return whether there are machines that no record knows of."""
        unknown = sorted(self._unknown_machines())
        if not unknown:
            return HealthItem("machines", True, Sentence("machines.ok"))
        return HealthItem("machines", False, Sentence("machines.unknown", {"names": ", ".join(unknown)}))

    async def _pool(self) -> HealthItem:
        """Return whether the disk of the volumes has room for another one."""
        try:
            async with asyncio.timeout(5):
                machine = await self._runtime.capabilities()
        except (WorkspacesError, TimeoutError):
            return HealthItem("disk_volumes", True, _UNSEEN)
        free, total = machine.storage_free_bytes, machine.storage_total_bytes
        values = {"free": f"{free / BYTES_PER_GB:.3g}", "total": f"{total / BYTES_PER_GB:.3g}"}
        return HealthItem("disk_volumes", free > 0, Sentence("volumes.room" if free > 0 else "volumes.full", values))

    async def _commitment(self) -> HealthItem:
        """Return how much running workspaces may use beside what there is: more cores than that are shared fairly."""
        try:
            async with asyncio.timeout(5):
                machine = await self._runtime.capabilities()
                async with self._database.reading(once=True) as tx:
                    cpu, memory = await tx.workspaces.limits_in_force()
        except (WorkspacesError, TimeoutError):
            return HealthItem("commitment", True, _UNSEEN)
        total, memory_total = machine.cpu_total, machine.memory_total_bytes
        values = {"cpu": f"{cpu:.4g}", "cpu_total": f"{total:.4g}"}
        values |= {"memory": f"{memory / BYTES_PER_GB:.3g}", "memory_total": f"{memory_total / BYTES_PER_GB:.3g}"}
        over = cpu > total or memory > memory_total
        return HealthItem("commitment", True, Sentence(f"commitment.{'over' if over else 'within'}", values))

    async def _seen(self) -> tuple[HealthItem, ...]:
        """Return what the engine sees of its computer and its machines."""
        try:
            async with asyncio.timeout(5):
                capabilities, machines = await self._runtime.capabilities(), await self._runtime.list()
        except (WorkspacesError, TimeoutError):
            return tuple(HealthItem(code, True, _UNSEEN) for code in _OF_MACHINES)
        return (
            *(_quarantine(machines), _devices(capabilities), _machine_devices(machines)),
            *(_limits_seen(capabilities), _way_out(capabilities)),
        )


PARTS = {
    **{name: name for name in ("database", "schema", "engine", "package_set", "machines", "quarantine", "devices")},
    **{name: name for name in ("machine_devices", "limits_seen", "way_out", "logins", "commitment")},
    "disk": "disk_PURPOSE",
    "volumes": "disk_volumes",
    "background": "background_TASK",
}
"""The codes of the parts, for the documentation, by the beginning of their findings' codes."""

_OF_MACHINES = ("quarantine", "devices", "machine_devices", "limits_seen", "way_out")
_MOST_TOLD = 20
_UNSEEN = Sentence("engine.unseen")


def _quarantine(machines: Sequence[Observed]) -> HealthItem:
    """Return whether there are machines that the engine leaves alone because it could not take them up."""
    kept = [f"{one.workspace_id}: {one.quarantine}" for one in machines if one.quarantine]
    if not kept:
        return HealthItem("quarantine", True, Sentence("quarantine.ok"))
    return HealthItem("quarantine", False, Sentence("quarantine.kept", {"told": "; ".join(kept)}))


def _devices(capabilities: Capabilities) -> HealthItem:
    """Return whether the devices of the engine's own computer are whole."""
    if not capabilities.flaw:
        return HealthItem("devices", True, Sentence("devices.ok"))
    return HealthItem("devices", False, Sentence("devices.broken", {"told": capabilities.flaw}))


def _limits_seen(capabilities: Capabilities) -> HealthItem:
    """Return whether workspaces see their own limits where programs look for the machine's size."""
    if not capabilities.limits_unseen:
        return HealthItem("limits_seen", True, Sentence("limits_seen.ok"))
    return HealthItem("limits_seen", False, Sentence("limits_seen.not", {"told": capabilities.limits_unseen}))


def _way_out(capabilities: Capabilities) -> HealthItem:
    """Return whether workspaces that may reach something can."""
    if not capabilities.uplink_trouble:
        if not capabilities.uplink:
            return HealthItem("way_out", True, Sentence("way_out.closed"))
        return HealthItem("way_out", True, Sentence("way_out.ok", {"told": capabilities.uplink}))
    return HealthItem("way_out", False, Sentence("way_out.not", {"told": capabilities.uplink_trouble}))


def _machine_devices(machines: Sequence[Observed]) -> HealthItem:
    """Return whether the devices of every running machine are whole."""
    broken = [f"{one.workspace_id}: {one.flaw}" for one in machines if one.flaw]
    if not broken:
        return HealthItem("machine_devices", True, Sentence("machine_devices.ok"))
    return HealthItem("machine_devices", False, Sentence("machine_devices.broken", {"told": _shortened(broken)}))


def _shortened(told: Sequence[str]) -> str:
    """Return the first of many in one text, and how many more there are."""
    more = f" (+{len(told) - _MOST_TOLD})" if len(told) > _MOST_TOLD else ""
    return " ".join(told[:_MOST_TOLD]) + more


def _task(report: TaskReport) -> HealthItem:
    """Return the finding about one background task."""
    last = report.last_success
    values = {"task": report.name} | ({} if last is None else {"at": moment(last)})
    if report.ended is None:
        said = Sentence("background.ok" if last else "background.new", values)
    else:
        code = "background.failed" if last else "background.failed_new"
        said = quoting(code, report.ended, **values, restarts=str(report.restarts))
    return HealthItem(f"background_{report.name}", report.ended is None, said)


async def _answer(code: str, ask: Callable[[], Any]) -> HealthItem:
    """Return how a part answers."""
    try:
        async with asyncio.timeout(5):
            await ask()
    except WorkspacesError as problem:
        return HealthItem(code, False, quoting(f"{code}.problem", problem))
    except TimeoutError:
        return HealthItem(code, False, Sentence(f"{code}.silent"))
    return HealthItem(code, True, Sentence(f"{code}.ok"))
