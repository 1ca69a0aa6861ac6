"""Admission: no two requests are promised the same bytes, or together go beyond a quota.

None waits for another's look at the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nixos_workspaces.database import Database, Transaction
from nixos_workspaces.errors import InsufficientResources
from nixos_workspaces.model.access.people import Quota, QuotaSubject, exceeded
from nixos_workspaces.model.machine import BYTES_PER_GB, Resources
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.workspaces import desired

LOOKS = 5
"""How often at most the engine is looked at again because a volume was made or deleted meanwhile."""

_SAID = {
    "workspaces": ("workspaces", 1, None),
    "running": ("running", 1, None),
    "cpu": ("cpu", 1, "cpu"),
    "memory_bytes": ("memory", BYTES_PER_GB, "memory"),
    "storage_bytes": ("storage", BYTES_PER_GB, "storage"),
}


class Admission:
    """Reserves storage between the look at what is left and the transaction that promises it.

    A request counts what others have reserved since it began to look, also what it may have seen promised by then:
    bytes are counted twice for a moment, never not at all, and none is refused for bytes that are counted twice.
    Call it from one event loop.
    """

    def __init__(self, database: Database, runtime: Runtime) -> None:
        """Look at these; what is promised stands in ``database``, what is free is told by ``runtime``."""
        self._database = database
        self._runtime = runtime
        self._begun = 0
        self._ended = 0
        """Bytes of all reservations so far, and of those whose block has been left."""
        self._left = asyncio.Event()
        """Set, and made anew, whenever a block is left."""

    @asynccontextmanager
    async def reserved(self, wanted: Resources, more_bytes: int) -> AsyncIterator[None]:
        """Reserve ``more_bytes`` of storage within the block, which is to promise them and to wait for nothing else.

        Raises ``InvalidInput`` for sizes beyond the whole machine, ``InsufficientResources`` where too little is left.
        """
        await self._reserve(wanted, more_bytes)
        try:
            yield
        finally:
            self._ended += more_bytes
            self._left.set()
            self._left = asyncio.Event()

    async def _reserve(self, wanted: Resources, more_bytes: int) -> None:
        while True:
            ended, left_next = self._ended, self._left
            # Promised before free: a volume that is made between the two is counted twice, never not at all.
            async with self._database.reading(once=True) as tx:
                promised = await tx.workspaces.promised_bytes()
            machine = await self._runtime.capabilities()
            desired.check_sizes(wanted, machine.cpu_total, machine.memory_total_bytes, machine.storage_total_bytes)
            others = self._begun - ended
            left = machine.storage_free_bytes - promised - others
            if more_bytes > left + others:
                # A volume that is made and not yet noted as made has been counted twice.
                left = await self._left_exactly() - others
            if more_bytes <= left:
                self._begun += more_bytes
                return
            if more_bytes > left + others:
                still = max(left + others, 0) / BYTES_PER_GB
                values = {"needed": f"{more_bytes / BYTES_PER_GB:.4g}", "left": f"{still:.4g}"}
                said = Sentence("refused.storage_left", values)
                raise InsufficientResources(said, code="insufficient_storage", field="storage")
            # It depends on how the others end, which takes them one transaction.
            if self._ended == ended:
                await left_next.wait()

    async def _left_exactly(self) -> int:
        """Return the free bytes less those promised, by the volumes that the engine has and not by what is noted."""
        async with self._database.reading(once=True) as tx:
            promises = await tx.summaries.promises()
        left = 0
        for _ in range(LOOKS):
            made = await self._volumes()
            machine = await self._runtime.capabilities()
            promised = sum(max(size - made.get(workspace, 0), 0) for workspace, size in promises.items())
            left = machine.storage_free_bytes - promised
            if await self._volumes() == made:
                break
        return left

    async def _volumes(self) -> dict[str, int]:
        """Return the sizes of all volumes in bytes by their workspaces' ids."""
        machines = await self._runtime.list()
        return {each.workspace_id: each.resources.storage_bytes for each in machines if each.resources is not None}


@asynccontextmanager
async def within_quotas(tx: Transaction, owner_id: str) -> AsyncIterator[None]:
    """Undo the transaction of an intent if the block takes the owner beyond a quota.

    Raises ``InsufficientResources`` with code ``quota_exceeded``. Who has too much already may have less.
    """
    before = await tx.quotas.of_user(owner_id)
    yield
    if not before:
        return
    for had, has in zip(before, await tx.quotas.of_user(owner_id), strict=True):
        if (dimension := exceeded(has.allowed, had.used, has.used)) is not None:
            raise _refused(dimension, had, has)


def _refused(dimension: str, had: Quota, has: Quota) -> InsufficientResources:
    words, unit, field = _SAID[dimension]
    is_own = has.kind is QuotaSubject.USER
    allowed, used, wanted = (getattr(one, dimension) / unit for one in (has.allowed, had.used, has.used))
    whose = Sentence("quota.own") if is_own else Sentence("quota.group", {"group": has.name})
    values = {"allowed": f"{allowed:.4g}", "used": f"{used:.4g}", "more": f"{wanted - used:.4g}"}
    said = Sentence("refused.quota", values, {"whose": whose, "unit": Sentence(f"unit.{words}")})
    return InsufficientResources(said, code="quota_exceeded", field=field)
