"""Recordings of terminals: a real service, sshd and holder; what is stored, who may read it, how it ends."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from holder_fixture import build, running_holder
from sshd_fixture import local_sshd
from terminal_web import Viewer, terminal_place, terminal_web, viewer
from test_cli import run
from waiting import until
from web_service import Web

from nixos_workspaces.database.terminals.recordings import RecordingRepository
from nixos_workspaces.errors import Unavailable
from nixos_workspaces.settings import RecordingPolicy
from nixos_workspaces.terminals.recording import cast

TESTS = Path(__file__).parent
SECRET = "correct horse battery staple"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with terminal_web(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture(scope="module")
def workspace(web: Web) -> str:
    found = str(web.create("recorded")["id"])
    assert asked(web, "PUT", f"{found}/terminal-choices", {"record": True, "moderated": False}).status_code == 200
    return found


def asked(web: Web, method: str, path: str, body: object = None) -> httpx2.Response:
    with web.http() as http:
        return http.request(method, f"/api/nixos/workspaces/{path}", json=body)


def opened(web: Web, workspace: str, command: str) -> str:
    answer = asked(web, "POST", f"{workspace}/terminals", {"command": command})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["terminal"]["id"])


def recordings(web: Web, workspace: str, query: str = "") -> list[dict[str, Any]]:
    answer = asked(web, "GET", f"{workspace}/recordings{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["recordings"]
    return found


def ended(web: Web, workspace: str, terminal: str) -> dict[str, Any]:
    """Return the recording of a terminal once it has ended."""

    def look() -> dict[str, Any] | None:
        found = [one["recording"] for one in recordings(web, workspace, f"?terminal={terminal}")]
        return next((one for one in found if one["state"] != "running"), None)

    return until("the recording has ended", look)


def cast_of(web: Web, workspace: str, recording: dict[str, Any]) -> bytes:
    answer = asked(web, "GET", f"{workspace}/recordings/{recording['id']}/cast")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-asciicast"
    return answer.content


def output_of(file: bytes) -> bytes:
    events = cast.read(filter(None, file.split(b"\n")))
    return b"".join(cast.bytes_of(one.data) for one in events if one.code == cast.Code.OUTPUT)


def audit(web: Web, action: str) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        async with web.services.database.reading() as tx:
            return [dict(one.detail or {}) for _, one in await tx.audit.entries() if one.action == action]

    return web.run(look())


def typed(session: Viewer, line: str) -> None:
    session.type(line + "\n")


def test_a_recording_holds_every_byte_and_its_sums_stand_in_the_audit(web: Web, workspace: str) -> None:
    bytes_ = r"printf '\303\244\377\300 a\r\n\033[31mred\033[0m \360\237\230\200'; exit 7"
    terminal = opened(web, workspace, bytes_)
    recording = ended(web, workspace, terminal)
    assert (recording["state"], recording["exit_status"], recording["missing"]) == ("complete", 7, 0)
    file = cast_of(web, workspace, recording)
    output = output_of(file)
    assert output == b"\303\244\377\300 a\r\r\n\033[31mred\033[0m \360\237\230\200"
    assert recording["end"] == len(output)
    assert recording["sha256"] == hashlib.sha256(output).hexdigest()
    assert recording["cast_sha256"] == hashlib.sha256(file).hexdigest()
    head, *_, last = file.splitlines()
    assert json.loads(head)["version"] == 3
    assert json.loads(last)[1:] == ["x", "7"]
    entry = next(one for one in audit(web, "end-recording") if one["recording"] == recording["id"])
    assert (entry["sha256"], entry["end"], entry["terminal"]) == (recording["sha256"], len(output), terminal)


def test_input_without_echo_never_appears_and_input_is_attributed(web: Web, workspace: str) -> None:
    command = "stty -echo; echo name; read secret; stty echo; echo done; read more; exit 0"
    terminal = opened(web, workspace, command)
    with viewer(web.url, workspace, web.headers, session=terminal) as one:
        one.until_output("name")
        typed(one, SECRET)
        one.until_output("done")
        typed(one, "seen")
        one.until_said("exit")
    recording = ended(web, workspace, terminal)
    file = cast_of(web, workspace, recording)
    assert SECRET.encode() not in file
    assert b"seen" in file
    ranges = asked(web, "GET", f"{workspace}/recordings/{recording['id']}/typed").json()["typed"]
    assert {one["principal"] for one in ranges} == {"admin"}
    assert (ranges[0]["first"], ranges[-1]["end"]) == (0, len(SECRET) + len("seen") + 2)
    assert SECRET not in json.dumps(ranges)
    stored = [*web.services.settings.data.glob("recordings/*.sealed")]
    assert stored
    assert all(b"seen" not in path.read_bytes() and b"version" not in path.read_bytes() for path in stored)


def test_people_list_search_and_remove_recordings(web: Web, workspace: str) -> None:
    needle = "needle-in-the-hay"
    terminal = opened(
        web, workspace, f"printf 'one\\r\\n\\033[1mNeedle\\033[0m-in-the-hay here\\r\\n'; echo {needle[:3]}"
    )
    recording = ended(web, workspace, terminal)
    [found] = recordings(web, workspace, f"?q={needle}")
    assert found["recording"]["id"] == recording["id"]
    assert [line["text"] for line in found["lines"]] == ["Needle-in-the-hay here"]
    path = f"{workspace}/recordings/{recording['id']}"
    assert asked(web, "GET", path).json()["recording"] == recording
    assert asked(web, "DELETE", path).status_code == 204
    for gone in (path, f"{path}/cast", f"{path}/typed"):
        answer = asked(web, "GET", gone)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "recording_not_found")
    assert not [*web.services.settings.data.glob(f"recordings/{recording['id']}*")]
    assert [one["recording"] for one in audit(web, "delete-recording")] == [recording["id"]]


def test_a_recording_that_was_changed_on_the_disk_is_refused(web: Web, workspace: str) -> None:
    recording = ended(web, workspace, opened(web, workspace, "echo changed; sleep 0.5; echo twice; exit 0"))
    [path] = web.services.settings.data.glob(f"recordings/{recording['id']}*")
    content = bytearray(path.read_bytes())
    content[150] ^= 1
    path.write_bytes(content)
    answer = asked(web, "GET", f"{workspace}/recordings/{recording['id']}/cast")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "recording_unreadable")


def test_turning_it_off_ends_a_recording_and_the_terminal_goes_on(web: Web) -> None:
    workspace = str(web.create("switched")["id"])
    terminal = opened(web, workspace, "echo hello; exec cat")
    assert recordings(web, workspace) == []
    choose = partial(asked, web, "PUT", f"{workspace}/terminal-choices")
    assert choose({"record": True, "moderated": False}).json() == {
        "record": True,
        "moderated": False,
        "policy": "optional",
    }
    [running] = until("it is recorded", lambda: recordings(web, workspace) or None)
    path = f"{workspace}/recordings/{running['recording']['id']}"
    refused = asked(web, "DELETE", path)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "recording_runs")
    until("it is stored", lambda: output_of(cast_of(web, workspace, running["recording"])) == b"hello\r\n")
    choose({"record": False, "moderated": False})
    cut = ended(web, workspace, terminal)
    assert (cut["state"], cut["reason"], output_of(cast_of(web, workspace, cut))) == ("cut", "turned_off", b"hello\r\n")
    with viewer(web.url, workspace, web.headers, session=terminal) as one:
        one.type("goes on\n")
        one.until_output("goes on")
    assert asked(web, "DELETE", f"{workspace}/terminals/{terminal}").status_code == 204


@pytest.mark.parametrize(
    ("policy", "record"), [(RecordingPolicy.REQUIRED, False), (RecordingPolicy.OFF, True)], ids=["required", "off"]
)
def test_the_service_decides_where_its_policy_does(tmp_path: Path, policy: RecordingPolicy, *, record: bool) -> None:
    with terminal_place(tmp_path, recording=policy) as (web, _):
        workspace = str(web.create("decided")["id"])
        refused = asked(web, "PUT", f"{workspace}/terminal-choices", {"record": record, "moderated": False})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "recording_policy")
        terminal = opened(web, workspace, "echo all of it; exit 0")
        if policy is RecordingPolicy.OFF:
            with viewer(web.url, workspace, web.headers, session=terminal, offset=0) as one:
                one.until_said("exit")
            assert recordings(web, workspace) == []
        else:
            recording = ended(web, workspace, terminal)
            assert output_of(cast_of(web, workspace, recording)) == b"all of it\r\n"
            kept = asked(web, "DELETE", f"{workspace}/recordings/{recording['id']}")
            assert (kept.status_code, kept.json()["error"]["code"]) == (409, "recording_policy")


def test_recordings_go_when_their_time_is_over(tmp_path: Path) -> None:
    with terminal_place(tmp_path, recording=RecordingPolicy.REQUIRED, recording_days=0.0) as (web, _):
        workspace = str(web.create("expiring")["id"])
        recording = ended(web, workspace, opened(web, workspace, "exit 0"))
        web.run(web.services.recording.recordings.expire())
        assert recordings(web, workspace) == []
        assert not [*tmp_path.glob(f"recordings/{recording['id']}*")]


@pytest.mark.machine
@pytest.mark.parametrize("rule", ["strict", "lenient"])
def test_a_full_disk_ends_the_terminal_only_where_that_is_the_rule(tmp_path: Path, rule: str) -> None:
    """On a small file system of its own, in a mount namespace."""
    scenario = str(TESTS / "recording_disk_scenario.py")
    argv = ["unshare", "--mount", "--propagation", "private", sys.executable, scenario]
    done = subprocess.run(
        [*argv, rule, str(tmp_path / "data")],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize(
    ("is_strict", "code"),
    [(True, "database_unavailable"), (False, "database_unavailable"), (True, "holder_unavailable")],
    ids=["strict", "lenient", "strict, workspace away"],
)
def test_a_database_that_takes_no_recording_ends_the_terminal_only_where_that_is_the_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_strict: bool, code: str
) -> None:
    async def full(*_: object) -> None:
        raise Unavailable("The database's disk is full.", code=code)

    with terminal_place(tmp_path, recording=RecordingPolicy.REQUIRED, recording_strict=is_strict) as (web, _):
        workspace = str(web.create("unrecorded")["id"])
        monkeypatch.setattr(RecordingRepository, "add", full)
        terminal = opened(web, workspace, "stty -echo; echo ready; exec cat")
        with viewer(web.url, workspace, web.headers, session=terminal, offset=0) as one:
            if is_strict and code == "database_unavailable":
                one.until_said("exit")
            else:
                one.until_output("ready")
                one.type("goes on\n")
                one.until_output("goes on")
                one.type("\x04")
                one.until_said("exit")


def test_a_killed_recorder_goes_on_where_its_file_ends(tmp_path: Path) -> None:
    """The recorder is a process of its own here, killed in the middle of a stream, three times."""
    with tempfile.TemporaryDirectory(prefix="nixws-agent-") as directory:
        Path(directory).chmod(0o755)
        program = build("all", Path(directory))
        with local_sshd() as sshd, running_holder(program, user=sshd.uid) as holder:
            host_key = sshd.known_hosts.read_text().split(maxsplit=1)[1].strip()
            place = {
                "data": str(tmp_path),
                "port": sshd.port,
                "key": sshd.key.read_text(),
                "host_key": host_key,
                "user": sshd.user,
                "socket": str(holder.socket),
            }
            last = ""
            for turn in range(4):
                with subprocess.Popen(
                    [sys.executable, str(TESTS / "recorder_process.py")],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                ) as process:
                    assert process.stdin is not None
                    assert process.stdout is not None
                    process.stdin.write(json.dumps({**place, "is_first": turn == 0}) + "\n")
                    process.stdin.flush()
                    if turn < 3:
                        assert process.stdout.readline() == "recording\n"
                        process.kill()
                    else:
                        last = process.stdout.read().splitlines()[-1]
            said = json.loads(last)
    expected = b"".join(b"line %d\r\n" % number for number in range(1, 4001))
    assert said["state"] == "complete"
    assert (said["missing"], said["end"]) == (0, len(expected))
    assert said["sha256"] == hashlib.sha256(expected).hexdigest() == said["read_sha256"]
    assert said["cast_sha256"] == said["read_cast_sha256"]


def test_a_removed_recording_does_not_come_back(web: Web, workspace: str) -> None:
    """Its terminal has ended and is listed for minutes; a look may have begun while it was still recorded."""
    recording = ended(web, workspace, opened(web, workspace, "echo gone; exit 0"))
    assert asked(web, "DELETE", f"{workspace}/recordings/{recording['id']}").status_code == 204
    recorder, key = web.services.recording.recorder, (workspace, recording["terminal_id"])

    async def look_late() -> None:
        recorder._begin(key, has_ended=True)
        await recorder._tasks[key]

    web.run(look_late())
    assert recording["terminal_id"] not in {one["recording"]["terminal_id"] for one in recordings(web, workspace)}


def test_the_command_line_chooses_lists_downloads_and_removes(web: Web, tmp_path: Path) -> None:
    workspace = str(web.create("by-hand")["id"])
    environment = {"NIXWS_URL": web.url, "NIXWS_TOKEN": web.token}

    def nixws(*words: str) -> str:
        done = run("recordings", *words, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "recorded: no" in nixws("choose", "by-hand")
    assert "recorded: yes" in nixws("choose", "by-hand", "--record")
    recording = ended(web, workspace, opened(web, workspace, "echo found by hand; exit 0"))
    assert recording["id"] in nixws("list", "by-hand", "--find", "by HAND")
    assert recording["id"] not in nixws("list", "by-hand", "--find", "nowhere")
    assert json.loads(nixws("typed", "by-hand", recording["id"], "--json")) == []
    file = tmp_path / "one.cast"
    nixws("get", "by-hand", recording["id"], "-o", str(file))
    assert output_of(file.read_bytes()) == b"found by hand\r\n"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == recording["cast_sha256"]
    nixws("remove", "by-hand", recording["id"])
    assert recordings(web, workspace) == []
    assert run("recordings", "get", "by-hand", recording["id"], **environment).returncode == 3
