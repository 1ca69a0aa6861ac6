"""The audit log of a running service: its routes, its proofs as a client checks them, its command line, its witness."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from migrated_database import open_migrated
from test_audit_log import ENTRY
from test_cli import run
from typing_extensions import override
from web_service import Web, running_web

from nixos_workspaces.audit.canonical import canonical
from nixos_workspaces.audit.notes import Signer, open_note, split_notes
from nixos_workspaces.audit.tree import is_consistent, leaf_hash, root_of, split_hashes
from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.cli.target import write_cli_file
from nixos_workspaces.errors import RuntimeFailed, Unavailable
from nixos_workspaces.keys.store import open_keys
from nixos_workspaces.operations.audit import Checking, Signing, Witness

AUDIT = "/api/nixos/audit"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def web(data: Path) -> Iterator[Web]:
    with running_web(data) as running:
        made = running.create("one")
        with running.http() as http:
            resized = http.patch(f"/api/nixos/workspaces/{made['id']}", json={"cpu": 0.5})
            assert resized.status_code == 200, resized.text
            assert http.post("/api/nixos/workspaces/nobody/start").status_code == 404
        yield running


def get(web: Web, path: str, **query: object) -> dict[str, Any]:
    with web.http() as http:
        answer = http.get(f"{AUDIT}{path}", params={name: str(value) for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def hashes(text: str) -> tuple[bytes, ...]:
    return split_hashes(b64decode(text))


def test_entries_are_found_by_what_they_tell(web: Web) -> None:
    whole = get(web, "", limit=200)
    numbers = [one["seq"] for one in whole["entries"]]
    assert numbers == sorted(numbers, reverse=True)
    [resized] = get(web, "", action="resize")["entries"]
    assert (resized["before"]["resources"]["cpu"], resized["after"]["resources"]["cpu"]) == (1, 0.5)
    assert (resized["actor"], resized["address"], resized["kind"]) == ("admin", "127.0.0.1", "change")
    [refused] = get(web, "", kind="refusal", workspace="nobody")["entries"]
    assert (refused["outcome"], refused["action"]) == ("workspace_not_found", "start")
    assert get(web, "", actor="nobody")["entries"] == []
    assert get(web, "", until=resized["at"], action="resize")["entries"] == []
    assert len(get(web, "", since="2020-01-01T00:00:00Z", outcome="accepted", action="create")["entries"]) == 1


def test_pages_follow_one_another(web: Web) -> None:
    first, found, cursor = get(web, "", limit=200)["entries"], list[object](), None
    while True:
        page = get(web, "", limit=2, **({"cursor": cursor} if cursor else {}))
        found += page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [one for one in found if one in first] == first


def test_a_client_can_check_every_entry_and_the_growth(web: Web) -> None:
    before = get(web, "/checkpoint")
    old = open_note(before["note"], before["key"])
    web.run(web.services.counted_audit.store())
    web.run(web.services.tokens.create("another", principal=ADMIN))
    after = get(web, "/checkpoint")
    new = open_note(after["note"], after["key"])
    assert new.size > old.size > 3
    for seq in range(1, new.size + 1):
        told = get(web, f"/{seq}/proof", size=new.size)
        [leaf] = hashes(told["leaf"])
        assert leaf == leaf_hash(canonical(get(web, f"/{seq}")["entry"]))
        assert root_of(leaf, seq - 1, new.size, hashes(told["path"])) == new.root
    grown = get(web, "/consistency", **{"from": old.size, "to": new.size})
    assert is_consistent(old.size, new.size, (old.root, new.root), hashes(grown["path"]))


def test_reading_is_audited(web: Web) -> None:
    get(web, "")
    web.run(web.services.counted_audit.store())
    assert get(web, "", action="read-audit")["entries"][0]["kind"] == "record"


def exported(web: Web, **query: str) -> list[dict[str, Any]]:
    with web.http() as http:
        answer = http.get(f"{AUDIT}/export", params=query)
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_exports_have_every_entry_in_each_form(web: Web) -> None:
    lines = exported(web)
    assert [one["seq"] for one in lines] == list(range(1, len(lines) + 1))
    ocsf, events = exported(web, format="ocsf"), exported(web, format="cloudevents")
    assert [one["metadata"]["sequence"] for one in ocsf][: len(lines)] == [one["seq"] for one in lines]
    assert all(one["type_uid"] == one["class_uid"] * 100 + one["activity_id"] for one in ocsf)
    made = next(one for one in events if one["data"]["action"] == "create")
    assert {name: made[name] for name in ("specversion", "type", "time")} == {
        "specversion": "1.0",
        "type": "nixos-workspaces.audit.create",
        "time": made["data"]["at"],
    }
    assert made["subject"] == made["data"]["workspace_id"]
    assert [one["action"] for one in exported(web, action="resize")] == ["resize"]
    assert len(exported(web, action="export-audit")) == 4


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/0", 422, "invalid_input"),
        ("/x", 422, "invalid_input"),
        ("/999999999", 404, "audit_entry_not_found"),
        ("/1/proof?size=0", 422, "invalid_input"),
        ("/1/proof?size=999999999", 422, "audit_size_unknown"),
        ("/3/proof?size=2", 404, "audit_entry_not_found"),
        ("/consistency", 422, "invalid_input"),
        ("/consistency?from=3&to=2", 422, "audit_size_unknown"),
        ("/consistency?from=1&to=999999999", 422, "audit_size_unknown"),
        ("/export?format=csv", 422, "invalid_input"),
        ("?kind=other", 422, "invalid_input"),
        ("?since=yesterday", 422, "invalid_input"),
        ("?cursor=x", 422, "invalid_input"),
        ("?actor=" + "x" * 65, 422, "invalid_input"),
        ("?who=me", 422, "invalid_input"),
    ],
)
def test_wrong_questions_are_refused(web: Web, path: str, status: int, code: str) -> None:
    with web.http() as http:
        answer = http.get(f"{AUDIT}{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.fixture
def nixws(web: Web, data: Path) -> Any:
    write_cli_file(data, web.url, web.token)

    def call(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = run("--data", str(data), *words)
        assert done.returncode == code, done.stderr
        return done

    return call


def test_the_command_line_reads_proves_and_verifies(web: Web, data: Path, nixws: Any, tmp_path: Path) -> None:
    assert " resize " in nixws("audit", "tail", "-n", "200").stdout
    assert len(nixws("audit", "export", "--action", "resize").stdout.splitlines()) == 1
    (tmp_path / "note").write_text(nixws("audit", "checkpoint").stdout)
    told = json.loads(nixws("audit", "proof", "2").stdout)
    assert told["proof"]["seq"] == told["entry"]["seq"] == 2
    assert "checkpoints" in nixws("audit", "verify").stdout
    assert "checkpoints" in nixws("audit", "verify", "--checkpoint", str(tmp_path / "note")).stdout
    over_api = run("--data", str(tmp_path), "--url", web.url, "audit", "verify", NIXWS_TOKEN=web.token)
    assert "signed" in over_api.stdout, over_api.stderr
    given = ("--url", web.url, "audit", "verify", "--checkpoint", str(tmp_path / "note"))
    assert run("--data", str(tmp_path), *given, NIXWS_TOKEN=web.token).returncode == 0
    nixws("audit", "verify", "--checkpoint", str(data / "cli.json"), code=2)
    nixws("audit", "verify", "--database", str(data / "cli.json"), code=2)


def test_the_command_line_names_the_first_bad_entry_of_a_copy(web: Web, data: Path, nixws: Any, tmp_path: Path) -> None:
    copy, key = tmp_path / "copy.db", get(web, "/checkpoint")["key"]
    (tmp_path / "note").write_text(nixws("audit", "checkpoint").stdout)
    with closing(sqlite3.connect(data / "nixws.db")) as raw, closing(sqlite3.connect(copy)) as other:
        raw.backup(other)
    verify = ("audit", "verify", "--database", str(copy), "--key", key)
    nixws(*verify, "--checkpoint", str(tmp_path / "note"))
    with closing(sqlite3.connect(copy)) as raw, raw:
        raw.execute("UPDATE audit_entries SET body = replace(body, 'admin', 'ann') WHERE number = 3")
    assert "entry 3: changed" in nixws(*verify, code=1).stderr


async def test_a_witness_gets_each_checkpoint_once_and_notices_an_older_copy(tmp_path: Path, web: Web) -> None:
    database, place = web.services.database, tmp_path / "witness"
    signing, key = web.services.audit.signing, web.services.audit.signing.verifier_key
    witness = Witness(database, str(place), key)

    async def turn() -> None:
        await signing.sign()
        await witness.send()

    await asyncio.to_thread(web.run, turn())
    await asyncio.to_thread(web.run, turn())
    [first] = split_notes(place.read_text())
    assert open_note(first, key).size > 3
    await asyncio.to_thread(web.run, web.services.tokens.create("third", principal=ADMIN))
    await asyncio.to_thread(web.run, turn())
    assert len(split_notes(place.read_text())) == 2
    with place.open("a") as torn:
        torn.write("nixos-workspaces/audit/0123\n77")
    await asyncio.to_thread(web.run, web.services.tokens.create("fourth", principal=ADMIN))
    await asyncio.to_thread(web.run, turn())
    sizes = [open_note(one, key).size for one in split_notes(place.read_text())]
    assert (len(sizes), sizes) == (3, sorted(set(sizes)))
    empty = await open_migrated(tmp_path / "older.db")
    with pytest.raises(RuntimeFailed) as refused:
        await Witness(empty, str(place), key).send()
    await empty.close()
    assert refused.value.code == "audit_rolled_back"


@contextmanager
def webhook(statuses: list[int], got: list[bytes]) -> Iterator[str]:
    """Yield the address of a server that takes notes with these statuses in turn."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(statuses.pop(0))
            self.end_headers()

        @override
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/witness"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_witness_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    database = await open_migrated(tmp_path / "a.db")
    signing = Signing(database, Signer(open_keys(tmp_path).authority("audit")))
    async with database.transaction() as tx:
        await tx.audit.append(ENTRY)
    await signing.sign()
    got = list[bytes]()
    with webhook([500, 204], got) as url:
        witness = Witness(database, url, signing.verifier_key)
        with pytest.raises(Unavailable) as failed:
            await witness.send()
        await witness.send()
        await witness.send()
    told = failed.value.message
    assert (failed.value.code, "500" in told, url in told) == ("witness_unreachable", True, False)
    assert [open_note(one.decode(), signing.verifier_key).size for one in got] == [1, 1]
    for place in (url, str(tmp_path / "no" / "such" / "directory")):
        async with database.transaction() as tx:
            await tx.audit.append(ENTRY)
        await signing.sign()
        with pytest.raises(Unavailable) as refused:
            await Witness(database, place, signing.verifier_key).send()
        assert refused.value.code == "witness_unreachable"
    await database.close()


async def test_the_service_verifies_its_own_log_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    database = await open_migrated(path)
    signing = Signing(database, Signer(open_keys(tmp_path).authority("audit")))
    checking = Checking(path, signing.verifier_key)
    for turn in range(3):
        async with database.transaction() as tx:
            for _ in range(7):
                await tx.audit.append(ENTRY)
        if turn != 1:
            await signing.sign()
        await checking.turn()
        # Also one of what was verified before it was signed.
        await signing.sign()
    assert (checking.checked.size, checking.checked.finding) == (21, None)
    async with database.transaction() as tx:
        await tx.connection.exec_driver_sql("UPDATE audit_entries SET actor = 'eve' WHERE number = 5")
    again = Checking(path, signing.verifier_key)
    for _ in range(2):
        with pytest.raises(RuntimeFailed) as broken:
            await again.turn()
        assert (broken.value.code, again.checked.size) == ("audit_broken", 4)
    await database.close()
