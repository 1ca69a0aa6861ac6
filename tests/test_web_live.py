"""Figures and terminals over the event socket: only what is watched is read, and all who watch are told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRuntime, World, fake_services
from terminal_web import terminal_web, viewer
from test_web_rates import entries
from typing_extensions import override
from web_service import Web, running_web
from websockets.sync.client import ClientConnection, connect

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.model.machine import Usage

SECONDS = 20.0


class Client:
    """A client of the event socket that keeps everything it was told."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.told: list[dict[str, Any]] = []

    def watch(self, **wish: object) -> None:
        self.socket.send(json.dumps({"type": "watch", **wish}))

    def until(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return the next message that is wanted."""
        deadline = time.monotonic() + SECONDS
        while True:
            message = json.loads(self.socket.recv(max(deadline - time.monotonic(), 0)))
            self.told.append(message)
            if wanted(message):
                return dict(message)

    def until_kind(self, kind: str) -> dict[str, Any]:
        return self.until(lambda message: message["type"] == kind)

    def until_pong(self) -> None:
        """Wait until everything sent before is dealt with."""
        self.socket.send('{"type": "ping"}')
        self.until_kind("pong")


@contextmanager
def client(web: Web, **headers: str) -> Iterator[Client]:
    url = web.url.replace("http", "ws") + "/ws/nixos/events"
    with connect(url, additional_headers=headers or web.headers, proxy=None, open_timeout=5) as socket:
        assert json.loads(socket.recv(5)) == {"type": "hello"}
        yield Client(socket)


def running(data: Path, world: World, runtime: FakeRuntime | None = None) -> Any:
    return running_web(data, lambda path: fake_services(path, world=world, runtime=runtime or FakeRuntime(world)))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def web(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr("nixos_workspaces.metering.live.USAGE_SECONDS", 0.2)
    with running(tmp_path, world) as started:
        yield started


def test_figures_come_for_what_is_watched_and_for_nothing_else(web: Web) -> None:
    first, second = web.create("one")["id"], web.create("two")["id"]
    with client(web) as one:
        one.watch(usage=[first, "ws-gone"])
        for _ in range(3):
            event = one.until_kind("workspace.usage")
            assert event["workspace_id"] == first
            assert set(event["metrics"]) >= {"cpu_usage", "memory_usage", "storage_usage", "network_sent", "pressure"}
            assert event["metrics"]["memory_usage"] == 25.0
            assert "workspace" not in event
        one.watch(usage=[second])
        one.until(lambda message: message["workspace_id"] == second and message["type"] == "workspace.usage")
        begun = len(one.told)
        one.until_kind("workspace.usage")
        assert {told["workspace_id"] for told in one.told[begun:]} == {second}


def test_many_who_watch_one_workspace_cost_one_reading(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nixos_workspaces.metering.live.USAGE_SECONDS", 60.0)
    with running(tmp_path, world) as web:
        made = web.create("shared")["id"]
        with client(web) as one, client(web) as two, client(web) as three:
            one.watch(usage=[made])
            told = one.until_kind("workspace.usage")
            for other in (two, three):
                other.watch(usage=[made])
                assert other.until_kind("workspace.usage") == told


def test_a_workspace_that_stops_has_no_figures(web: Web) -> None:
    made = web.create("stops")["id"]
    with client(web) as one, web.http() as http:
        one.watch(usage=[made])
        one.until(lambda message: message.get("metrics"))
        assert http.post(f"/api/nixos/workspaces/{made}/stop").status_code == 202
        one.until(lambda message: message["type"] == "workspace.usage" and message["metrics"] is None)


def test_strangers_watch_in_vain(web: Web) -> None:
    """A wish for a workspace of another's is answered as one for none: by nothing."""
    made = web.create("mine")["id"]
    secret, _ = web.run(web.services.tokens.create("stranger", principal=Principal("other", "other")))
    with client(web, Authorization=f"Bearer {secret}") as other, client(web) as owner:
        other.watch(usage=[made], terminals=[made])
        owner.watch(usage=[made])
        kinds = {"workspace.usage", "workspace.open"}
        owner.until(lambda _: {told["type"] for told in owner.told} == kinds)
        other.until_pong()
        assert [told["type"] for told in other.told] == ["pong"]


WRONG: list[tuple[dict[str, object], str, str]] = [
    ({"usage": "ws-1"}, "usage", "usage has to be a list."),
    ({"usage": [1]}, "usage", "usage.0 has to be a text."),
    ({"usage": [""]}, "usage", "usage.0 has at least 1 characters."),
    ({"usage": ["a" * 65]}, "usage", "usage.0 has at most 64 characters."),
    ({"usage": [f"ws-{number}" for number in range(201)]}, "usage", "usage has at most 200 items."),
    ({"terminals": [f"ws-{number}" for number in range(17)]}, "terminals", "terminals has at most 16 items."),
    ({"terminals": None}, "terminals", "terminals has to be a list."),
    ({"metrics": []}, "metrics", "There is no field `metrics`; there are ports, terminals, type, usage."),
]


@pytest.mark.parametrize(("wish", "field", "message"), WRONG)
def test_a_wish_that_cannot_be_read_is_told_and_changes_nothing(
    web: Web, wish: dict[str, object], field: str, message: str
) -> None:
    made = web.create("kept")["id"]
    with client(web) as one:
        one.watch(usage=[made])
        one.until_kind("workspace.usage")
        one.watch(**wish)
        said = one.until_kind("error")
        assert said == {"type": "error", "code": "invalid_input", "message": message, "field": field}
        one.until_kind("workspace.usage")


def test_an_engine_that_does_not_answer_holds_nothing_up(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures are null then, and come again with its answers; a machine that it leaves out has none meanwhile."""
    monkeypatch.setattr("nixos_workspaces.metering.metrics.sampler.PATIENCE_SECONDS", 0.2)

    class Silent(FakeRuntime):
        is_silent = False
        left_out = ""

        @override
        async def usage_all(self) -> Mapping[str, Usage]:
            if self.is_silent:
                await asyncio.Event().wait()
            return {one: usage for one, usage in (await super().usage_all()).items() if one != self.left_out}

    runtime = Silent(world)
    with running(tmp_path, world, runtime) as web:
        silent, well = web.create("silent")["id"], web.create("well")["id"]
        runtime.left_out = silent
        with client(web) as one, web.http() as http:
            one.watch(usage=[silent, well])
            events = [one.until_kind("workspace.usage") for _ in range(2)]
            assert {told["workspace_id"]: told["metrics"] is None for told in events} == {silent: True, well: False}
            runtime.is_silent = True
            one.until(lambda told: told.get("workspace_id") == well and told.get("metrics", 1) is None)
            assert http.get("/api/nixos/workspaces").status_code == 200
            runtime.is_silent, runtime.left_out = False, ""
            one.until(lambda told: told.get("workspace_id") == silent and told.get("metrics"))


# ---- terminals


@pytest.fixture(scope="module")
def terminals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, str]]:
    with terminal_web(Path(tmp_path_factory.mktemp("terminals"))) as web:
        yield web, web.create("shells")["id"]


def is_list(wanted: Callable[[list[dict[str, Any]]], object]) -> Callable[[dict[str, Any]], object]:
    return lambda message: message["type"] == "workspace.terminals" and wanted(message["terminals"])


def test_the_list_of_terminals_is_told_when_it_changes(terminals: tuple[Web, str]) -> None:
    """Opened, named, what runs in it, ended: each is told without being asked for."""
    web, made = terminals
    path = f"/api/nixos/workspaces/{made}/terminals"
    with client(web) as one, web.http() as http:
        one.watch(terminals=[made])
        assert one.until_kind("workspace.terminals")["terminals"] == http.get(path).json()["terminals"]
        opened = http.post(path, json={"command": "exec cat"}).json()["terminal"]["id"]
        one.until(is_list(lambda all_: [each["process"] for each in all_ if each["id"] == opened] == ["cat"]))
        assert http.patch(f"{path}/{opened}", json={"name": "reading"}).status_code == 200
        one.until(is_list(lambda all_: [each["name"] for each in all_ if each["id"] == opened] == ["reading"]))
        assert http.delete(f"{path}/{opened}").status_code == 204
        one.until(is_list(lambda all_: all(each["id"] != opened for each in all_)))


def test_a_list_that_stays_the_same_is_not_told_again(
    terminals: tuple[Web, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    web, made = terminals
    asked = 0
    whole = web.services.live._list_terminals

    async def counted(key: Any) -> Any:
        nonlocal asked
        asked += 1
        return await whole(key)

    monkeypatch.setattr(web.services.live, "_list_terminals", counted)
    monkeypatch.setattr("nixos_workspaces.metering.live.LIST_SECONDS", 0.0)
    with client(web) as one:
        one.watch(terminals=[made])
        deadline = time.monotonic() + SECONDS
        while asked < 4 and time.monotonic() < deadline:
            one.until_pong()
        assert asked >= 4
        assert sum(told["type"] == "workspace.terminals" for told in one.told) == 1


def test_who_watches_again_is_told_nothing_from_before(terminals: tuple[Web, str]) -> None:
    """A list from before a change, as a stop with a start is one, would be taken for what there is now."""
    web, made = terminals
    path = f"/api/nixos/workspaces/{made}/terminals"
    with client(web) as one, web.http() as http:
        one.watch(terminals=[made])
        one.until_kind("workspace.terminals")
        one.watch()
        one.until_pong()
        opened = http.post(path, json={}).json()["terminal"]["id"]
        begun = len(one.told)
        one.watch(terminals=[made])
        first = one.until_kind("workspace.terminals")
        assert [told["type"] for told in one.told[begun:]].count("workspace.terminals") == 1
        assert opened in [each["id"] for each in first["terminals"]]
        assert http.delete(f"{path}/{opened}").status_code == 204
        one.until(is_list(lambda found: opened not in [each["id"] for each in found]))


def test_the_number_of_open_terminals_is_told(terminals: tuple[Web, str]) -> None:
    """It is asked for once; from then on only what is done through the service has it asked again."""
    web, made = terminals
    path = f"/api/nixos/workspaces/{made}/terminals"

    def number(count: int) -> Callable[[dict[str, Any]], object]:
        return lambda message: (
            message["type"] == "workspace.open" and message["open"] == {"terminals": count, "ports": []}
        )

    with client(web) as one, web.http() as http:
        one.watch(usage=[made])
        one.until(number(0))
        opened = [http.post(path, json={}).json()["terminal"]["id"] for _ in range(2)]
        one.until(number(2))
        with viewer(web.url, made, web.headers, session=opened[0]) as typing:
            typing.type("exit\n")
            one.until(number(1))
        assert http.delete(f"{path}/{opened[1]}").status_code == 204
        one.until(number(0))


def test_watching_a_list_is_audited_once(terminals: tuple[Web, str]) -> None:
    web, made = terminals
    web.run(web.services.counted_audit.store())
    before = len(entries(web, "read-terminals"))
    with client(web) as one:
        for _ in range(3):
            one.watch(terminals=[made])
        one.until_pong()
    web.run(web.services.counted_audit.store())
    [entry] = entries(web, "read-terminals")[before:]
    assert (entry.workspace_id, entry.detail) == (made, {"count": 1})
