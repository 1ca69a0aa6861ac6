"""Figures of workspaces over time: sampled in one pass, kept in steps that widen with age, told by the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from fakes import FakeRuntime, World, eventually, fake_services
from typing_extensions import override
from web_service import Web, running_web

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.metering.gauges import Gauges
from nixos_workspaces.metering.metrics.history import History
from nixos_workspaces.metering.metrics.rates import metrics_between, row_between
from nixos_workspaces.metering.metrics.sampler import Sampler
from nixos_workspaces.model.environment import environment
from nixos_workspaces.model.machine import BYTES_PER_GB, Pressure, Resources, Usage
from nixos_workspaces.model.metering.figures import FIGURES, LEVELS, Row
from nixos_workspaces.model.usage import PERIOD, Span
from nixos_workspaces.model.workspace import Status, Workspace, WorkspaceConfig
from nixos_workspaces.services import Services

LIMITS = Resources(2.0, BYTES_PER_GB, BYTES_PER_GB)
CONFIG = WorkspaceConfig("busy", LIMITS, environment("minimal", ["git"], []))
INDEX = {figure.name: index for index, figure in enumerate(FIGURES)}
IDLE = Usage(0.0, 256 << 20, 100 << 20, BYTES_PER_GB, 9, 0, 0, 0.0, run="one", pressure=Pressure(0, 0, 0, 0, 0))


@dataclass
class Clock:
    now: datetime = datetime(2026, 1, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Machine:
    """One workspace's machine with a clock of its own."""

    services: Services
    workspace: Workspace
    clock: Clock
    usage: Usage = IDLE

    def make(self) -> History:
        return History(self.services.database, clock=self.clock)

    def run(self, history: History, seconds: float, *, period: float = 10.0, cores: float = 1.0) -> None:
        """Use so many cores for a time, measured every ``period``."""
        for _ in range(round(seconds / period)):
            before, self.clock.now = self.usage, self.clock.now + timedelta(seconds=period)
            self.usage = replace(
                before,
                cpu_seconds=before.cpu_seconds + cores * period,
                network_sent_bytes=before.network_sent_bytes + 1000,
                taken_at=before.taken_at + period,
            )
            seen = metrics_between(before, self.usage, LIMITS)
            at = self.clock.now.timestamp()
            history.take_in({self.workspace.id: row_between(before, self.usage, seen, at, started=False)}, at)

    async def rows(self, history: History, back: timedelta, step: int) -> list[Row]:
        end = int(self.clock.now.timestamp()) + 1
        return (await history.rows(self.workspace.id, end - int(back.total_seconds()), end, step))[1]


async def running(services: Services) -> Workspace:
    made = await services.orchestrator.create_workspace(CONFIG, principal=ADMIN)

    async def is_there() -> bool:
        return (await services.workspaces.get(made.id, principal=ADMIN)).status is Status.RUNNING

    await eventually(is_there)
    return made


@asynccontextmanager
async def one_machine(data: Path) -> AsyncIterator[Machine]:
    async with fake_services(data, world=World()) as services:
        yield Machine(services, await running(services), Clock())


async def test_sums_extremes_and_gaps_survive_hours_days_and_a_restart(tmp_path: Path) -> None:
    async with one_machine(tmp_path) as machine:
        history = machine.make()
        machine.run(history, 3600, cores=0.5)
        machine.run(history, 10, period=1, cores=2.0)  # somebody watches for a while
        await history.store()
        machine.clock.now += timedelta(hours=3)  # nothing was measured
        machine.run(history, 1800, cores=0.5)
        await history.store(everything=True)
        for _ in range(2):  # as it is, and after a restart
            for step, back in ((10, timedelta(hours=6)), (300, timedelta(days=2)), (3600, timedelta(days=20))):
                rows = await machine.rows(history, back, step)
                assert sum(row.sums[INDEX["cpu_cores"]] for row in rows) == (0.5 * 5400 + 20) * 1_000_000
                assert sum(row.sums[INDEX["network_sent"]] for row in rows) == 1000 * (540 + 10)
                assert sum(row.count for row in rows) == 550
                assert max(row.highs[INDEX["cpu_usage"]] for row in rows) == 100_000
                assert min(row.lows[INDEX["cpu_usage"]] for row in rows) == 25_000
                assert not any(row.begin % step for row in rows)
            minutes = [row.begin for row in await machine.rows(history, timedelta(hours=6), 300)]
            assert max(after - before for before, after in pairwise(minutes)) >= 3 * 3600
            samples = await history.read(machine.workspace.id, Span.WEEK)
            assert {one.metrics.memory_usage for one in samples} == {25.0}
            history = machine.make()
            await history.recover()


