"""``nixws login``, ``token``, ``session``, ``user``, ``group`` and ``quota`` against a live service."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forked_nixws import empty_directory, run_nixws
from web_service import Web, running_web

NIXWS = Path(sys.executable).parent / "nixws"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "COLUMNS": "200", **more}


def run(*words: str, code: int = 0, **more: str) -> str:
    """Return what ``nixws`` prints: results, and messages where there are none."""
    done = run_nixws(words, environment(**more))
    assert done.returncode == code, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout or done.stderr


@pytest.fixture
def nixws(web: Web) -> Any:
    def call(*words: str, code: int = 0, **more: str) -> str:
        return run(*words, code=code, **{"NIXWS_URL": web.url, "NIXWS_TOKEN": web.token, **more})

    return call


def test_a_computer_is_signed_in_by_a_code_and_out_again(web: Web, tmp_path: Path) -> None:
    """The token lies in a file that is its user's alone, and is of no use afterwards."""
    home: Any = {"XDG_CONFIG_HOME": str(tmp_path)}
    begun = subprocess.Popen(
        [str(NIXWS), "login", web.url, "--scope", "workspaces:read"],
        env=environment(**home),
        cwd=empty_directory(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert begun.stderr is not None
    shown = re.search(r"code ([A-Z]{4}-[A-Z]{4})", begun.stderr.readline())
    assert shown is not None
    with web.http() as http:
        assert http.post(f"/api/nixos/device/{shown[1]}", json={"approve": True}).status_code == 204
    said, _ = begun.communicate(timeout=30)
    assert begun.returncode == 0, said
    written = tmp_path / "nixws" / "cli.json"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert json.loads(run("list", "--json", **home))["workspaces"] == []
    token = json.loads(written.read_text())["token"]
    run("logout", **home)
    assert not written.exists()
    run("logout", code=4, **home)
    with web.http() as http:
        assert http.get("/api/nixos/session", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_people_are_administered(nixws: Any) -> None:
    link = nixws("user", "create", "ann", "--name", "Ann Example").strip()
    assert "/login?code=" in link
    nixws("user", "create", "robot", "--service")
    nixws("user", "set", "ann", "--role", "auditor")
    assert json.loads(nixws("user", "suspend", "ann", "--json"))["state"] == "suspended"
    nixws("user", "link", "ann", code=5)
    nixws("user", "activate", "ann")
    nixws("group", "create", "crew")
    nixws("group", "add", "crew", "ann")
    assert "crew: ann" in nixws("group", "list")
    nixws("quota", "set", "--group", "crew", "--workspaces", "3")
    assert "0 of 3" in nixws("quota", "list")
    assert "admin" in nixws("user", "list")
    nixws("group", "remove", "crew", "ann")
    nixws("group", "delete", "crew")
    assert "There are no quotas." in nixws("quota", "list")
    assert "you" in nixws("quota", "show")
    nixws("user", "suspend", "admin", code=5)
    nixws("quota", "set", code=2)


def test_tokens_are_made_over_the_api(nixws: Any) -> None:
    secret = nixws("token", "create", "ci", "--scope", "workspaces:read", "--days", "7").strip()
    assert secret.startswith("nixws_")
    assert "workspaces:read" in nixws("token", "list")
    nixws("token", "list", code=4, NIXWS_TOKEN=secret)
    nixws("token", "revoke", "ci")
    nixws("list", code=4, NIXWS_TOKEN=secret)
    nixws("token", "create", "x", "--scope", "everything", code=2)
    nixws("token", "create", "robot", "--never-expires")
    assert "for ever" in next(one for one in nixws("token", "list").splitlines() if "robot" in one)
    assert "No browser" in nixws("session", "list")
    nixws("session", "end", "--others")
    nixws("session", "end", "tok-none", code=3)


def test_a_workspace_is_shared_joined_and_taken_back(web: Web, nixws: Any) -> None:
    """As the README has it: with a user, one port for an hour, by a link; and every way out of it."""
    web.create("common")
    for name in ("bertha", "cornelius"):
        nixws("user", "create", name)
    nixws("user", "create", "joiner", "--service")
    joiner = json.loads(nixws("--json", "token", "create", "joiners", "--user", "joiner"))["token"]
    assert "bertha has it as editor" in nixws("share", "common", "--with", "bertha", "--as", "editor")
    nixws("share", "common", "--with", "cornelius", "--port", "3000", "--for", "1h")
    assert "Share one terminal or one port" in nixws(
        "share", "common", "--terminal", "1", "--port", "3000", "--read-only", "--for", "1h", code=2
    )
    for wrong in ("0", "65536", "x"):
        assert "--port" in nixws("share", "common", "--port", wrong, code=2)
    link = nixws("share", "common", "--for", "1h").strip()
    of, name, *_ = nixws("join", link, NIXWS_TOKEN=joiner).split()
    assert name == "common"
    listed = {one["name"]: one for one in json.loads(nixws("--json", "shares", "common"))}
    assert (listed["bertha"]["access"], listed["bertha"]["part"]) == ("editor", "")
    assert listed["cornelius"]["part"] == "port:3000"
    assert listed["cornelius"]["expires_at"] is not None
    assert "joiner" in nixws("shares", "common")
    nixws("leave", of, NIXWS_TOKEN=joiner)
    nixws("unshare", "common", "bertha")
    assert "There is no share" in nixws("unshare", "common", "bertha", code=3)
    assert {one["name"] for one in json.loads(nixws("--json", "shares", "common"))} - {""} == {"cornelius"}


def test_lists_show_ids_whole_and_names_as_they_are(web: Web, nixws: Any) -> None:
    """In 80 columns; a name of brackets is no markup of the terminal."""
    web.create("narrow")
    nixws("user", "create", "gerda", "--name", "Gerda [/red]")
    assert "Gerda [/red]" in nixws("user", "list", COLUMNS="80")
    nixws("share", "narrow", "--with", "gerda", "--port", "65535", "--for", "1h")
    [share] = json.loads(nixws("--json", "shares", "narrow"))
    assert share["id"] in nixws("shares", "narrow", COLUMNS="80")
    nixws("transfer", "narrow", "--to", "gerda", "--yes")
    assert json.loads(nixws("--json", "transfers")) == {"received": [], "made": []}
