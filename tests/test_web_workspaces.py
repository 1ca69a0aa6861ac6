"""The routes of workspaces, in the specification's shapes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import until
from web_service import SMALL, Web, running_web


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


LIST = "/api/nixos/workspaces"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_the_specified_requests_have_the_specified_answers(web: Web) -> None:
    with web.http() as http:
        wanted = {
            "name": "my-dev-env",
            "cpu": 1,
            "memory": 0.5,
            "storage": 0.25,
            "template": "development",
            "packages": ["git", "python3", "git"],
        }
        answer = http.post(f"{LIST}/create", json=wanted)
        assert answer.status_code == 202
        made = answer.json()["workspace"]
        assert re.fullmatch(r"ws-[a-z0-9]+", made["id"])
        assert answer.headers["location"] == f"{LIST}/{made['id']}"
        assert (made["name"], made["status"]) == ("my-dev-env", "creating")
        assert made["config"] == {
            "cpu": 1,
            "memory": 0.5,
            "storage": 0.25,
            "template": "development",
            "packages": ["git", "python3"],
            "ports": [],
        }
        web.reaches(made["id"], "running")
        shown = http.get(f"{LIST}/{made['id']}").json()["workspace"]
        specified = {"cpu_usage", "memory_usage", "storage_usage"}
        assert all(isinstance(shown["metrics"][name], int | float) for name in specified)
        assert {"host", "port", "username"} <= set(shown["ssh_info"])
        assert shown["ssh_info"]["username"] == "nixos"
        assert http.get(f"{LIST}/my-dev-env").json()["workspace"]["id"] == made["id"]
        (item,) = http.get(LIST, params={"q": "my-dev"}).json()["workspaces"]
        assert (item["id"], item["name"], item["status"]) == (made["id"], "my-dev-env", "running")
        assert (item["cpu"], item["memory"], item["storage"]) == (1, 0.5, 0.25)
        assert TIME.fullmatch(item["created_at"])
        assert TIME.fullmatch(item["last_accessed"])


def test_the_same_key_makes_one_workspace(web: Web) -> None:
    headers = {"Idempotency-Key": "key-1"}
    with web.http() as http:
        first = http.post(f"{LIST}/create", json={"name": "once", **SMALL}, headers=headers).json()["workspace"]
        again = http.post(f"{LIST}/create", json={"name": "once", **SMALL}, headers=headers).json()["workspace"]
        assert first["id"] == again["id"]
        other = http.post(f"{LIST}/create", json={"name": "other", **SMALL}, headers=headers)
        assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
        taken = http.post(f"{LIST}/create", json={"name": "once", **SMALL})
        assert (taken.status_code, taken.json()["error"]["field"]) == (409, "name")


def test_verbs_by_id_and_by_name(web: Web) -> None:
    made = web.create("verbs")
    with web.http() as http:
        for reference, verb, status in (
            (made["id"], "stop", "stopped"),
            ("verbs", "start", "running"),
            (made["id"], "pause", "paused"),
            ("verbs", "resume", "running"),
            (made["id"], "restart", "running"),
            ("verbs", "rebuild", "running"),
        ):
            answer = http.post(f"{LIST}/{reference}/{verb}")
            assert answer.status_code == 202, answer.text
            assert answer.json()["workspace"]["id"] == made["id"]
            web.reaches(made["id"], status)
        assert http.post(f"{LIST}/verbs/stop", json={}).status_code == 202
        web.reaches(made["id"], "stopped")
        wrong = http.post(f"{LIST}/verbs/pause")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (409, "wrong_state")
        error = wrong.json()["error"]
        said = {"code": "refused.pause", "values": {"name": "verbs", "status": "stopped"}, "parts": {}}
        assert error["said"] == {**said, "text": error["message"]}
        stopped = http.get(f"{LIST}/verbs").json()["workspace"]
        assert (stopped["metrics"], stopped["ssh_info"]) == (None, None)
        gone = http.delete(f"{LIST}/verbs")
        assert (gone.status_code, gone.json()["workspace"]["status"]) == (202, "deleting")
        until("it is gone", lambda: http.get(f"{LIST}/{made['id']}").status_code == 404)


def test_resources_and_packages_change(web: Web) -> None:
    made = web.create("changing")
    with web.http() as http:
        answer = http.patch(f"{LIST}/changing", json={"cpu": 0.5, "memory": 0.75, "packages": ["jq"]})
        assert answer.status_code == 200, answer.text
        assert answer.json()["workspace"]["config"] | {"ports": []} == {
            "cpu": 0.5,
            "memory": 0.75,
            "storage": 1,
            "template": "minimal",
            "packages": ["jq"],
            "ports": [],
        }

        def rebuilt() -> bool:
            found = http.get(f"{LIST}/changing/generations").json()["generations"]
            return bool(found[0]["packages"] == ["jq"] and found[0]["current"])

        until("the new generation is current", rebuilt)
        newest, oldest = http.get(f"{LIST}/changing/generations").json()["generations"]
        assert (newest["number"], oldest["number"]) == (2, 1)
        assert oldest["packages"] == ["git"]
        assert http.post(f"{LIST}/changing/rebuild", json={"generation": 1}).status_code == 202
        until("it is back", lambda: http.get(f"{LIST}/changing").json()["workspace"]["generation"] == 1)
        unknown = http.post(f"{LIST}/changing/rebuild", json={"generation": 99})
        assert (unknown.status_code, unknown.json()["error"]["field"]) == (404, "generation")
    web.reaches(made["id"], "running")


def test_lists_are_filtered_sorted_and_paged(web: Web) -> None:
    names = ["page-a", "page-b", "page-c"]
    for name in names:
        web.create(name)
    with web.http() as http:
        asked: dict[str, str | int] = {"q": "page-", "sort": "name", "limit": 2}
        first = http.get(LIST, params=asked).json()
        assert [one["name"] for one in first["workspaces"]] == names[:2]
        second = http.get(LIST, params={**asked, "cursor": first["next_cursor"]}).json()
        assert [one["name"] for one in second["workspaces"]] == names[2:]
        assert second["next_cursor"] is None
        down = http.get(LIST, params={**asked, "sort": "-name", "limit": 200}).json()
        assert [one["name"] for one in down["workspaces"]] == names[::-1]
        assert http.get(LIST, params={"q": "page-", "status": "stopped"}).json()["workspaces"] == []
        assert len(http.get(LIST, params={"q": "PAGE-", "template": "minimal"}).json()["workspaces"]) == 3
        for odd in ("%", "_", "'", "\\"):
            assert http.get(LIST, params={"q": odd}).json()["workspaces"] == []


def test_logs_come_whole_or_as_a_stream(web: Web) -> None:
    made = web.create("logged")
    with web.http() as http:
        whole = http.get(f"{LIST}/logged/logs").json()["lines"]
        assert whole
        assert {line["source"] for line in whole} <= {"build", "boot"}
        with http.stream("GET", f"{LIST}/logged/logs", params={"follow": "1"}) as answer:
            assert answer.headers["content-type"].startswith("application/x-ndjson")
            lines = answer.iter_lines()
            assert [json.loads(next(lines)) for _ in whole] == whole
            assert http.delete(f"{LIST}/{made['id']}").status_code == 202
            for line in lines:
                assert set(json.loads(line)) == {"source", "text", "at"}


def test_the_key_is_for_its_owner(web: Web) -> None:
    web.create("keyed")
    with web.http() as http:
        answer = http.get(f"{LIST}/keyed/ssh-key")
        assert answer.status_code == 200, answer.text
        assert answer.json()["private_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
        assert answer.json()["host_key"].startswith("ssh-ed25519 ")
        assert answer.headers["cache-control"] == "no-store"


def test_the_catalogue(web: Web) -> None:
    with web.http() as http:
        templates = http.get("/api/nixos/templates").json()["templates"]
        assert "minimal" in {one["name"] for one in templates}
        found = http.get("/api/nixos/packages", params={"query": "git"}).json()
        assert "git" in {one["name"] for one in found["packages"]}
        assert found["package_set"]
        health = http.get("/api/nixos/health").json()
        assert health["status"] in {"ok", "degraded"}
        assert health["capacity"] == http.get("/api/nixos/capacity").json()
