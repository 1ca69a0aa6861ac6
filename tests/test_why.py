"""Why a workspace does not do what is expected of it: every situation has its reason, every line its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import until
from web_service import Web, running_web

from nixos_workspaces.errors import Unavailable
from nixos_workspaces.model.environment import environment
from nixos_workspaces.model.machine import BYTES_PER_GB, MachineState, Observed, Pressure, Resources, Usage
from nixos_workspaces.model.service import SENTENCES, Sentence
from nixos_workspaces.model.why.explanation import Explanation, Line, NextAction, Outcome, Question
from nixos_workspaces.model.workspace import Desire, Failure, Fault, Status, Workspace
from nixos_workspaces.operations.why.asking import load_of, telling
from nixos_workspaces.operations.why.explain import explain
from nixos_workspaces.operations.why.situation import Asking, Load, Part, Situation, Unanswered

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUNNING = Workspace(
    id="ws-aaaaaaaaaaaa",
    name="dev",
    owner_id="admin",
    hostname="dev",
    created_at=NOW,
    last_accessed=NOW,
    desire=Desire.RUNNING,
    resources=Resources(1.0, BYTES_PER_GB, BYTES_PER_GB),
    environment=environment("minimal"),
    status=Status.RUNNING,
    built_revision=1,
    volume_bytes=BYTES_PER_GB,
)
CALM = Load(cpu=3, memory=20, storage=40)
WELL = Situation(
    workspace=RUNNING, machine=Observed(RUNNING.id, MachineState.RUNNING), load=CALM, login={}, latency_ms=0.4
)


def failing(code: str, step: str = "start", *, count: int = 3, retried: bool = False) -> Situation:
    """Return a workspace that could not be started."""
    retry_at = NOW + timedelta(seconds=5) if retried else None
    failure = Failure(step, Fault(code, f"It says {code}.", NOW), count, retry_at, 1)
    error = replace(RUNNING, status=Status.STARTING if retried else Status.ERROR)
    broken = replace(error, build_failure=failure) if step == "build" else replace(error, step_failure=failure)
    return Situation(workspace=broken, machine=Observed(RUNNING.id, MachineState.STOPPED), boot_end="init: failed")


def at(status: Status, desire: Desire = Desire.RUNNING) -> Situation:
    """Return a workspace of which nothing failed."""
    there = replace(RUNNING, status=status, desire=desire)
    return Situation(workspace=there, machine=Observed(RUNNING.id, MachineState.STOPPED))


def silent(part: Part, code: str = "") -> Situation:
    """Return a running workspace of which a part does not answer."""
    return replace(WELL, login={part: Unanswered(code, "It gave no answer.")}, latency_ms=None)


def loaded(**load: float) -> Situation:
    return replace(WELL, load=replace(CALM, **load))


AWAY = replace(at(Status.ERROR), machine=None, engine_problem=Unavailable("The node does not answer."))
FULL_DISK = Sentence("disk.full", {"path": "/data", "purpose": "data", "free": "1", "total": "100", "share": "1.0"})
FULL = replace(at(Status.CREATING), full_disk=FULL_DISK)
KEPT = replace(at(Status.ERROR), machine=Observed(RUNNING.id, MachineState.STOPPED, quarantine="its mount is busy"))
FLAWED = replace(WELL, machine=Observed(RUNNING.id, MachineState.RUNNING, flaw="/dev/null is a file."))
NO_FILES = replace(WELL, asking=Asking(may_read_files=False))
READ_ONLY = replace(WELL, asking=Asking(may_write_files=False))
MANY = replace(WELL, asking=Asking(sockets=64, most_sockets=64))

REASONS: list[tuple[Situation, Question, str, NextAction]] = [
    (at(Status.STOPPED, Desire.STOPPED), Question.NOT_RUNNING, "why.stopped", NextAction.START),
    (at(Status.STOPPING, Desire.STOPPED), Question.NOT_RUNNING, "why.stopping", NextAction.WAIT),
    (at(Status.STOPPING), Question.NOT_RUNNING, "why.restarting", NextAction.WAIT),
    (at(Status.DELETING, Desire.DELETED), Question.NOT_RUNNING, "why.deleting", NextAction.WAIT),
    (at(Status.PAUSED, Desire.PAUSED), Question.NOT_RUNNING, "why.paused", NextAction.RESUME),
    (at(Status.STARTING), Question.NOT_RUNNING, "why.starting", NextAction.WAIT),
    (AWAY, Question.NOT_RUNNING, "why.engine", NextAction.LOOK_AT_SERVICE),
    (KEPT, Question.NOT_RUNNING, "why.quarantined", NextAction.LOOK_AT_SERVICE),
    (FULL, Question.NOT_RUNNING, "why.disk", NextAction.LOOK_AT_SERVICE),
    (failing("start_timeout", retried=True), Question.NOT_RUNNING, "why.retried", NextAction.WAIT),
    (failing("insufficient_memory"), Question.NOT_RUNNING, "why.no_room", NextAction.RESIZE),
    (failing("insufficient_storage", "create"), Question.NOT_RUNNING, "why.no_room", NextAction.RESIZE),
    (failing("quota_exceeded"), Question.NOT_RUNNING, "why.no_room", NextAction.RESIZE),
    (failing("build_failed", "build"), Question.NOT_RUNNING, "why.build", NextAction.CHANGE_ENVIRONMENT),
    (failing("build_timeout", "build"), Question.NOT_RUNNING, "why.build", NextAction.REBUILD),
    (failing("boot_failed"), Question.NOT_RUNNING, "why.boot", NextAction.READ_LOG),
    (failing("machine_died", "died"), Question.NOT_RUNNING, "why.died", NextAction.START),
    (failing("volume_lost", "create"), Question.NOT_RUNNING, "why.lost", NextAction.DELETE),
    (failing("internal"), Question.NOT_RUNNING, "why.failed", NextAction.START),
    (silent(Part.SSH, "no_answer"), Question.UNREACHABLE, "why.silent", NextAction.RESTART),
    (silent(Part.SSH, "ssh_refused"), Question.UNREACHABLE, "why.key", NextAction.RESTART),
    (
        replace(silent(Part.SSH, "no_answer"), load=replace(CALM, cpu=99.0)),
        *(Question.UNREACHABLE, "why.busy", NextAction.RESIZE),
    ),
    (replace(silent(Part.SSH, "no_answer"), is_young=True), Question.UNREACHABLE, "why.young", NextAction.WAIT),
    (silent(Part.COMMAND), Question.UNREACHABLE, "why.commands", NextAction.RESTART),
    (silent(Part.TERMINAL), Question.UNREACHABLE, "why.terminals", NextAction.RESTART),
    (MANY, Question.UNREACHABLE, "why.sockets", NextAction.CLOSE_TERMINALS),
    (silent(Part.FILE), Question.FILES, "why.files", NextAction.RESTART),
    (silent(Part.SSH, "ssh_refused"), Question.FILES, "why.key", NextAction.RESTART),
    (NO_FILES, Question.FILES, "why.no_files", NextAction.ASK_OWNER),
    (READ_ONLY, Question.FILES, "why.read_only", NextAction.ASK_OWNER),
    (FLAWED, Question.FILES, "why.device", NextAction.RESTART),
    (loaded(storage=97), Question.FILES, "why.space", NextAction.FREE_SPACE),
    (
        replace(WELL, workspace=replace(RUNNING, oom_kills=2)),
        *(Question.SLOW, "why.killed", NextAction.RESIZE),
    ),
    (loaded(memory=93), Question.SLOW, "why.memory", NextAction.RESIZE),
    (loaded(waits_memory=30), Question.SLOW, "why.waits_memory", NextAction.RESIZE),
    (loaded(cpu=98), Question.SLOW, "why.processor", NextAction.RESIZE),
    (loaded(throttled=40), Question.SLOW, "why.throttled", NextAction.RESIZE),
    (loaded(waits_cpu=40), Question.SLOW, "why.waits_processor", NextAction.LOOK_AT_SERVICE),
    (loaded(waits_disk=40), Question.SLOW, "why.waits_disk", NextAction.LOOK_AT_SERVICE),
    (replace(WELL, latency_ms=800.0), Question.SLOW, "why.far", NextAction.LOOK_AT_SERVICE),
    (FLAWED, Question.SLOW, "why.device", NextAction.RESTART),
    (loaded(storage=97), Question.SLOW, "why.space", NextAction.FREE_SPACE),
]


@pytest.mark.parametrize(("situation", "question", "code", "action"), REASONS)
def test_every_situation_has_its_reason_and_its_next_step(
    situation: Situation, question: Question, code: str, action: NextAction
) -> None:
    told = explain(situation, question)
    assert (told.question, told.said.code, told.next.action) == (question, code, action)
    assert told.said.text
    assert "{" not in told.said.text
    if action not in {NextAction.WAIT, NextAction.ASK_OWNER}:
        assert told.next.command.startswith("nixws ")
        assert told.next.link.startswith("/")


def test_every_reason_and_every_step_is_reached() -> None:
    """A code that no situation leads to would be documented, translated and never said."""
    answers = {code for code in SENTENCES if code.startswith("why.") and code.count(".") == 1}
    assert {code for *_, code, _ in REASONS} | {"why.well"} == answers
    assert {action for *_, action in REASONS} | {NextAction.NONE} == set(NextAction)


@pytest.mark.parametrize("question", [None, *Question])
def test_nothing_is_wrong_with_a_workspace_that_is_well(question: Question | None) -> None:
    told = explain(WELL, question)
    assert (told.question, told.said.code, told.next.action) == (None, "why.well", NextAction.NONE)


@pytest.mark.parametrize(
    ("situation", "question", "code"),
    [
        (at(Status.STOPPED, Desire.STOPPED), Question.NOT_RUNNING, "why.stopped"),
        (replace(silent(Part.SSH, "no_answer"), load=replace(CALM, memory=95)), Question.UNREACHABLE, "why.silent"),
        (loaded(memory=95), Question.SLOW, "why.memory"),
        (loaded(storage=96), Question.FILES, "why.space"),
    ],
)
def test_without_a_question_the_worst_is_answered(situation: Situation, question: Question, code: str) -> None:
    told = explain(situation)
    assert (told.question, told.said.code) == (question, code)


LINES: list[tuple[Line, Situation, str, Situation]] = [
    (Line.START_RESOURCES, failing("insufficient_memory"), "why.no_room", WELL),
    (Line.START_INFRASTRUCTURE, AWAY, "why.engine", WELL),
    (Line.START_CONFIGURATION, failing("build_failed", "build"), "why.build", WELL),
    (Line.START_LOGS, failing("boot_failed"), "why.seen.boot", WELL),
    (Line.TERMINAL_RUNNING, at(Status.STOPPED, Desire.STOPPED), "why.found.not_running", WELL),
    (Line.TERMINAL_SSH, silent(Part.TERMINAL), "why.terminals", WELL),
    (Line.TERMINAL_WEBSOCKET, MANY, "why.sockets", replace(WELL, asking=Asking(sockets=1, most_sockets=64, arrived=2))),
    (Line.TERMINAL_NETWORK, silent(Part.SSH, "no_answer"), "why.silent", WELL),
    (Line.FILES_PERMISSIONS, NO_FILES, "why.no_files", WELL),
    (Line.FILES_SSH, silent(Part.SSH, "host_key_mismatch"), "why.key", WELL),
    (Line.FILES_SYSTEM, silent(Part.FILE), "why.files", WELL),
    (Line.FILES_SPACE, loaded(storage=99), "why.space", WELL),
]


def outcome(told: Explanation, line: Line) -> tuple[Outcome, str]:
    [check] = [one for one in told.checks if one.line is line]
    return check.outcome, check.finding.code


@pytest.mark.parametrize(("line", "bad", "code", "good"), LINES, ids=[str(line) for line, *_ in LINES])
def test_each_line_of_the_troubleshooting_is_answered_by_name(
    line: Line, bad: Situation, code: str, good: Situation
) -> None:
    assert outcome(explain(bad), line) == (Outcome.BAD, code)
    assert outcome(explain(good), line)[0] is Outcome.GOOD


def test_the_twelve_lines_are_those_of_the_specification_in_its_order() -> None:
    assert [line for line, *_ in LINES] == list(Line)
    assert [line.sentence.text for line in Line] == [
        *("Check resource availability", "Verify NixOS infrastructure status"),
        *("Review workspace configuration", "Check system logs"),
        *("Verify workspace is running", "Check SSH service status"),
        *("Validate WebSocket connection", "Review network connectivity"),
        *("Check workspace permissions", "Verify SSH authentication"),
        *("Review file system status", "Check disk space availability"),
    ]


def test_a_viewer_is_sent_to_the_owner_and_is_not_shown_the_log() -> None:
    viewer = Asking(may_act=False, may_read_log=False)
    told = explain(replace(failing("boot_failed"), asking=viewer))
    assert told.next.action is NextAction.ASK_OWNER
    assert "init: failed" not in json.dumps([one.text for one in told.evidence] + [c.finding.text for c in told.checks])
    assert explain(replace(at(Status.STOPPED), asking=viewer)).next.action is NextAction.ASK_OWNER


PERCENT = st.floats(0, 100)


@given(
    status=st.sampled_from(Status),
    desire=st.sampled_from(Desire),
    question=st.none() | st.sampled_from(Question),
    machine=st.none() | st.builds(Observed, st.just(RUNNING.id), st.sampled_from(MachineState)),
    load=st.none() | st.builds(Load, *[PERCENT] * 7),
    login=st.none() | st.dictionaries(st.sampled_from(Part), st.builds(Unanswered, st.text(), st.text())),
    failure=st.none() | st.builds(Failure, st.text(), st.builds(Fault, st.text(), st.text(), st.just(NOW)),
                                  st.integers(1, 9), st.none() | st.just(NOW), st.integers(1, 2)),
    asking=st.builds(Asking, *[st.booleans()] * 4, st.integers(0, 2)),
    latency=st.none() | st.floats(0, 1e6),
)  # fmt: skip
def test_whatever_is_seen_there_is_one_answer_that_can_be_said(  # noqa: PLR0913, PLR0917 - a situation has many sides
    status: Status,
    desire: Desire,
    question: Question | None,
    machine: Observed | None,
    load: Load | None,
    login: dict[Part, Unanswered] | None,
    failure: Failure | None,
    asking: Asking,
    latency: float | None,
) -> None:
    workspace = replace(RUNNING, status=status, desire=desire, step_failure=failure)
    told = explain(
        Situation(workspace=workspace, machine=machine, load=load, login=login, latency_ms=latency, asking=asking),
        question,
    )
    assert [one.line for one in told.checks] == list(Line)
    for sentence in (told.said, told.next.said, *told.evidence, *(one.finding for one in told.checks)):
        assert sentence.text
    assert (told.question is None) == (told.said.code == "why.well")
    if status is not Status.RUNNING and question is not Question.FILES:
        assert told.question is not None


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        ("\x1b[0;32m  OK  \x1b[0m Started sshd.\r\n\r\n", "OK Started sshd."),
        ("[FAILED] Failed to start sshd.\nReached target.\n", "[FAILED] Failed to start sshd."),
        ("x" * 500, "x" * 200),
    ],
)
def test_the_line_of_a_log_that_tells_most(log: str, line: str) -> None:
    assert telling(log) == line


def usage(at: float, cpu: float = 0.0, pressure: Pressure | None = None, run: str = "1") -> Usage:
    return Usage(cpu, BYTES_PER_GB // 2, 40, 100, 3, 0, 0, at, run=run, throttled_seconds=cpu / 4, pressure=pressure)


def test_figures_come_out_of_two_readings_and_never_out_of_two_runs() -> None:
    before, after = usage(10, 5, Pressure(1, 0, 0, 2, 0)), usage(12, 7, Pressure(2, 0.5, 0, 3, 0))
    assert load_of(before, after, RUNNING) == Load(100, 50, 40, 25, 50, 25, 50)
    other = load_of(before, replace(after, run="2"), RUNNING)
    assert (other.cpu, other.waits_cpu, other.memory) == (0, 0, 50)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("why"))) as running:
        yield running


def test_the_answer_of_the_api(web: Web) -> None:
    made = web.create("asked")
    with web.http() as http:
        http.post(f"/api/nixos/workspaces/{made['id']}/stop")
        web.reaches(made["id"], "stopped")
        told = http.get("/api/nixos/workspaces/asked/why").json()
        assert set(told) == {"question", "code", "sentence", "said", "evidence", "next", "checks"}
        assert (told["question"], told["code"]) == ("not_running", "stop.asked")
        assert told["next"]["command"] == "nixws start asked"
        assert [check["line"] for check in told["checks"]] == list(Line)
        assert {one["said"]["code"] for one in told["evidence"]} >= {"why.seen.status", "why.seen.machine"}
        refused = http.get("/api/nixos/workspaces/asked/why", params={"question": "else"})
        assert (refused.status_code, refused.json()["error"]["field"]) == (422, "question")
        assert http.get("/api/nixos/workspaces/none/why").status_code == 404
        http.delete(f"/api/nixos/workspaces/{made['id']}")
        until("it is gone", lambda: http.get(f"/api/nixos/workspaces/{made['id']}").status_code == 404)
