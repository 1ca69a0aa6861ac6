"""Advice, sizes that change by themselves and boosts, over HTTP and by ``nixws``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forked_nixws import run_nixws
from waiting import until
from web_service import Web, running_web

from nixos_workspaces.metering.advice.advice import Record
from nixos_workspaces.model.machine import BYTES_PER_GB, Usage

BOUNDS = {"cpu": {"min": 1, "max": 4}, "memory": {"min": 1, "max": 8}, "down_after": "10m"}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


def used(web: Web, workspace_id: str, cores: float, memory_bytes: int) -> None:
    """Have a workspace seen for three hours."""
    now = web.services.clock().timestamp() - 3 * 3600
    record = Record(now)
    for number in range(37):
        at = 300.0 * number
        record.take(Usage(cores * at, memory_bytes, 0, 1, 1, 0, 0, at, "run"), 8.0, 8 * BYTES_PER_GB, now + at)

    async def store() -> None:
        async with web.services.database.transaction() as tx:
            await tx.advice.replace({workspace_id: record.form()}, web.services.clock())
        web.services.scaling.advisor._records.pop(workspace_id, None)

    web.run(store())


def test_advice_is_followed_only_as_long_as_it_is_the_same(web: Web) -> None:
    """By one request; the entity tag is that of what was shown."""
    made = web.create("advised", cpu=4, memory=4)
    path = f"/api/nixos/workspaces/{made['id']}/advice"
    with web.http() as http:
        early = http.get(path)
        assert (early.json()["state"], early.json()["saving"], early.json()["confidence"]) == ("too_early", None, 0)
        assert http.post(f"{path}/apply").json()["error"]["code"] == "no_advice"
        used(web, made["id"], 1.0, BYTES_PER_GB)
        answer = http.get(path)
        advice: dict[str, Any] = answer.json()
        assert (advice["state"], advice["cpu"]) == ("change", {"now": 4, "advised": 1.25})
        assert advice["memory"] == {"now": 4, "advised": 1.25}
        assert {one["code"] for one in advice["reasons"]} == {"advice.cpu", "advice.memory"}
        assert advice["needs_restart"] is False
        assert answer.headers["ETag"] == f'"{advice["version"]}"' != early.headers["ETag"]
        other = http.post(f"{path}/apply", headers={"If-Match": early.headers["ETag"]})
        assert (other.status_code, other.json()["error"]["code"]) == (412, "precondition_failed")
        followed = http.post(f"{path}/apply", headers={"If-Match": answer.headers["ETag"]})
        assert followed.status_code == 200, followed.text
        config = followed.json()["workspace"]["config"]
        assert (config["cpu"], config["memory"], config["storage"]) == (1.25, 1.25, 1)
        assert http.get(path).json()["state"] == "fits"


def test_bounds_and_boosts_change_the_size_and_not_the_choice(web: Web) -> None:
    made = web.create("scaled", cpu=1, memory=1)
    path = f"/api/nixos/workspaces/{made['id']}"
    with web.http() as http:
        off = http.get(f"{path}/autoscale").json()
        assert (off["policy"], off["boost"], off["decisions"]) == (None, None, [])
        on = http.put(f"{path}/autoscale", json=BOUNDS).json()
        assert on["policy"] == {"cpu": {"min": 1, "max": 4}, "memory": {"min": 1, "max": 8}, "down_after": 600}
        assert 600 < on["down_within"] < 1500
        boosted = http.post(f"{path}/boost", json={"cpu": 2.5, "memory": 2, "for": "1h"}).json()
        assert (boosted["size"], boosted["chosen"]) == ({"cpu": 2.5, "memory": 2}, {"cpu": 1, "memory": 1})
        assert boosted["boost"]["cpu"] == 2.5

        def machine() -> Any:
            return web.run(web.services.runtime.observe(made["id"])).resources

        until("the machine is boosted", lambda: machine().cpu == 2.5 and machine().memory_bytes == 2 * BYTES_PER_GB)
        assert http.get(path).json()["workspace"]["config"]["cpu"] == 1
        refused = http.post(f"{path}/boost", json={"memory": 0.5, "for": "1h"}).json()["error"]
        assert (refused["code"], refused["field"]) == ("boost_not_larger", "memory")
        assert http.post(f"{path}/boost", json={"cpu": 17, "for": "1h"}).json()["error"]["code"] == "beyond_machine"
        http.patch(path, json={"cpu": 1.5})
        until("the choice is the size", lambda: machine().cpu == 1.5)
        assert http.delete(f"{path}/boost").json()["boost"] is None
        assert http.delete(f"{path}/autoscale").json()["policy"] is None


def test_the_command_line_does_the_same(web: Web) -> None:
    made = web.create("typed", cpu=4, memory=4)

    def nixws(*words: str) -> str:
        given = {"PATH": os.environ["PATH"], "NIXWS_URL": web.url, "NIXWS_TOKEN": web.token, "COLUMNS": "200"}
        done = run_nixws(words, given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    used(web, made["id"], 1.0, BYTES_PER_GB)
    assert "4 → 1.25" in nixws("advise")
    assert json.loads(nixws("--json", "advise", "typed", "--apply"))["state"] == "change"
    assert "1.25 to 4 cores, 1.25 to 1.25 GB" in nixws("autoscale", "typed", "--cpu", "1.25-4")
    assert "It does not change by itself." in nixws("autoscale", "typed", "--off")
    assert "Boosted until" in nixws("boost", "typed", "--cpu", "3", "--for", "30m")
    assert "Boosted" not in nixws("boost", "typed", "--end")