async def test_a_service_that_is_killed_loses_five_minutes_and_no_more(tmp_path: Path) -> None:
    async with one_machine(tmp_path) as machine:
        history = machine.make()
        for _ in range(20 * 6):
            machine.run(history, 10)
            await history.store()
        after = machine.make()
        await after.recover()
        for step in (10, 300, 3600):
            kept = sum(row.milliseconds for row in await machine.rows(after, timedelta(hours=1), step))
            assert 15 * 60_000 <= kept <= 20 * 60_000
        machine.run(after, 7200)
        (last, *_) = reversed(await machine.rows(after, timedelta(days=3), 3600))
        assert last.milliseconds > 0


async def test_what_is_too_old_or_of_a_deleted_workspace_goes(tmp_path: Path) -> None:
    async with one_machine(tmp_path) as machine:
        history = machine.make()
        machine.run(history, 3 * 3600)
        await history.store(everything=True)
        machine.clock.now += timedelta(days=2)
        machine.run(history, 3600)
        await history.store(everything=True)
        await history.expire()
        async with machine.services.database.reading() as tx:
            steps = {step for _, step in await tx.metrics.throughs()}
            first = [await tx.metrics.read(machine.workspace.id, level.step, 0, 1 << 60) for level in LEVELS]
        assert steps == {level.step for level in LEVELS[: len(steps)]}
        assert len(first[0]) == 3600 // (LEVELS[0].step * LEVELS[0].together)
        assert len(await machine.rows(history, timedelta(days=3), 300)) >= 4 * 12
        await machine.services.orchestrator.delete_workspace(machine.workspace.id, principal=ADMIN)

        async def is_forgotten() -> bool:
            await history.expire()
            async with machine.services.database.reading() as tx:
                return await tx.metrics.workspaces() == frozenset()

        await eventually(is_forgotten)
        assert await machine.rows(history, timedelta(days=3), 3600) == []


async def test_one_pass_reads_all_and_stops_make_gaps(tmp_path: Path) -> None:
    world = World()
    async with fake_services(tmp_path, world=world) as services:
        first, second = await running(services), await another(services)
        runtime = Counting(world)
        clock = Clock()
        history = History(services.database, clock=clock)
        sampler = Sampler(services.database, runtime, Gauges(runtime), history, clock=clock)
        await sampler.sample()
        assert runtime.passes == 2  # a rate takes two readings
        assert sampler.last(first.id) is not None
        assert sampler.last(second.id) is not None
        await services.orchestrator.stop_workspace(first.id, principal=ADMIN)

        async def is_stopped() -> bool:
            return (await services.workspaces.get(first.id, principal=ADMIN)).status is Status.STOPPED

        await eventually(is_stopped)
        clock.now += PERIOD
        found = await sampler.measure()
        assert found.metrics.keys() == {second.id}
        assert await sampler.measure(within=60) is found
        assert runtime.passes == 3
        counts = [len(await history.read(one.id, Span.HOUR)) for one in (first, second)]
        assert counts == [1, 2]


async def another(services: Services) -> Workspace:
    made = await services.orchestrator.create_workspace(replace(CONFIG, name="other"), principal=ADMIN)

    async def is_there() -> bool:
        return (await services.workspaces.get(made.id, principal=ADMIN)).status is Status.RUNNING

    await eventually(is_there)
    return made


class Counting(FakeRuntime):
    """Counts the passes, each of which is ten seconds after the one before."""

    passes = 0

    @override
    async def usage_all(self) -> dict[str, Usage]:
        self.passes += 1
        found = await super().usage_all()
        return {one: replace(usage, taken_at=usage.taken_at + 10 * self.passes) for one, usage in found.items()}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as started:
        yield started


