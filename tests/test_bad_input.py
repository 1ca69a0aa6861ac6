"""Bad input of every kind is refused with the right status, code and field, and makes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_input_cases import CASES, Case, send
from web_service import Web, running_web


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running
        with running.http() as http:
            assert http.get("/api/nixos/workspaces").json()["workspaces"] == [], "bad input has made something"


def test_the_table_is_large() -> None:
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.encode("unicode_escape").decode())
def test_bad_input_is_refused(web: Web, case: Case) -> None:
    answer = send(case, web.url, web.token)
    error = answer.error
    assert (answer.status, error["code"], error["field"]) == (case.status, case.code, case.field), error["message"]
    assert set(error) == {"code", "message", "field", "request_id", "said"}
    assert error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    assert "Traceback" not in error["message"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"template": "none-such"}, "template"),
        ({"packages": ["git", "none-such-package"]}, "packages"),
        ({"cpu": 1000}, "cpu"),
        ({"memory": 60_000}, "memory"),
        ({"storage": 1_000_000}, "storage"),
    ],
)
def test_what_the_machine_does_not_have_is_refused(web: Web, changed: dict[str, object], field: str) -> None:
    wanted = {"name": "too-much", "cpu": 1, "memory": 1, "storage": 1, "template": "minimal", "packages": []}
    with web.http() as http:
        answer = http.post("/api/nixos/workspaces/create", json=wanted | changed)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["field"] == field
