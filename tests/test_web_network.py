"""The routes of networks, and the command line over them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import World, fake_services
from typer.testing import CliRunner
from waiting import until
from web_service import SMALL, Web, running_web

from nixos_workspaces.cli.main import app
from nixos_workspaces.client import Client, NetworkCalls
from nixos_workspaces.errors import InvalidInput, NotFound
from nixos_workspaces.model.network import DeniedConnection, NetworkMode

WORLD = World()
LIST = "/api/nixos/workspaces"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    data = Path(tmp_path_factory.mktemp("web"))
    with running_web(data, lambda path: fake_services(path, world=WORLD)) as running:
        yield running


@pytest.fixture(scope="module")
def made(web: Web) -> dict[str, Any]:
    return web.create("one", network="locked")


def path(made: dict[str, Any], *more: str) -> str:
    return "/".join((LIST, made["id"], "network", *more))


def put(web: Web, made: dict[str, Any], body: object) -> Any:
    with web.http() as http:
        return http.put(path(made), json=body)


def test_a_network_reads_as_it_was_written(web: Web, made: dict[str, Any]) -> None:
    ends = "2100-01-01T00:00:00.000Z"
    wanted = {
        "mode": "locked",
        "allow": [
            {"name": "*.Packages.Example", "ports": [443, 80, "8000-8999"]},
            {"cidr": "192.0.2.0/24", "ports": [5432], "expires_at": "2100-01-01T01:00:00+01:00"},
        ],
        "deny": [{"name": "bad.packages.example"}],
    }
    answer = put(web, made, wanted)
    assert answer.status_code == 200, answer.text
    stated = answer.json()["network"]
    assert stated["allow"] == [
        {"name": "*.packages.example", "cidr": None, "ports": [80, 443, "8000-8999"], "expires_at": None},
        {"name": None, "cidr": "192.0.2.0/24", "ports": [5432], "expires_at": ends},
    ]
    assert stated["deny"] == [{"name": "bad.packages.example", "cidr": None, "ports": [], "expires_at": None}]
    assert (stated["mode"], stated["effective_mode"], stated["in_force"]) == ("locked", "locked", True)
    assert (stated["floor"]["mode"], stated["learning"], stated["beyond_floor"]) == ("open", None, [])
    with web.http() as http:
        assert http.get(path(made)).json()["network"] == stated
        assert http.get(f"{LIST}/one/network").json()["network"] == stated
    again = put(web, made, {**wanted, "version": stated["version"]})
    assert again.json()["network"]["version"] == stated["version"]
    assert put(web, made, {"mode": "none", "version": stated["version"] + 7}).json()["error"]["code"] == (
        "network_changed"
    )


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "invalid_input", "mode"),
        ({"mode": "shut"}, "invalid_input", "mode"),
        ({"mode": "locked", "allow": [{"name": "a.example"}] * 3 + [{"cidr": "0.0.0.0/0"}]}, "everything", "cidr"),
        ({"mode": "locked", "allow": [{"name": "a.example"}] * 3 + [{"cidr": 5}]}, "invalid_input", "cidr"),
        ({"mode": "locked", "allow": [{"name": "a.example"}] * 3 + [{"cidr": "10.0.0.0/24"}]}, "never_allowed", "cidr"),
        ({"mode": "locked", "allow": [{"name": "a.example"}] * 3 + [{"cidr": "::1"}]}, "never_allowed", "cidr"),
        ({"mode": "locked", "allow": [{"name": "a.example"}] * 3 + [{"name": "[::1]"}]}, "invalid_entry", "name"),
        ({"mode": "locked", "allow": [{"name": "a.example"}] * 3 + [{"name": "2130706433"}]}, "invalid_entry", "name"),
        ({"mode": "locked", "allow": [{"name": "a.example"}] * 3 + [{"name": "localhost"}]}, "never_allowed", "name"),
        (
            {"mode": "locked", "allow": [{"name": "a.b"}] * 3 + [{"name": "a.b", "ports": [0]}]},
            "invalid_input",
            "ports",
        ),
        (
            {"mode": "locked", "allow": [{"name": "a.b"}] * 3 + [{"name": "a.b", "ports": ["9-8"]}]},
            *("invalid_entry", "ports"),
        ),
        (
            {"mode": "locked", "allow": [{"name": "a.b"}] * 3 + [{"name": "a.b", "expires_at": "soon"}]},
            *("invalid_input", "expires_at"),
        ),
    ],
)
def test_errors_point_at_the_part_to_blame(
    web: Web, made: dict[str, Any], body: dict[str, Any], code: str, field: str
) -> None:
    answer = put(web, made, body)
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["field"] == (f"/allow/3/{field}" if "allow" in body else field)


def test_a_list_of_ten_thousand_names_is_refused_at_once(web: Web, made: dict[str, Any]) -> None:
    names = [{"name": f"n{number}.example"} for number in range(10_000)]
    begun = time.monotonic()
    answer = put(web, made, {"mode": "locked", "allow": names})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "allow")
    assert time.monotonic() - begun < 5
    both = {"mode": "locked", "allow": names[:200], "deny": names[200:300]}
    assert put(web, made, both).json()["error"]["code"] == "too_many_rules"


def test_neither_both_nor_none_of_name_and_cidr(web: Web, made: dict[str, Any]) -> None:
    for wrong in ({}, {"name": "a.example", "cidr": "192.0.2.1"}):
        error = put(web, made, {"mode": "locked", "deny": [wrong]}).json()["error"]
        assert (error["code"], error["field"]) == ("invalid_entry", "/deny/0")


def test_denied_connections_are_listed(web: Web, made: dict[str, Any]) -> None:
    begun = datetime.now(UTC)
    WORLD.denied[made["id"]] = [
        DeniedConnection(begun, "git.example", "192.0.2.7", 443, "tcp", "git"),
        DeniedConnection(begun + timedelta(seconds=2), None, "192.0.2.8", 0, "icmp", None, 3),
    ]
    with web.http() as http:
        found = http.get(path(made, "denied")).json()["denied"]
        assert [(one["name"], one["address"], one["port"], one["program"], one["count"]) for one in found] == [
            ("git.example", "192.0.2.7", 443, "git", 1),
            (None, "192.0.2.8", 0, None, 3),
        ]
        since = {"since": (begun + timedelta(seconds=1)).isoformat()}
        assert len(http.get(path(made, "denied"), params=since).json()["denied"]) == 1
        for wrong in ("yesterday", "2026-01-01T00:00:00", "1"):
            assert http.get(path(made, "denied"), params={"since": wrong}).status_code == 422


def test_proposals_and_learning_over_http(web: Web, made: dict[str, Any]) -> None:
    put(web, made, {"mode": "locked"})
    with web.http() as http:
        wanted = {"entries": [{"name": "git.example", "ports": [443]}], "reason": "the build"}
        proposed = http.post(path(made, "proposals"), json=wanted)
        assert proposed.status_code == 201, proposed.text
        first = proposed.json()["proposal"]
        assert (first["state"], first["source"], first["reason"]) == ("pending", "asked", "the build")
        refused = http.post(path(made, "proposals"), json={"entries": []})
        assert refused.json()["error"]["field"] == "entries"
        refused = http.post(path(made, "proposals"), json={"entries": [{"cidr": "::/0"}]})
        assert refused.json()["error"]["field"] == "/entries/0/cidr"
        for ttl in ("1", "0s", "-1h", "1y", 5, "9999999d"):
            assert http.post(path(made, "proposals", first["id"], "approve"), json={"ttl": ttl}).status_code == 422
        approved = http.post(path(made, "proposals", first["id"], "approve"), json={"ttl": "1h"}).json()["network"]
        (granted,) = approved["allow"]
        assert granted["name"] == "git.example"
        assert granted["expires_at"] > datetime.now(UTC).isoformat()
        again = http.post(path(made, "proposals", first["id"], "approve"), json={})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "proposal_decided")
        second = http.post(path(made, "proposals"), json=wanted).json()["proposal"]
        rejected = http.post(path(made, "proposals", second["id"], "reject")).json()["proposal"]
        assert rejected["state"] == "rejected"
        assert http.post(path(made, "proposals", "np-0", "reject")).status_code == 404
        learning = http.post(path(made, "learn"), json={"for": "10m"}).json()["network"]
        assert learning["effective_mode"] == "observe"
        assert 590 < learning["learning"]["seconds_left"] <= 600
        for wrong in ({"for": "9h"}, {"for": 3}, {"for": "soon"}, {"for_": "10m"}):
            assert http.post(path(made, "learn"), json=wrong).status_code == 422, wrong
        assert http.request("DELETE", path(made, "learn")).json()["network"]["learning"] is None
        assert http.request("DELETE", path(made, "learn")).json()["error"]["code"] == "not_learning"


def test_the_client_raises_our_errors(web: Web, made: dict[str, Any]) -> None:
    with Client(web.url, web.token) as client:
        calls = NetworkCalls(client, made["id"])
        assert calls.put({"mode": "locked", "allow": [{"name": "a.example"}]}).allow[0].name == "a.example"
        with pytest.raises(InvalidInput) as refused:
            calls.put({"mode": "locked", "allow": [{"cidr": "0.0.0.0/0"}]})
        assert refused.value.field == "/allow/0/cidr"
        for strange in ("../learn", "", "np 1", "np-ü"):
            with pytest.raises(NotFound):
                calls.approve(strange, {})
        made_for = calls.propose({"entries": [{"name": "b.example"}]})
        assert made_for.id in {one.id for one in calls.proposals()}
        assert calls.reject(made_for.id).state == "rejected"
        WORLD.denied[made["id"]] = [DeniedConnection(datetime.now(UTC), "x.example", "", 53, "dns", None)]
        following = calls.follow_denied()
        assert next(following).name == "x.example"
        WORLD.denied[made["id"]].append(
            DeniedConnection(datetime.now(UTC) + timedelta(seconds=1), "y.example", "", 53, "dns", None)
        )
        assert next(following).name == "y.example"


def nixws(web: Web, *words: str) -> Any:
    return CliRunner().invoke(app, ["--url", web.url, "--token", web.token, *words])


def test_the_command_line_shows_and_changes(web: Web, made: dict[str, Any]) -> None:
    put(web, made, {"mode": "open"})
    assert "mode  open: the internet" in nixws(web, "network", "one").output
    locked = nixws(web, "network", "one", "locked")
    assert "only what is allowed" in locked.output
    assert nixws(web, "network", "one", "allow", "packages.example:443", "--for", "1h").exit_code == 0
    assert nixws(web, "network", "one", "allow", "packages.example:443", "192.0.2.0/24:5432").exit_code == 0
    assert nixws(web, "network", "one", "deny", "*.tracker.example", "10.0.0.0/8").exit_code == 0
    stated = json.loads(nixws(web, "--json", "network", "one").output)["network"]
    assert [(one["name"] or one["cidr"], one["ports"], one["expires_at"]) for one in stated["allow"]] == [
        ("packages.example", [443], None),
        ("192.0.2.0/24", [5432], None),
    ]
    assert [one["name"] or one["cidr"] for one in stated["deny"]] == ["*.tracker.example", "10.0.0.0/8"]
    assert nixws(web, "network", "one", "remove", "packages.example", "*.tracker.example").exit_code == 0
    stated = json.loads(nixws(web, "--json", "network", "one").output)["network"]
    assert len(stated["allow"]) == len(stated["deny"]) == 1
    WORLD.denied[made["id"]] = [DeniedConnection(datetime.now(UTC), "x.example", "192.0.2.3", 443, "tcp", "curl", 2)]
    denied = nixws(web, "network", "one", "denied").output
    assert "x.example (192.0.2.3):443 tcp  curl  2 times" in denied
    assert nixws(web, "network", "one", "propose", "git.example:443", "--reason", "work").exit_code == 0
    assert "work" in nixws(web, "network", "one", "proposals").output
    assert "git.example port 443 until" in nixws(web, "network", "one", "approve", "--for", "1h").output
    assert "learning  for" in nixws(web, "network", "one", "learn", "--for", "5m").output
    assert "learning" not in nixws(web, "network", "one", "cancel").output


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("shut",), InvalidInput),
        (("allow",), InvalidInput),
        (("allow", "10.0.0.1"), InvalidInput),
        (("allow", "https://a.example"), InvalidInput),
        (("allow", "a.example", "--for", "1y"), InvalidInput),
        (("remove", "absent.example"), NotFound),
        (("approve", "np-absent"), NotFound),
        (("approve",), NotFound),
    ],
)
def test_the_command_line_refuses(web: Web, made: dict[str, Any], words: tuple[str, ...], error: type) -> None:
    assert made["id"]
    assert isinstance(nixws(web, "network", "one", *words).exception, error)


def test_what_is_allowed_may_be_given_at_creation(web: Web) -> None:
    words = ("create", "five", "--network", "locked", "--allow", "git.example:22,443", "--allow", "192.0.2.0/24")
    made = nixws(web, *words, "--template", "minimal", "--no-wait")
    assert made.exit_code == 0, made.output
    with web.http() as http:
        stated = http.get(f"{LIST}/five/network").json()["network"]
        assert [(one["name"] or one["cidr"], one["ports"]) for one in stated["allow"]] == [
            ("git.example", [22, 443]),
            ("192.0.2.0/24", []),
        ]
        past = {"name": "a.example", "expires_at": "2020-01-01T00:00:00Z"}
        later = {"name": "b.example", "expires_at": "2100-01-01T00:00:00Z"}
        wanted = {"name": "six", **SMALL, "network": "locked", "allow": [past, later]}
        first, again = (http.post(f"{LIST}/create", json=wanted, headers={"Idempotency-Key": "six"}) for _ in range(2))
        assert (first.status_code, again.json()["workspace"]["id"]) == (202, first.json()["workspace"]["id"])
        (kept,) = http.get(f"{LIST}/six/network").json()["network"]["allow"]
        assert kept["name"] == "b.example"
        wrong = http.post(f"{LIST}/create", json={"name": "seven", **SMALL, "allow": [past, {"cidr": "0.0.0.0/0"}]})
        assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "/allow/1/cidr")
    for refused in ("10.0.0.1", "https://a.example", "*"):
        wrong = nixws(web, "create", "seven", "--network", "locked", "--allow", refused).exception
        assert isinstance(wrong, InvalidInput)
        assert wrong.code != "usage"
    for mode in ((), ("--network", "open"), ("--network", "none")):
        wrong = nixws(web, "create", "seven", *mode, "--allow", "a.example").exception
        assert isinstance(wrong, InvalidInput)
        assert wrong.code == "usage"


def test_the_bounds_of_all_networks_are_told(web: Web) -> None:
    with web.http() as http:
        bounds = http.get("/api/nixos/network").json()
    assert (bounds["default"], bounds["floor"]["mode"]) == ("open", "open")
    assert {"name": "pypi.org", "cidr": None, "ports": [80, 443], "expires_at": None} in bounds["balanced"]
    told = nixws(web, "network").output
    assert "default   open: the internet" in told
    assert "none: every mode may be chosen" in told
    assert "pypi.org port 80, 443" in told
    assert json.loads(nixws(web, "--json", "network").output)["network"] == bounds


def test_a_mode_may_be_given_at_creation(web: Web) -> None:
    assert nixws(web, "create", "two", "--network", "none", "--template", "minimal", "--no-wait").exit_code == 0
    with web.http() as http:
        assert http.get(f"{LIST}/two/network").json()["network"]["mode"] == "none"
        wrong = http.post(f"{LIST}/create", json={"name": "three", **SMALL, "network": "wide"})
        assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "network")
        http.post(f"{LIST}/create", json={"name": "four", **SMALL})
        four = http.get(f"{LIST}/four").json()["workspace"]["id"]
        until("it is created", lambda: four in WORLD.egress or None)
        assert WORLD.egress[four].mode is NetworkMode.OPEN
