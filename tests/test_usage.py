"""The ledger in its database: kills, several planes of control, seals, and every manipulation found."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fakes import World, eventually, fake_services
from test_history import running
from usage_fixture import BEGIN, Meters, open_meters

from nixos_workspaces.audit.tree import leaf_hash
from nixos_workspaces.auth.policy import ADMIN, Principal
from nixos_workspaces.database import Settled
from nixos_workspaces.errors import Forbidden
from nixos_workspaces.metering.usage.ledger import read_interval
from nixos_workspaces.model.machine import BYTES_PER_GB
from nixos_workspaces.model.metering.records import MACHINE, METERS, MICRO, Meter, MeterRecord, MeterState
from nixos_workspaces.model.workspace import Status

NAMES = ["ws-a", "ws-b", "ws-c"]


async def records(meters: Meters, workspace_id: str) -> list[MeterRecord]:
    """Return a workspace's records, with the open interval as if it were closed."""
    async with meters.database.reading() as tx:
        closed = [one for _, one in await tx.usage.records(0, 1 << 60, 0, 100_000)]
        open_ones = [read_interval(body).record() for body in await tx.usage.intervals()]
    return [one for one in [*closed, *open_ones] if one.workspace_id == workspace_id]


def total(found: list[MeterRecord], meter: Meter) -> int:
    return sum(one.quantities[METERS.index(meter)] for one in found)


class Killed(BaseException):
    """The process dies here."""


async def test_kills_and_several_planes_lose_and_double_nothing(tmp_path: Path) -> None:
    async with open_meters(tmp_path) as meters:
        planes = [meters.ledger(), meters.ledger()]
        await meters.make("ws-a")
        await planes[0].take(meters.up)
        await meters.set("ws-a", Status.RUNNING)
        await planes[0].take(meters.up)
        dice = random.Random(5)
        for _ in range(100):
            meters.passes(dice.uniform(1, 60), {"ws-a": 0.75})
            if dice.random() < 0.3:
                # Killed between what is stored and the end of the transaction.
                with pytest.raises(Killed):
                    async with meters.database.transaction() as tx:
                        await tx.usage.settle(_die, MACHINE)
            await asyncio.gather(*(plane.take(dict(meters.up)) for plane in planes))
        found = await records(meters, "ws-a")
        elapsed = int((meters.wall - BEGIN) / timedelta(microseconds=1))
        assert sum(one.duration_us for one in found) == pytest.approx(elapsed, abs=300)
        assert all(one.end_us == two.begin_us for one, two in pairwise(found))
        assert [one.number for one in found] == list(range(1, len(found) + 1))
        assert total(found, Meter.CPU_USED) == pytest.approx(meters.up["ws-a"].cpu_seconds * MICRO, abs=1)
        assert total(found, Meter.STORAGE) == pytest.approx(10 * BYTES_PER_GB * elapsed / MICRO, rel=1e-6)
        assert total(found, Meter.EGRESS) == meters.up["ws-a"].network_sent_bytes


def _die(*_: object) -> Settled:
    raise Killed


