"""Figures of workspaces over time: sampled, thinned out with age, bounded, and told by the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from fakes import World, eventually, fake_services
from typing_extensions import override
from web_service import Web, running_web

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.metering.gauges import Gauges
from nixos_workspaces.metering.history import History
from nixos_workspaces.model.environment import environment
from nixos_workspaces.model.machine import BYTES_PER_GB, Metrics, Resources
from nixos_workspaces.model.usage import PERIOD, Span
from nixos_workspaces.model.workspace import Status, Workspace, WorkspaceConfig
from nixos_workspaces.services import Services

CONFIG = WorkspaceConfig("busy", Resources(1.0, BYTES_PER_GB, BYTES_PER_GB), environment("minimal", ["git"], []))


@dataclass
class Clock:
    now: datetime = datetime(2026, 1, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Steady(Gauges):
    """Shows the same whenever it is asked, without the wait between two readings."""

    @override
    async def read(self, workspace: Workspace) -> Metrics | None:
        return Metrics(50.0, 25.0, 10.0) if workspace.status is Status.RUNNING else None


async def running(services: Services) -> Workspace:
    made = await services.orchestrator.create_workspace(CONFIG, principal=ADMIN)

    async def is_there() -> bool:
        return (await services.workspaces.get(made.id, principal=ADMIN)).status is Status.RUNNING

    await eventually(is_there)
    return made


async def test_a_week_is_kept_in_steps_that_widen(tmp_path: Path) -> None:
    async with fake_services(tmp_path, world=World()) as services:
        workspace = await running(services)
        clock = Clock()
        history = History(services.database, Steady(services.runtime), clock=clock)
        assert history.read(workspace.id, Span.WEEK) == ()
        for _ in range(400):
            await history.sample()
            clock.now += PERIOD
        counts = {span: len(history.read(workspace.id, span)) for span in Span}
        assert counts == {Span.FIVE_MINUTES: 30, Span.HOUR: 360, Span.DAY: 14, Span.WEEK: 3}
        for span in Span:
            samples = history.read(workspace.id, span)
            assert all(later.at - sooner.at == span.step for sooner, later in pairwise(samples))
            assert {(one.metrics.memory_usage, one.metrics.storage_usage) for one in samples} == {(25.0, 10.0)}


async def test_memory_is_bounded_however_long_it_runs(tmp_path: Path) -> None:
    async with fake_services(tmp_path, world=World()) as services:
        workspace = await running(services)
        clock = Clock()
        history = History(services.database, Steady(services.runtime), clock=clock)
        for _ in range(500):
            await history.sample()
            clock.now += timedelta(hours=1)
        assert len(history.read(workspace.id, Span.WEEK)) == 7 * 24
        assert history.read(workspace.id, Span.HOUR)[-1].at == clock.now - timedelta(hours=1)


async def test_what_does_not_run_has_a_gap_and_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    async with fake_services(tmp_path, world=World()) as services:
        workspace = await running(services)
        clock = Clock()
        history = History(services.database, Steady(services.runtime), clock=clock)
        await history.sample()
        await services.orchestrator.stop_workspace(workspace.id, principal=ADMIN)

        async def is_stopped() -> bool:
            return (await services.workspaces.get(workspace.id, principal=ADMIN)).status is Status.STOPPED

        await eventually(is_stopped)
        clock.now += PERIOD
        await history.sample()
        assert [one.at for one in history.read(workspace.id, Span.HOUR)] == [clock.now - PERIOD]
        await services.orchestrator.delete_workspace(workspace.id, principal=ADMIN)

        async def is_forgotten() -> bool:
            await history.sample()
            return history.read(workspace.id, Span.HOUR) == ()

        await eventually(is_forgotten)


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
        web.run(web.services.history.sample())
        (shown,) = http.get(path, params={"q": "measured-in"}).json()["workspaces"]
        assert set(shown["usage"]) == {"cpu_usage", "memory_usage", "storage_usage"}
        http.post(f"{path}/{made['id']}/stop")
        web.reaches(made["id"], "stopped")
        (shown,) = http.get(path, params={"q": "measured-in"}).json()["workspaces"]
        assert shown["usage"] is None
        web.run(web.services.history.sample())
        http.post(f"{path}/{made['id']}/start")
        web.reaches(made["id"], "running")
        (shown,) = http.get(path, params={"q": "measured-in"}).json()["workspaces"]
        assert shown["usage"] is None


def test_the_history_is_told_as_the_document_says(web: Web) -> None:
    made = web.create("measured")
    web.run(web.services.history.sample())
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
