"""A ledger over a real database, with clocks and machines that a test moves."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from migrated_database import put_migrated

from nixos_workspaces.database import Database, open_database
from nixos_workspaces.metering.usage.ledger import Instant
from nixos_workspaces.metering.usage.recording import Ledger
from nixos_workspaces.model.environment import environment
from nixos_workspaces.model.machine import BYTES_PER_GB, Capabilities, Resources, Usage
from nixos_workspaces.model.metering.prices import PriceBook, PriceList
from nixos_workspaces.model.metering.records import MICRO
from nixos_workspaces.model.workspace import Desire, Status, Workspace

BEGIN = datetime(2026, 11, 3, 8, 30, tzinfo=UTC)
BOOK = PriceBook(
    "EUR",
    (
        PriceList(0, (20_000, 10_000, 0, 4_000, 100_000, 50_000, 80_000)),
        PriceList(int(datetime(2026, 11, 4, 7, 13, tzinfo=UTC).timestamp()) * MICRO, (1, 20_001, 333, 7_777, 1, 2, 3)),
    ),
)


@dataclass
class Meters:
    """Workspaces, their counters, and both clocks."""

    database: Database
    wall: datetime = BEGIN
    boot_us: int = 1000 * MICRO
    boot: str = "boot-0"
    up: dict[str, Usage] = field(default_factory=dict)

    def now(self) -> Instant:
        return Instant(int(self.wall.timestamp() * MICRO), self.boot_us, self.boot)

    def clock(self) -> datetime:
        return self.wall

    def ledger(self) -> Ledger:
        return Ledger(self.database, self.capabilities, now=self.now, clock=self.clock)

    async def capabilities(self) -> Capabilities:
        return Capabilities("fake", "", False, 16.0, 64 * BYTES_PER_GB, 100 * BYTES_PER_GB, 0)

    async def make(self, workspace_id: str, owner_id: str = "ann", template: str = "minimal") -> None:
        made = Workspace(
            id=workspace_id,
            name=workspace_id,
            owner_id=owner_id,
            hostname=workspace_id,
            created_at=self.wall,
            last_accessed=self.wall,
            desire=Desire.RUNNING,
            resources=Resources(2.0, 4 * BYTES_PER_GB, 10 * BYTES_PER_GB),
            environment=environment(template, [], []),
        )
        async with self.database.transaction() as tx:
            await tx.workspaces.add(made)
            await tx.workspaces.save_seen(replace(made, volume_bytes=10 * BYTES_PER_GB))

    async def set(self, workspace_id: str, status: Status) -> None:
        async with self.database.transaction() as tx:
            found = await tx.workspaces.get(workspace_id)
            assert found is not None
            await tx.workspaces.save_seen(replace(found, status=status))
        if status is Status.RUNNING:
            self.up[workspace_id] = self.usage(f"run-{self.boot_us}", 0.0, 0)
        elif status is not Status.PAUSED:
            self.up.pop(workspace_id, None)

    def usage(self, run: str, cpu: float, sent: int) -> Usage:
        return Usage(cpu, BYTES_PER_GB, 0, 0, 1, 0, sent, self.boot_us / MICRO, run)

    def passes(self, seconds: float, busy: Mapping[str, float] | None = None) -> None:
        """Let time pass; ``busy`` tells the cores that workspaces use, one in all others."""
        self.wall += timedelta(seconds=seconds)
        self.boot_us += round(seconds * MICRO)
        for one, usage in self.up.items():
            cpu = usage.cpu_seconds + seconds * (busy or {}).get(one, 1.0)
            self.up[one] = self.usage(usage.run, cpu, usage.network_sent_bytes + 1000)

    async def days(self, names: list[str], hours: int, dice: random.Random) -> None:
        """Let workspaces start, work, pause and stop for some hours, counted every few minutes."""
        ledger = self.ledger()
        for _ in range(hours * 6):
            self.passes(dice.uniform(300, 900), {one: dice.uniform(0, 2) for one in names})
            if dice.random() < 0.2:
                await self.set(dice.choice(names), dice.choice([Status.RUNNING, Status.STOPPED, Status.PAUSED]))
            await ledger.take(self.up)


@asynccontextmanager
async def open_meters(path: Path) -> AsyncIterator[Meters]:
    put_migrated(path / "nixws.db")
    database = await open_database(path / "nixws.db")
    try:
        yield Meters(database)
    finally:
        await database.close()
