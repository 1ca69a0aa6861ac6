"""The ledger: turns readings into meter records, and seals them into the audit log.

Several planes of control may take turns: each begins with the intervals that are stored, in a writing transaction, so
that none counts what another has counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from nixos_workspaces.audit.entries import ACCEPTED, SYSTEM, AuditClass, AuditQuery, read_body
from nixos_workspaces.audit.tree import Frontier, leaf_hash, position
from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.database import AuditEntry, Database, Metered, Settled, Transaction
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.metering.usage.ledger import (
    Instant,
    OpenInterval,
    Reading,
    Shape,
    advanced,
    opened,
    read_interval,
)
from nixos_workspaces.model.machine import Capabilities, Usage
from nixos_workspaces.model.metering.records import MACHINE, MICRO, MeterRecord, MeterState
from nixos_workspaces.model.workspace import Status

log = logging.getLogger(__name__)

TAKE_SECONDS = 10.0
SEAL_SECONDS = 60.0
SEAL = "seal-usage"
"""The action of the audit entries that seal records."""
_CHECKPOINT_US = 60 * MICRO
"""How often an interval in which nothing runs and nothing changes is stored."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UNSETTLED = frozenset({Status.RUNNING, Status.STOPPING})
"""States in which a machine may be up although its figures cannot be read."""


