"""Meter records: intervals without gaps, with what a workspace had and used in each, in whole numbers.

Times are microseconds since 1970 in UTC, the labels of intervals. Durations are of the monotonic clock and can differ
from the distance of the labels where the wall clock was set.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

MICRO = 1_000_000
HOUR_US = 3600 * MICRO
DAY_US = 24 * HOUR_US
MACHINE = "machine"
"""Stands for a workspace's id in the records of the machine's own capacity, of which idle cost is made."""


class Meter(StrEnum):
    """A quantity that is metered; the order is that of ``Quantities``."""

    CPU_USED = "cpu_used"
    """CPU time in microseconds."""
    CPU_RESERVED = "cpu_reserved"
    """The limit of CPU over time, in microseconds of one core."""
    MEMORY_USED = "memory_used"
    """Memory without the page cache over time, in byte-seconds."""
    MEMORY_RESERVED = "memory_reserved"
    """The limit of memory over time, in byte-seconds."""
    STORAGE = "storage"
    """The size of the volume over time, stopped or not, in byte-seconds."""
    SNAPSHOTS = "snapshots"
    """Snapshots over time, in byte-seconds."""
    EGRESS = "egress"
    """Bytes that were sent."""


METERS = tuple(Meter)
Quantities = tuple[int, ...]
"""A number for each meter, in the order of ``METERS``."""
NOTHING: Quantities = (0,) * len(METERS)


class MeterState(StrEnum):
    """The state of a workspace within one interval."""

    RUNNING = "running"
    PAUSED = "paused"
    """Keeps its memory, and no CPU."""
    STOPPED = "stopped"
    """Keeps its storage."""
    MACHINE = "machine"
    """No workspace: the machine's capacity."""


@dataclass(frozen=True, slots=True)
class MeterRecord:
    """One closed interval of one workspace. Record k begins where record k-1 ends."""

    workspace_id: str
    number: int
    """Counts the workspace's records from 1, without gaps."""
    begin_us: int
    end_us: int
    duration_us: int
    owner_id: str
    groups: tuple[str, ...]
    """Ids of the groups that the owner was in, in order."""
    template: str
    state: MeterState
    quantities: Quantities

    def body(self) -> bytes:
        """Return its canonical bytes: the data of its leaf under a seal."""
        fields: list[Any] = [self.workspace_id, self.number, self.begin_us, self.end_us, self.duration_us]
        return orjson.dumps([*fields, self.owner_id, self.groups, self.template, self.state, self.quantities])
