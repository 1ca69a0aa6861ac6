"""The support bundle: all that helps, and none of the secrets that are planted everywhere."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import stat
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes import World, fake_services
from forked_nixws import run_nixws
from hypothesis import given
from hypothesis import strategies as st
from web_service import SMALL, Web, running_web

from nixos_workspaces.logs.masking import HIDDEN
from nixos_workspaces.operations.support.bundle import packed, told_settings
from nixos_workspaces.services import Services
from nixos_workspaces.settings import Settings

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CANARY = "canary-8f3a"
PLANTED = {
    "environment": f"{CANARY}-in-the-environment",
    "client_secret": f"{CANARY}-of-openid",
    "value": f"{CANARY}-value-of-a-secret",
    "password": f"{CANARY}-of-a-person",
    "witness": f"{CANARY}-of-the-witness",
    "query": f"{CANARY}-in-a-query",
}
NAMES = ("CANARY_NAME_OF_A_SECRET", "canary-workspace", "canary-person")
PARTS = {
    *("README.txt", "versions.json", "settings.json", "health.json", "node.json"),
    *("database.json", "workspaces.json", "log.jsonl", "node-log.jsonl"),
}


@asynccontextmanager
async def services(data: Path) -> AsyncIterator[Services]:
    secret = data / "openid-secret"
    secret.write_text(PLANTED["client_secret"])
    witness = f"http://user:{PLANTED['witness']}@127.0.0.1:9/take?key={PLANTED['query']}"
    world = World(log=[json.dumps({"message": f"The node was told {PLANTED['client_secret']}"})])
    settings = Settings(data=data, oidc_client_secret_file=str(secret), audit_witness=witness)
    async with fake_services(data, world=world, settings=settings) as opened:
        yield opened


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("BACKUP_PASSWORD", PLANTED["environment"])
    levels = {logging.getLogger(): logging.INFO, logging.getLogger("httpx2"): logging.WARNING}
    before = {logger: logger.level for logger in levels}
    for logger, level in levels.items():  # as the service's own process has them
        logger.setLevel(level)
    try:
        with running_web(tmp_path, services) as running:
            yield running
    finally:
        for logger, level in before.items():
            logger.setLevel(level)


def texts(bundle: bytes) -> Mapping[str, str]:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def plant(web: Web) -> list[str]:
    """Put secrets wherever the service has some; return all that a bundle must not hold."""
    log = logging.getLogger("nixos_workspaces.some")
    with web.http() as http:
        http.put(f"/api/nixos/secrets/{NAMES[0]}", json={"kind": "environment", "value": PLANTED["value"]})
        made = web.create(NAMES[1])
        http.put(
            f"/api/nixos/workspaces/{made['id']}/secrets/{NAMES[0]}",
            json={"kind": "environment", "value": PLANTED["value"]},
        )
        login = http.post("/api/nixos/login", json={"token": web.token})
        session, cookies = login.json().get("token", ""), [value for _, value in http.cookies.items()]
        http.post("/api/nixos/users", json={"handle": NAMES[2], "role": "member"})
        key = http.get(f"/api/nixos/workspaces/{made['id']}/ssh-key").json()["private_key"]
        broken = http.patch(f"/api/nixos/workspaces/{made['id']}", json={"packages": [NAMES[1]]})
        assert broken.status_code in {200, 422}
    log.warning("Sent %s and %s with %s", web.token, PLANTED["environment"], PLANTED["client_secret"])
    log.info("A key: %s", key)
    try:
        raise RuntimeError(f"https://user:{PLANTED['password']}@git.example refused {session}")  # noqa: TRY301
    except RuntimeError:
        log.exception("It failed")
    master = (web.services.settings.data / "master.key").read_bytes()
    forms = [master.hex(), base64.b64encode(master).decode().rstrip("="), repr(master)[2:-1]]
    lines = [line for line in key.splitlines() if line and "KEY" not in line]
    return [*PLANTED.values(), *NAMES, web.token, session, *cookies, *lines, *forms]


def test_a_bundle_holds_what_helps_and_none_of_the_planted_secrets(web: Web) -> None:
    planted = plant(web)
    with web.http() as http:
        answer = http.get("/api/nixos/support", headers={"X-Request-Id": "asked-for-support"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
        assert answer.headers["cache-control"] == "no-store"
        entries = http.get("/api/nixos/audit?action=read-support").json()["entries"]
        assert [one["request_id"] for one in entries] == ["asked-for-support"]
    told = texts(answer.content)
    assert set(told) == PARTS
    for name, text in told.items():
        assert [secret for secret in planted if secret and secret in text] == [], name
        assert CANARY not in text, name
    assert HIDDEN in told["log.jsonl"]
    assert json.loads(told["node-log.jsonl"])["message"] == f"The node was told {HIDDEN}"
    assert HIDDEN in told["settings.json"]
    lines = [json.loads(line) for line in told["log.jsonl"].splitlines()]
    assert any(line["message"].startswith("Sent ") for line in lines)
    [state] = json.loads(told["workspaces.json"])
    assert state["id"].startswith("ws-")
    assert {"status", "desire", "step_failure", "phases"} <= set(state)
    assert json.loads(told["database.json"])["rows"]["workspaces"] == 1
    assert {one["finding"] for one in json.loads(told["health.json"])} >= {"database.ok", "engine.ok", "schema.ok"}
    assert json.loads(told["versions.json"])["libraries"]["fastapi"]


def nixws(*words: str, **environ: str) -> tuple[int, str, str]:
    done = run_nixws(words, {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "COLUMNS": "200", **environ})
    return done.returncode, done.stdout, done.stderr


def test_the_command_writes_a_whole_file_for_its_owner_or_none(web: Web, tmp_path: Path) -> None:
    target = tmp_path / "out" / "bundle.zip"
    target.parent.mkdir()
    reached = {"NIXWS_URL": web.url, "NIXWS_TOKEN": web.token}
    code, out, err = nixws("support", "-o", str(target), **reached)
    assert (code, str(target) in out) == (0, True), err
    assert "health.json" in err
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert set(texts(target.read_bytes())) == PARTS
    code, _, err = nixws("support", "-o", str(tmp_path / "nowhere" / "bundle.zip"), **reached)
    assert (code, "bundle.zip" in err) == (2, True)
    member = {"NIXWS_URL": web.url, "NIXWS_TOKEN": "nixws_of-nobody-at-all"}
    assert nixws("support", "-o", str(target.with_name("other.zip")), **member)[0] == 4
    assert [one.name for one in target.parent.iterdir()] == ["bundle.zip"]


def test_without_the_service_what_lies_on_the_machine_is_collected(tmp_path: Path) -> None:
    with running_web(tmp_path, services) as web:
        planted = plant(web)
        with web.http() as http:
            http.post("/api/nixos/workspaces/create", json={"name": "second", **SMALL})
    target = tmp_path / "bundle.zip"
    code, _, err = nixws(
        "--data", str(tmp_path), "--url", "http://127.0.0.1:9", "--token", "x", "support", "-o", str(target)
    )
    assert code == 0, err
    told = texts(target.read_bytes())
    assert json.loads(told["problem.json"])["code"] == "unavailable"
    assert json.loads(told["database.json"])["rows"]["workspaces"] == 2
    assert [one["id"][:3] for one in json.loads(told["workspaces.json"])] == ["ws-", "ws-"]
    assert all("error" in json.loads(told[name]) for name in ("node.json", "node-log.jsonl"))
    for name, text in told.items():
        assert [secret for secret in planted if secret and secret in text] == [], name


def test_addresses_among_the_settings_are_told_without_what_opens_them() -> None:
    witness = "https://user:hunter22@audit.example/take?key=abcdef#x"
    assert told_settings(Settings(audit_witness=witness))["audit_witness"] == (
        f"https://{HIDDEN}@audit.example/take?{HIDDEN.join(['', ''])}"
    )


@given(st.text(min_size=6).map(str.strip).filter(lambda one: len(one) >= 6), st.text(), st.text())
def test_no_known_secret_survives_wherever_it_stands(secret: str, before: str, after: str) -> None:
    bundle = packed({"a.txt": before + secret + after, "b.json": {"c": [secret]}}, [secret], AT)
    told = texts(bundle)
    assert secret not in json.loads(told["b.json"])["c"]
    if secret not in told["README.txt"] and secret not in before + after and HIDDEN not in secret:
        assert secret not in told["a.txt"].replace(HIDDEN, "\0")