def present() -> Instant:
    """Return this moment."""
    return Instant(time.time_ns() // 1000, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000, _boot_id())


@lru_cache(maxsize=1)
def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()


@dataclass(frozen=True, slots=True)
class Seal:
    """A part of the records as the audit log has it: their ids, and the root of the tree over their hashes."""

    first: int
    last: int
    root: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of comparing the records with their seals."""

    records: int
    seals: int
    unsealed: int
    """Records that no seal covers yet."""
    findings: tuple[str, ...]
    """Each in a sentence; none if nothing was changed, removed, put in or swapped."""


class Ledger:
    """Keeps the records of use. ``take`` is its one door for readings."""

    def __init__(
        self,
        database: Database,
        capabilities: Callable[[], Awaitable[Capabilities]],
        *,
        now: Callable[[], Instant] = present,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep them in ``database``; ``capabilities`` tells the machine's capacity, for what nobody has reserved."""
        self._database = database
        self._capabilities = capabilities
        self._now = now
        self._clock = clock

    async def take(self, readings: Mapping[str, Usage]) -> int:
        """Count everything up to now; ``readings`` are of the machines that are up. Return how many records closed."""
        try:
            machine: Capabilities | None = await self._capabilities()
        except WorkspacesError:
            machine = None

        def settle(subjects: Sequence[Metered], own: bytes | None) -> Settled:
            return settled(subjects, own, readings, machine, self._now())

        async with self._database.transaction() as tx:
            return await tx.usage.settle(settle, MACHINE)

    async def seal(self) -> None:
        """Seal the records that no seal covers yet by an entry of the audit log, which is signed there."""
        async with self._database.reading() as tx:
            before, (_, last) = await _last_seal(tx), await tx.usage.head()
        if last <= before:
            return
        async with self._database.transaction() as tx:
            before, (_, last) = await _last_seal(tx), await tx.usage.head()
            if last <= before:
                return
            found = await tx.usage.hashes(before + 1, last)
            sealed = {"first": before + 1, "last": last, "count": len(found), "root": _root(one[1] for one in found)}
            entry = AuditEntry(self._clock(), SYSTEM, SEAL, "", ACCEPTED, detail=sealed, kind=AuditClass.RECORD)
            await tx.audit.append(entry)

    async def verify(self, *, principal: Principal) -> Verification:
        """Compare all records with their seals and with one another. For administrators and auditors."""
        authorise(principal, Action.READ_AUDIT)
        async with self._database.reading() as tx:
            (seals, findings), (count, last) = await _seals(tx), await tx.usage.head()
            covered = 0
            for seal in seals:
                findings += await _compared(tx, seal, covered)
                covered = max(covered, seal.last)
            loose = await tx.usage.hashes(covered + 1, last)
            findings += [_changed(one[0]) for one in loose if leaf_hash(one[2]) != one[1]]
            unconnected = await tx.usage.unconnected()
            findings += [f"Record {one} of {name} does not follow the one before it." for one, name in unconnected]
        return Verification(count, len(seals), len(loose), tuple(dict.fromkeys(findings)))

    async def intervals(self) -> tuple[OpenInterval, ...]:
        """Return the open intervals as of their last checkpoint."""
        async with self._database.reading(once=True) as tx:
            return tuple(read_interval(body) for body in await tx.usage.intervals())


def settled(
    subjects: Sequence[Metered],
    own: bytes | None,
    readings: Mapping[str, Usage],
    machine: Capabilities | None,
    now: Instant,
) -> Settled:
    """Return the records and the open intervals that a turn of the ledger makes."""
    records: list[MeterRecord] = []
    intervals: dict[str, bytes | None] = {}
    for subject in subjects:
        usage = readings.get(subject.workspace_id)
        shape, reading = _shape(subject, usage), None if usage is None else Reading.of(usage)
        _advance(subject.workspace_id, subject.body, shape, reading, (now, records, intervals))
    if machine is not None:
        shape = Shape(
            *("", (), "", MeterState.MACHINE, round(machine.cpu_total * 1000)),
            *(machine.memory_total_bytes, machine.storage_total_bytes),
        )
        _advance(MACHINE, own, shape, None, (now, records, intervals))
    return Settled(records, intervals)


def _advance(
    workspace_id: str,
    body: bytes | None,
    shape: Shape | None,
    reading: Reading | None,
    turn: tuple[Instant, list[MeterRecord], dict[str, bytes | None]],
) -> None:
    """Bring one interval to the present."""
    now, records, intervals = turn
    if body is None:
        if shape is not None:
            intervals[workspace_id] = opened(workspace_id, shape, reading, now).stored()
        return
    before = read_interval(body)
    after, closed = advanced(before, shape, reading, now)
    records += closed
    if after is None:
        intervals[workspace_id] = None
    elif closed or after.shape != before.shape or reading is not None or _is_due(before, after):
        intervals[workspace_id] = after.stored()


def _is_due(before: OpenInterval, after: OpenInterval) -> bool:
    works = after.shape.state is not MeterState.STOPPED
    return works or before.at.boot != after.at.boot or after.at.boot_us - before.at.boot_us >= _CHECKPOINT_US


def _shape(subject: Metered, usage: Usage | None) -> Shape | None:
    """Return what is known of a workspace; None once it is gone."""
    if subject.is_gone:
        return None
    if subject.status == Status.PAUSED:
        state = MeterState.PAUSED
    elif usage is not None or subject.status in _UNSETTLED:
        state = MeterState.RUNNING
    else:
        state = MeterState.STOPPED
    return Shape(
        *(subject.owner_id, subject.groups, subject.template, state),
        *(round(subject.cpu * 1000), subject.memory_bytes, subject.volume_bytes),
    )


async def _seals(tx: Transaction) -> tuple[list[Seal], list[str]]:
    """Return all seals in order, and which of them the audit log's tree does not have as they stand there."""
    found: list[Seal] = []
    findings: list[str] = []
    after = 0
    while bodies := await tx.audit.bodies(AuditQuery(action=SEAL), after, 1000):
        read = [(*read_body(body), leaf_hash(body.encode())) for body in bodies]
        nodes = await tx.audit.nodes(position(0, number - 1) for number, _, _ in read)
        for number, entry, digest in read:
            found.append(_seal(entry))
            if nodes[position(0, number - 1)] != digest:
                findings.append(f"The seal in entry {number} of the audit log was changed.")
        after = read[-1][0]
    return found, findings


async def _last_seal(tx: Transaction) -> int:
    """Return the id of the last record that is sealed."""
    found = await tx.audit.page(AuditQuery(action=SEAL), 1)
    return _seal(found[0][1]).last if found else 0


def _seal(entry: AuditEntry) -> Seal:
    told = entry.detail or {}
    return Seal(int(told["first"]), int(told["last"]), str(told["root"]))


async def _compared(tx: Transaction, seal: Seal, covered: int) -> list[str]:
    """Return what is wrong with the records under one seal."""
    found = await tx.usage.hashes(seal.first, seal.last)
    findings = [_changed(one[0]) for one in found if leaf_hash(one[2]) != one[1]]
    missing = sorted({*range(seal.first, seal.last + 1)} - {one[0] for one in found})
    findings += [f"Record {one} is missing." for one in missing]
    if seal.first != covered + 1:
        findings.append(f"No seal covers the records from {covered + 1} to {seal.first - 1}.")
    if not findings and _root(one[1] for one in found) != seal.root:
        findings.append(f"One or more of the records {seal.first} to {seal.last} are not those that were sealed.")
    return findings


def _changed(record_id: int) -> str:
    return f"Record {record_id} was changed."


def _root(hashes: Iterable[bytes]) -> str:
    tree = Frontier()
    for one in hashes:
        tree, _ = tree.append(one)
    return tree.root().hex()
