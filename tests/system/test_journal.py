"""The journal of a running workspace, from a real journald, by HTTP and on the command line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import httpx2
import pytest
from system.service import JSON, Service
from waiting import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("journaled", cpu=1, memory=0.5, storage=0.5)
    yield made
    service.delete(made["id"])


def path(workspace: JSON) -> str:
    return f"/api/nixos/workspaces/{workspace['id']}/journal"


def test_the_end_of_the_journal_is_told_by_level(service: Service, workspace: JSON) -> None:
    service.ssh(workspace, "logger -t mine -p user.err 'it broke'; logger -t mine -p user.info 'it goes on'")
    found = service.http.get(service.url + path(workspace), params={"lines": 50}).json()["entries"]
    mine = [(one["level"], one["text"]) for one in found if one["program"] == "mine"]
    assert mine == [("err", "it broke"), ("info", "it goes on")]
    assert found == sorted(found, key=lambda one: str(one["at"]))
    urgent = service.http.get(service.url + path(workspace), params={"level": "err"}).json()["entries"]
    assert {one["level"] for one in urgent} <= {"emerg", "alert", "crit", "err"}
    assert "it broke" in {one["text"] for one in urgent}
    assert "mine: it broke" in service.nixws("logs", "--journal", workspace["name"])


def test_a_followed_journal_tells_what_comes_and_ends_with_the_workspace(service: Service, workspace: JSON) -> None:
    heard: list[str] = []
    begun = threading.Event()

    def listen() -> None:
        with service.http.stream(
            "GET", service.url + path(workspace), params={"follow": 1, "lines": 1}, timeout=httpx2.Timeout(60)
        ) as stream:
            for line in stream.iter_lines():
                heard.append(json.loads(line).get("text", ""))
                begun.set()
                if "last words" in heard[-1]:
                    return

    listening = threading.Thread(target=listen)
    listening.start()
    assert begun.wait(30)
    service.ssh(workspace, "logger 'last words'")
    listening.join(30)
    assert not listening.is_alive()
    assert heard[-1] == "last words"


def test_the_process_of_a_followed_journal_ends_when_its_reader_leaves(service: Service, workspace: JSON) -> None:
    def followers() -> int:
        """Return how many processes of the workspace follow its journal; the pattern does not find itself."""
        return int(service.ssh(workspace, "pgrep -cf '[j]ournalctl .*--follow' || true"))

    until("nobody follows it yet", lambda: followers() == 0)
    with service.http.stream(
        "GET", service.url + path(workspace), params={"follow": 1, "lines": 1}, timeout=httpx2.Timeout(60)
    ) as stream:
        lines = stream.iter_lines()  # let go of, it would close the answer
        next(lines)
        assert followers() == 1
    until("the process has ended", lambda: followers() == 0)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"lines": -1}, "lines"),
        ({"lines": 5001}, "lines"),
        ({"level": "loud"}, "level"),
        ({"follow": "so"}, "follow"),
    ],
)
def test_a_wrong_question_is_refused(
    service: Service, workspace: JSON, query: dict[str, str | int], field: str
) -> None:
    answer = service.http.get(service.url + path(workspace), params=query)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field


def test_a_workspace_that_does_not_run_has_none_to_tell(service: Service, workspace: JSON) -> None:
    service.nixws("stop", workspace["name"])
    answer = service.http.get(service.url + path(workspace))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_running")
