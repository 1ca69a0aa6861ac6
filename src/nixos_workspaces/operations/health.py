"""The health of each part of the service, with stable codes and remedies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from nixos_workspaces.database import Database
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.model.service import HealthItem
from nixos_workspaces.runtimes.base import Runtime


class Health:
    """Asks the parts of one control plane. ``unknown_machines`` tells the machines that no record knows of."""

    def __init__(
        self, database: Database, runtime: Runtime, package_set: str, unknown_machines: Callable[[], AbstractSet[str]]
    ) -> None:
        """Ask these parts; ``package_set`` is the one in force, for people."""
        self._database = database
        self._runtime = runtime
        self._package_set = package_set
        self._unknown_machines = unknown_machines

    async def items(self) -> tuple[HealthItem, ...]:
        """Return one item per part; never raises."""
        return (
            await _answer(
                "database", "The database stores.", self._ask_database, "Look at the free space of the disk."
            ),
            await _answer(
                "engine", "The node answers.", self._runtime.capabilities, "Start the node: nixws node, as root."
            ),
            HealthItem("package_set", True, f"Workspaces are built from {self._package_set}."),
            self._machines(),
            await self._quarantine(),
        )

    async def _ask_database(self) -> None:
        """Raise if the database cannot take a transaction now."""
        async with self._database.transaction() as tx:
            await tx.tokens.any_ever()

    def _machines(self) -> HealthItem:
        """Return whether there are machines that no record knows of."""
        unknown = sorted(self._unknown_machines())
        if not unknown:
            return HealthItem("machines", True, "Every machine belongs to a workspace.")
        return HealthItem(
            "machines",
            False,
            f"Machines exist that no workspace's record knows of: {', '.join(unknown)}.",
            "Put back the database they belong to, or remove them with the node's own tools. They are left alone.",
        )

    async def _quarantine(self) -> HealthItem:
        """Return whether there are machines that the engine leaves alone because it could not take them up."""
        try:
            async with asyncio.timeout(5):
                kept = [one for one in await self._runtime.list() if one.quarantine]
        except (WorkspacesError, TimeoutError):
            return HealthItem("quarantine", True, "The engine does not answer; see there.")
        if not kept:
            return HealthItem("quarantine", True, "Every machine could be taken up.")
        told = "; ".join(f"{one.workspace_id}: {one.quarantine}" for one in kept)
        return HealthItem(
            "quarantine",
            False,
            f"Machines are left alone: {told}.",
            "Look at the node's log and mend what it names; the next start, stop or deletion tries again.",
        )


async def _answer(code: str, well: str, ask: Callable[[], Any], remedy: str) -> HealthItem:
    """Return how a part answers."""
    try:
        async with asyncio.timeout(5):
            await ask()
    except WorkspacesError as problem:
        return HealthItem(code, False, problem.message, remedy)
    except TimeoutError:
        return HealthItem(code, False, "It does not answer within 5 s.", remedy)
    return HealthItem(code, True, well)
