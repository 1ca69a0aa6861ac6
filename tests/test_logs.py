"""Log lines: what each belongs to, their form, and that none tells a secret."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until
from web_service import SMALL, Web, running_web

from nixos_workspaces.logs.form import JsonLines, TextLines
from nixos_workspaces.logs.masking import HIDDEN
from nixos_workspaces.logs.recent import ACCESS, RecentLines

TOKEN = "nixws_abcdefghijklmnopqrstuvwx"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"


class Kept:
    """The JSON lines that were logged."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.setFormatter(JsonLines())

    def lines(self, **wanted: object) -> list[dict[str, Any]]:
        """Return the lines that have these values."""
        told = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [one for one in told if wanted.items() <= one.items()]


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept, root = Kept(), logging.getLogger()
    before = root.level
    root.addHandler(kept.handler)
    root.setLevel(logging.INFO)
    yield kept
    root.removeHandler(kept.handler)
    root.setLevel(before)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with running_web(tmp_path) as running:
        yield running


def test_a_request_its_workspace_and_the_work_that_it_began_are_told_together(kept: Kept, web: Web) -> None:
    """The id that a client sends is found again in the access line, and in what the reconciler says of the work."""
    with web.http() as http:
        answer = http.post(
            "/api/nixos/workspaces/create", json={"name": "told", **SMALL}, headers={"X-Request-Id": "made-by-me"}
        )
        made = answer.json()["workspace"]["id"]
        web.reaches(made, "running")
        [access] = until("the request is told", lambda: kept.lines(logger=ACCESS, request_id="made-by-me"))
        assert {"time", "level", "logger", "message"} <= set(access)
        assert (access["method"], access["status"], access["workspace_id"]) == ("POST", 202, made)
        began = {"task": "reconcile", "request_id": "made-by-me", "workspace_id": made, "outcome": "done"}
        until(
            "all steps are told", lambda: {one["step"] for one in kept.lines(**began)} == {"build", "create", "start"}
        )
        http.post(f"/api/nixos/workspaces/{made}/stop", headers={"X-Request-Id": "stopped-by-me"})
        web.reaches(made, "stopped")
        stopped = {"task": "reconcile", "request_id": "stopped-by-me", "workspace_id": made}
        [step] = until("the step is told", lambda: kept.lines(**stopped))
        assert (step["step"], step["outcome"]) == ("stop", "done")
        [access] = until("the request is told", lambda: kept.lines(logger=ACCESS, request_id="stopped-by-me"))
        assert access["workspace_id"] == made
        http.get("/readyz", headers={"X-Request-Id": "of-no-workspace"})
        [access] = until("the request is told", lambda: kept.lines(logger=ACCESS, request_id="of-no-workspace"))
        assert "workspace_id" not in access


def record(message: str, *arguments: object, level: int = logging.INFO, name: str = "some") -> logging.LogRecord:
    return logging.LogRecord(name, level, "file", 1, message, arguments, None)


@pytest.mark.parametrize("form", [TextLines(), JsonLines()])
@pytest.mark.parametrize("secret", [TOKEN, KEY, "https://user:hunter22@git.example/x"])
def test_no_line_tells_a_secret_that_can_be_told_by_its_form(form: logging.Formatter, secret: str) -> None:
    try:
        raise RuntimeError(f"it said {secret}")  # noqa: TRY301 - a trace tells it
    except RuntimeError:
        line = record("Sent %s", secret)
        line.exc_info = sys.exc_info()
        line.fields = {"header": secret}
    told = form.format(line)
    assert HIDDEN in told
    for part in (TOKEN, "AAAA", "hunter22"):
        assert part not in told


def test_an_object_is_one_line_whatever_it_says() -> None:
    told = JsonLines().format(record("two\nlines \x1b[31m and %s", "\u2028"))
    assert "\n" not in told
    assert json.loads(told)["message"] == "two\nlines \x1b[31m and \u2028"


def test_the_last_lines_are_kept_without_requests_and_warnings_stay_longest() -> None:
    recent = RecentLines()
    recent.handle(record("warned", level=logging.WARNING))
    for number in range(1000):
        recent.handle(record("line %d", number))
        recent.handle(record("request", name=ACCESS))
    told = [json.loads(line)["message"] for line in recent.lines()]
    assert told[0] == "warned"
    assert told[-1] == "line 999"
    assert len(told) <= 401
    assert "request" not in told


@pytest.mark.parametrize("as_json", [True, False])
def test_a_process_logs_in_the_form_that_is_set(as_json: bool) -> None:  # noqa: FBT001
    code = (
        "import logging; from nixos_workspaces.logs.form import log_to_stderr; "
        f"log_to_stderr('info', as_json={as_json}); logging.getLogger('a.b').warning('said %s', 1)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    if as_json:
        told = json.loads(said)
        assert (told["level"], told["logger"], told["message"]) == ("warning", "a.b", "said 1")
    else:
        assert said.rstrip().endswith("WARNING a.b: said 1")