async def test_states_owners_and_the_end_close_intervals(tmp_path: Path) -> None:
    async with open_meters(tmp_path) as meters:
        ledger = meters.ledger()
        await meters.make("ws-a")
        for status in (Status.RUNNING, Status.PAUSED, Status.STOPPED, Status.STOPPED, Status.RUNNING):
            await meters.set("ws-a", status)
            await ledger.take(meters.up)
            meters.passes(100)
            await ledger.take(meters.up)
        async with meters.database.transaction() as tx:
            found = await tx.workspaces.get("ws-a")
            assert found is not None
            await tx.workspaces.save_desired(replace(found, owner_id="bob"))
            await tx.connection.exec_driver_sql("UPDATE workspaces SET owner_id = 'bob'")
        await ledger.take(meters.up)
        meters.passes(50)
        await ledger.take(meters.up)
        async with meters.database.transaction() as tx:
            await tx.connection.exec_driver_sql("UPDATE workspaces SET deleted_at = '2026-11-03 09:00:00'")
        await ledger.take({})
        told = [(one.state.value, one.owner_id, one.duration_us // MICRO) for one in await records(meters, "ws-a")]
        assert told == [
            *(("running", "ann", 100), ("paused", "ann", 100), ("stopped", "ann", 200)),
            *(("running", "ann", 100), ("running", "bob", 50)),
        ]
        paused = (await records(meters, "ws-a"))[1]
        held = dict(zip(METERS, paused.quantities, strict=True))
        assert (held[Meter.CPU_RESERVED], held[Meter.MEMORY_RESERVED]) == (0, 4 * BYTES_PER_GB * 100)


async def sealed(meters: Meters) -> None:
    dice = random.Random(11)
    for name in NAMES:
        await meters.make(name)
    ledger = meters.ledger()
    for _ in range(4):
        await meters.days(NAMES, 6, dice)
        await ledger.seal()


async def test_every_manipulation_is_found(tmp_path: Path) -> None:
    async with open_meters(tmp_path) as meters:
        await sealed(meters)
        ledger = meters.ledger()
        clean = await ledger.verify(principal=ADMIN)
        assert (clean.findings, clean.seals, clean.unsealed) == ((), 4, 0)
        assert clean.records > 50
        with pytest.raises(Forbidden):
            await ledger.verify(principal=Principal("ann", "ann"))
        dice = random.Random(3)
        missed = []
        with closing(sqlite3.connect(tmp_path / "nixws.db")) as raw:
            raw.isolation_level = None
            raw.execute("PRAGMA synchronous = OFF")
            for turn in range(200):
                raw.execute("CREATE TEMP TABLE kept AS SELECT * FROM meter_records")
                manipulate(raw, dice, turn, clean.records)
                if not (await ledger.verify(principal=ADMIN)).findings:
                    missed.append(turn)
                raw.execute("BEGIN")
                raw.execute("DELETE FROM meter_records")
                raw.execute("INSERT INTO meter_records SELECT * FROM kept")
                raw.execute("COMMIT")
                raw.execute("DROP TABLE kept")
        assert missed == []
        assert (await ledger.verify(principal=ADMIN)).findings == ()


def manipulate(raw: sqlite3.Connection, dice: random.Random, turn: int, count: int) -> None:
    """Change, remove, put in or swap records; every other time by one who knows how their hashes are made."""
    one, other = dice.sample(range(1, count + 1), 2)
    match turn % 4:
        case 0:
            column = dice.choice(["duration_us", "begin_us", "cpu_used", "storage", "egress", "number"])
            raw.execute(f"UPDATE meter_records SET {column} = {column} + 1000000 WHERE id = ?", (one,))
        case 1:
            raw.execute("DELETE FROM meter_records WHERE id = ?", (one,))
        case 2:
            columns = [row[1] for row in raw.execute("PRAGMA table_info(meter_records)")]
            rest = ", ".join(column for column in columns if column not in {"id", "number"})
            raw.execute(
                f"INSERT INTO meter_records (id, number, {rest}) "
                f"SELECT ?, 9999, {rest} FROM meter_records WHERE id = ?",
                (count + 1, one),
            )
        case _:
            raw.execute("UPDATE meter_records SET id = -1 WHERE id = ?", (one,))
            raw.execute("UPDATE meter_records SET id = ? WHERE id = ?", (one, other))
            raw.execute("UPDATE meter_records SET id = ? WHERE id = -1", (other,))
    if turn % 8 < 4:
        rehash(raw)


def rehash(raw: sqlite3.Connection) -> None:
    for row in raw.execute("SELECT * FROM meter_records").fetchall():
        head: list[Any]
        _, *head, owner, groups, template, state = row[:10]
        kept: Any = (owner, tuple(groups.split()), template, MeterState(state), tuple(row[10:-1]))
        record = MeterRecord(head[0], *head[1:], *kept)
        raw.execute("UPDATE meter_records SET hash = ? WHERE id = ?", (leaf_hash(record.body()), row[0]))


async def test_the_service_counts_by_itself(tmp_path: Path) -> None:
    async with fake_services(tmp_path, world=World()) as services:
        workspace = await running(services)

        async def is_counted() -> bool:
            await services.metering.turn()
            found = [one for one in await services.metering.ledger.intervals() if one.workspace_id == workspace.id]
            return bool(found) and found[0].shape.state is MeterState.RUNNING and found[0].quantities[0] > 0

        await eventually(is_counted)
        tasks = {one.name: one for one in services.background.reports()}
        assert tasks["usage"].alive
        assert tasks["usage_seals"].alive
