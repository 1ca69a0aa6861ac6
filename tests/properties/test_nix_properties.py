"""Properties of the pure parts of ``nixos_workspaces.nix``, and of ``workspace.json`` as Nix reads it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from real_nix import machine_nix

from nixos_workspaces.errors import BuildFailed, WorkspacesError
from nixos_workspaces.model.environment import Environment, environment
from nixos_workspaces.model.names import is_package_name
from nixos_workspaces.model.workspace import Phase, Progress
from nixos_workspaces.nix.flakes import from_json, to_json
from nixos_workspaces.nix.index import Names
from nixos_workspaces.nix.reports.build_log import BuildLog, plain, store_name
from nixos_workspaces.nix.reports.failures import explain
from nixos_workspaces.process import run

PHASES = [Phase.EVALUATE, Phase.FETCH, Phase.BUILD]
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_'-]{0,20}(\.[A-Za-z0-9_][A-Za-z0-9_'-]{0,10}){0,4}", fullmatch=True)
ENVIRONMENTS = st.builds(
    environment, st.sampled_from(["minimal", "python"]), st.lists(NAMES), st.lists(st.integers(1, 65535))
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
NUMBERS = st.integers(-5, 1 << 70) | st.floats() | st.text(max_size=3) | st.none()
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from(["start", "stop", "result", "msg", "other"]) | JSON,
        "id": st.integers(0, 5) | JSON,
        "type": st.sampled_from([0, 100, 101, 102, 103, 104, 105, 106, 107, 108, 112]) | JSON,
        "level": st.integers(-1, 8) | JSON,
        "text": st.text() | JSON,
        "msg": st.text() | JSON,
        "fields": st.lists(NUMBERS, max_size=5) | JSON,
    },
)
LINES = st.one_of(
    st.binary(max_size=80),
    EVENTS.map(lambda event: b"@nix " + json.dumps(event).encode()),
    st.tuples(EVENTS, st.integers(0, 60)).map(lambda pair: (b"@nix " + json.dumps(pair[0]).encode())[: pair[1]]),
    st.just(b"@nix " + b"[" * 5000),
    st.just(b"@nix " + b"9" * 5000),
)


def valid(progress: Progress) -> bool:
    return (
        progress.phase in PHASES
        and (progress.fraction is None or 0.0 <= progress.fraction <= 1.0)
        and len(progress.message) <= 200
    )


@given(st.lists(LINES, max_size=60))
@example([b"\n "])
def test_log_reader_survives_everything(lines: list[bytes]) -> None:
    """Never fails, never goes back, never hands on an escape sequence."""
    log = BuildLog()
    seen: list[Progress] = []
    for line in lines:
        reading = log.feed(line)
        for text in reading.lines:
            assert "\x1b" not in text
            assert "\n" not in text
        if reading.progress is not None:
            seen.append(reading.progress)
    assert all(valid(item) for item in seen)
    order = [PHASES.index(item.phase) for item in seen]
    assert order == sorted(order)
    for phase in PHASES:
        fractions = [item.fraction for item in seen if item.phase is phase and item.fraction is not None]
        assert fractions == sorted(fractions)
    assert isinstance(explain(log.errors, tails=log.tails), WorkspacesError)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=60), max_size=30))
def test_lines_that_are_no_events_are_all_kept(lines: list[str]) -> None:
    log = BuildLog()
    told = [text for line in lines for text in log.feed(line.encode()).lines]
    assert told == lines


@given(st.lists(st.text(max_size=40), max_size=30))
def test_builders_lines_are_all_kept_in_order(lines: list[str]) -> None:
    log = BuildLog()
    start = {"action": "start", "id": 1, "type": 105, "level": 3, "text": "building", "fields": ["/x.drv"]}
    log.feed(b"@nix " + json.dumps(start).encode())
    told: list[str] = []
    for line in lines:
        event = {"action": "result", "id": 1, "type": 101, "fields": [line]}
        told += log.feed(b"@nix " + json.dumps(event).encode()).lines
    assert told == [f"/x.drv> {plain(line)}" for line in lines]
    assert log.tails.get("/x.drv", ()) == tuple(plain(line) for line in lines)[-10:]


@given(st.permutations(range(1, 9)))
def test_reordered_counts_never_go_back(counts: list[int]) -> None:
    log = BuildLog()
    log.feed(b'@nix {"action":"start","id":7,"type":104,"level":0,"text":""}')
    for count in counts:
        log.feed(f'@nix {{"action":"result","id":7,"type":105,"fields":[{count},8,0,0]}}'.encode())
    last = log.feed(b'@nix {"action":"start","id":8,"type":105,"level":3,"text":"","fields":["/x"]}').progress
    assert last is not None
    assert last.fraction == 1.0


@given(st.integers(0, 400))
def test_memory_of_the_reader_is_bounded(extra: int) -> None:
    log = BuildLog()
    for number in range(200 + extra):
        log.feed(f'@nix {{"action":"start","id":{number},"type":105,"fields":["/x{number}"]}}'.encode())
        log.feed(f'@nix {{"action":"result","id":{number},"type":101,"fields":["line"]}}'.encode())
        log.feed(b"garbage")
    assert len(log.tails) <= 64
    assert log.errors.count("\n") < 64


@given(st.text(max_size=300), st.floats(0.1, 1e6) | st.none())
def test_every_failure_has_a_sentence(text: str, timeout: float | None) -> None:
    error = explain(text, timeout=timeout)
    assert error.message
    assert len(error.message) < 2000
    assert isinstance(error, BuildFailed) or error.code.startswith("nix_")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
@example("\n\x1f")
@example("\n ")
def test_plain_text_holds_no_control_characters(text: str) -> None:
    assert all(character == "\t" or ord(character) >= 0x20 for character in plain(text))
    assert plain(plain(text)) == plain(text)


def test_store_names() -> None:
    assert store_name("/nix/store/77z3s7z2vja51dqjswq07k7crb7hyzqh-broken-1.0.drv") == "broken-1.0"
    assert store_name("/nix/store/77z3s7z2vja51dqjswq07k7crb7hyzqh-git-2") == "git-2"
    assert store_name("else") == "else"


@given(ENVIRONMENTS)
def test_workspace_json_is_read_back(data: Environment) -> None:
    assert from_json(to_json(data, "x86_64-linux")) == data


@given(st.lists(NAMES, max_size=8), st.lists(st.integers(1, 65535), max_size=8), st.randoms())
def test_equal_environments_are_equal_bytes(packages: list[str], ports: list[int], random: Any) -> None:
    shuffled, doubled = [*packages, *packages], [*ports, *ports]
    random.shuffle(shuffled)
    random.shuffle(doubled)
    assert to_json(environment("minimal", packages, ports), "s") == to_json(
        environment("minimal", shuffled, doubled), "s"
    )


@given(JSON)
def test_foreign_json_is_refused_as_a_value_error(data: Any) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(from_json(json.dumps(data).encode()), Environment)


@given(st.text(max_size=140))
def test_accepted_names_are_harmless(name: str) -> None:
    if is_package_name(name):
        assert name.isascii()
        assert not set(name) & set(' \t\n"\\$`;/#^<>(){}[]|&*?!~=,:@%+')
        assert ".." not in name
        assert name[0] != "-"


@given(NAMES, st.lists(NAMES, max_size=20))
def test_nearest_are_existing_names(name: str, existing: list[str]) -> None:
    found = Names(existing).nearest(name)
    assert set(found) <= set(existing)
    assert len(found) <= 3
    assert len(set(found)) == len(found)


@settings(max_examples=5, deadline=None)
@given(st.lists(ENVIRONMENTS, min_size=40, max_size=40))
def test_nix_reads_the_same_data(tmp_path_factory: pytest.TempPathFactory, batch: list[Environment]) -> None:
    """Nix's fromJSON reads workspace.json as it was meant, character by character."""
    directory: Path = tmp_path_factory.mktemp("json")
    for number, data in enumerate(batch):
        (directory / f"{number}.json").write_bytes(to_json(data, "x86_64-linux"))
    expression = (
        "{ directory, count }: map (n: builtins.fromJSON (builtins.readFile (/. + directory + "
        '"/${toString n}.json"))) (builtins.genList (n: n) (builtins.fromJSON count))'
    )
    (directory / "read.nix").write_text(expression)
    nix = machine_nix().homed(directory)
    words = ["--eval", "--strict", "--json", str(directory / "read.nix")]
    words += ["--argstr", "directory", str(directory), "--argstr", "count", str(len(batch))]
    command = nix.command(*words, program="nix-instantiate")
    seen = json.loads(run(command, env=nix.environment).stdout)
    assert [from_json(json.dumps(item).encode()) for item in seen] == batch