def test_lists_tell_the_owner_the_start_and_what_was_measured_last(web: Web) -> None:
    path = "/api/nixos/workspaces"
    with web.http() as http:
        made = web.create("measured-in-lists")
        shown = {one["id"]: one for one in http.get(path, params={"limit": 200}).json()["workspaces"]}[made["id"]]
        assert (shown["owner"], shown["usage"]) == ("admin", None)
        assert shown["started_at"] is not None
        web.measure()
        (shown,) = http.get(path, params={"q": "measured-in"}).json()["workspaces"]
        assert set(shown["usage"]) == {"cpu_usage", "memory_usage", "storage_usage"}
        http.post(f"{path}/{made['id']}/stop")
        web.reaches(made["id"], "stopped")
        (shown,) = http.get(path, params={"q": "measured-in"}).json()["workspaces"]
        assert shown["usage"] is None
        web.measure()
        http.post(f"{path}/{made['id']}/start")
        web.reaches(made["id"], "running")
        (shown,) = http.get(path, params={"q": "measured-in"}).json()["workspaces"]
        assert shown["usage"] is None


def test_the_history_is_told_as_the_document_says(web: Web) -> None:
    made = web.create("measured")
    web.measure()
    with web.http() as http:
        path = f"/api/nixos/workspaces/{made['id']}/metrics/history"
        told = http.get(path, params={"span": "5m"}).json()
        assert (told["span"], told["step"]) == ("5m", 10)
        assert told["samples"][-1].keys() == {"at", "cpu_usage", "memory_usage", "storage_usage"}
        assert told["begin"] < told["samples"][-1]["at"] <= told["end"]
        assert http.get(path).json()["span"] == "1h"
        refused = http.get(path, params={"span": "1y"})
        assert (refused.status_code, refused.json()["error"]["field"]) == (422, "span")
        assert http.get("/api/nixos/workspaces/ws-none/metrics/history").status_code == 404


def test_all_figures_are_told_over_any_time(web: Web) -> None:
    made = web.create("in-detail")
    web.measure()
    with web.http() as http:
        path = f"/api/nixos/workspaces/{made['id']}"
        told = http.get(f"{path}/metrics").json()
        assert told["step"] in {10, 300}
        assert told["figures"].keys() == {figure.name for figure in FIGURES}
        for figure in FIGURES:
            series = told["figures"][figure.name]
            assert len(series["mean"]) == len(series["min"]) == len(series["max"]) == len(told["at"]) >= 1
        assert told["figures"]["memory_usage"]["mean"][-1] == 25.0
        assert told["figures"]["pressure_cpu"]["mean"] == [None] * len(told["at"])
        now = web.services.clock()
        ago = (now - timedelta(days=100)).isoformat()
        wide = http.get(f"{path}/metrics", params={"from": ago, "step": 86400}).json()
        assert (wide["step"], len(wide["at"])) == (86400, 1)
        assert http.get(f"{path}/metrics", params={"from": ago}).json()["step"] == 7200
        wrong: list[tuple[dict[str, str | int], str]] = [
            ({"step": 7}, "step"),
            ({"step": 0}, "step"),
            ({"from": "yesterday"}, "from"),
            ({"from": "2026-01-01T00:00:00"}, "from"),
            ({"to": "2026-01-01T00:00:00Z", "from": now.isoformat()}, "from"),
            ({"from": ago, "step": 10}, "step"),
            ({"from": "1970-01-01T00:00:00Z", "step": 604800}, "from"),
            ({"to": "2999-01-01T00:00:00Z"}, "to"),
            ({"until": "now"}, "until"),
        ]
        for query, field in wrong:
            refused = http.get(f"{path}/metrics", params=query)
            assert (refused.status_code, refused.json()["error"]["field"]) == (422, field), query
        detail = http.get(path).json()["workspace"]["metrics"]
        assert detail.keys() >= {"cpu_usage", "memory_usage", "storage_usage", "cpu_throttled", "pressure", "oom_kills"}
        programs = http.get(f"{path}/programs").json()["programs"]
        assert programs[0] == {"name": "backup.service", "cpu": 0.5, "memory_bytes": 64 << 20, "processes": 2}
        http.post(f"{path}/stop")
        web.reaches(made["id"], "stopped")
        assert http.get(f"{path}/programs").status_code == 409
