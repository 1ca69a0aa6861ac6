"""The routes of rest, holds and schedules, and the command line over them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import World, fake_services
from typer.testing import CliRunner
from waiting import until
from web_service import Web, running_web

from nixos_workspaces.cli.main import app
from nixos_workspaces.errors import InvalidInput

WORLD = World()
LIST = "/api/nixos/workspaces"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    data = Path(tmp_path_factory.mktemp("web"))
    with running_web(data, lambda path: fake_services(path, world=WORLD)) as running:
        yield running


@pytest.fixture(scope="module")
def made(web: Web) -> dict[str, Any]:
    return web.create("one")


def test_a_policy_reads_as_it_was_written_and_tells_the_evidence(web: Web, made: dict[str, Any]) -> None:
    path = f"{LIST}/{made['id']}/idle"
    with web.http() as http:
        first = http.get(path).json()["idle"]
        assert (first["own"], first["state"], first["next"]) == (False, "off", None)
        wanted = {
            "pause_after": "10m",
            "stop_after": "90m",
            "units": ["serve*.service"],
            "quiet": {"begin": "22:00", "end": "06:30", "zone": "Europe/Berlin", "stop_after": "20m"},
        }
        answer = http.put(path, json=wanted)
        assert answer.status_code == 200, answer.text
        policy = answer.json()["idle"]["policy"]
        assert {key: policy[key] for key in ("pause_after", "stop_after", "units", "warn")} == {
            **{key: wanted[key] for key in ("pause_after", "stop_after", "units")},
            "warn": "5m",
        }
        assert policy["quiet"] == {**wanted["quiet"], "pause_after": None}  # type: ignore[dict-item]
        until("it is looked at", lambda: http.get(path).json()["idle"]["state"] == "quiet" or None)
        seen = http.get(path).json()["idle"]
        assert seen["next"]["step"] in {"pause", "stop"}
        for wrong, field in (
            ({"pause_after": "5s"}, "/pause_after"),
            ({"pause_after": "2h", "stop_after": "1h"}, "/stop_after"),
            ({"quiet": {**wanted["quiet"], "zone": "Mars/Olympus"}}, "/quiet/zone"),  # type: ignore[dict-item]
            ({"warn": "2d"}, "/warn"),
        ):
            refused = http.put(path, json=wrong)
            assert (refused.status_code, refused.json()["error"]["field"]) == (422, field)
        assert http.delete(path).json()["idle"]["own"] is False


def test_a_hold_is_told_and_ends(web: Web, made: dict[str, Any]) -> None:
    path = f"{LIST}/{made['id']}/hold"
    with web.http() as http:
        held = http.post(path, json={"for": "2h", "reason": "a demo"}).json()["idle"]["hold"]
        assert (held["reason"], held["by"]) == ("a demo", "admin")
        assert http.post(path, json={"for": "31d"}).status_code == 422
        assert http.delete(path).json()["idle"]["hold"] is None


def test_a_stop_tells_its_reason_until_the_next_start(web: Web, made: dict[str, Any]) -> None:
    with web.http() as http:
        http.post(f"{LIST}/{made['id']}/stop")
        reason = web.reaches(made["id"], "stopped")["stop_reason"]
        assert (reason["by"], reason["code"], reason["sentence"]) == ("person", "stop.asked", "admin stopped it.")
        http.post(f"{LIST}/{made['id']}/start")
        assert web.reaches(made["id"], "running")["stop_reason"] is None


def test_the_command_line_sets_and_shows_them(web: Web, made: dict[str, Any]) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["--url", web.url, "--token", web.token, *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert "never" in run("idle", "one")
    assert "paused after 10m, stopped after 30m (of its own)" in run(
        "idle", "one", "--after", "30m", "--pause-after", "10m"
    )
    assert "paused after 10m, stopped after 1h" in run("idle", "one", "--after", "60m")
    quiet = ("--quiet", "22:00-06:30", "--quiet-after", "15m", "--zone", "Europe/Berlin")
    assert "From 22:00 to 06:30 (Europe/Berlin): stopped after 15m." in run("idle", "one", *quiet)
    assert "stopped after 2h (of its own).\nFrom 22:00" in run("idle", "one", "--after", "2h")
    assert "From" not in run("idle", "one", "--quiet", "none")
    for wrong in (["--quiet", "22:00"], ["--quiet", "22:00-06:30"], ["--quiet-after", "15m"], ["--zone", "UTC"]):
        refused = CliRunner().invoke(app, ["--url", web.url, "--token", web.token, "idle", "one", *wrong])
        assert isinstance(refused.exception, InvalidInput)
        assert "22:00-06:30" in str(refused.exception)
    assert "Held until" in run("hold", "one", "--for", "2h", "--reason", "a demo")
    assert "a demo" in run("idle", "one")
    assert "Held" not in run("hold", "one", "--end")
    assert "never (of its own)" in run("idle", "one", "--off")
    assert "settings" in run("idle", "one", "--default")
    assert run("schedule", "one") == "It has no schedule.\n"
    shown = run("schedule", "one", "--start", "30 8 * * 1-5", "--stop", "0 19 * * *", "--zone", "Europe/Berlin")
    assert "start  30 8 * * 1-5  (Europe/Berlin)" in shown
    told = json.loads(run("--json", "schedule", "one"))
    assert len(told["next"]) == 5
    assert run("schedule", "one", "--off") == "It has no schedule.\n"
    assert made["name"] == "one"
