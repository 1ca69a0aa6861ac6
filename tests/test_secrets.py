"""Secrets: sealed at rest, told to nobody, rendered so that a shell and systemd read what was meant."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import NOW
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner
from waiting import until
from web_service import Web, running_web

from nixos_workspaces.cli.main import app
from nixos_workspaces.database import AuditEntry
from nixos_workspaces.errors import InvalidInput, RuntimeFailed
from nixos_workspaces.keys.store import open_keys
from nixos_workspaces.model.contents.secrets import (
    MOST_SECRETS,
    OpenSecret,
    Secret,
    SecretKind,
    SecretLength,
    file_place,
    length_of,
)
from nixos_workspaces.secrets.rendering import merged, rendered

CANARY = "canary-5f1d"
JSON = {"Content-Type": "application/json"}
MINE = "/api/nixos/secrets"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("secrets"))) as running:
        yield running


def opened(name: str, value: bytes, kind: SecretKind = SecretKind.ENVIRONMENT, place: str = "") -> OpenSecret:
    mode = "0400" if kind is SecretKind.FILE else ""
    return OpenSecret(Secret(name, kind, place, mode, "", length_of(value), NOW), value)


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=200))
def test_a_shell_reads_the_very_value(value: str) -> None:
    profile, _ = rendered([opened("A", value.encode())]).files["profile"]
    done = subprocess.run(["sh", "-s"], input=profile + b'printf %s "$A"\n', capture_output=True, check=True)
    assert done.stdout == value.encode()


def read_by_systemd(text: str) -> dict[str, str]:
    """Read an ``EnvironmentFile`` of quoted values, by the rules of systemd.exec(5)."""
    found, at = {}, 0
    while at < len(text):
        name, _, _ = text[at:].partition("=")
        at += len(name) + 2
        value = ""
        while text[at] != '"':
            if text[at] == "\\":
                at += 1
            value += text[at]
            at += 1
        found[name] = value
        at += 2
    return found


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=200))
def test_systemd_reads_the_very_value(value: str) -> None:
    environment, _ = rendered([opened("A", value.encode()), opened("B", b"b")]).files["environment"]
    assert read_by_systemd(environment.decode()) == {"A": value, "B": "b"}


def test_a_workspaces_own_secret_wins_by_name_and_by_place() -> None:
    person = [
        opened("A", b"1"),
        opened("B", b"1"),
        opened("npm", b"1", SecretKind.FILE, "/home/nixos/.npmrc"),
        opened("code", b"1", SecretKind.GIT, "code.example"),
    ]
    own = [
        opened("A", b"2"),
        opened("other", b"2", SecretKind.FILE, "/home/nixos/.npmrc"),
        opened("mine", b"2", SecretKind.GIT, "code.example"),
    ]
    assert {one.secret.name: one.value for one in merged(person, own)} == {
        "A": b"2",
        "B": b"1",
        "mine": b"2",
        "other": b"2",
    }


@given(st.text(max_size=60))
def test_a_place_stays_below_home_or_run_secrets(text: str) -> None:
    try:
        place = file_place(text, "name")
    except InvalidInput:
        return
    assert place.startswith(("/home/nixos/", "/run/secrets/"))
    assert not {"", ".", ".."} & set(place.split("/")[1:])
    assert "\n" not in place


def test_a_sealed_value_opens_in_its_own_place_only(tmp_path: Path) -> None:
    keys = open_keys(tmp_path)
    sealed = keys.seal("secret:person:a:X", b"value")
    assert b"value" not in sealed
    assert keys.unseal("secret:person:a:X", sealed) == b"value"
    for purpose, wrong in (("secret:person:b:X", sealed), ("secret:person:a:X", sealed[:-1]), ("x", b"")):
        with pytest.raises(RuntimeFailed, match="does not open"):
            keys.unseal(purpose, wrong)


def test_no_answer_log_audit_or_database_holds_a_value(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    """Set, set again, refused, listed, deleted: the value is nowhere but sealed."""
    caplog.set_level("DEBUG")
    made = web.create("keeper")
    told = []
    with web.http() as http:
        for where in (MINE, f"/api/nixos/workspaces/{made['id']}/secrets"):
            body = {"kind": "file", "value": CANARY, "path": "~/.x"}
            wrong = ({**body, "mode": "0777"}, {**body, "more": 1}, {**body, "kind": CANARY * 2000})
            told += [http.put(f"{where}/one", json=wanted) for wanted in (body, body, *wrong)]
            told.append(http.put(f"{where}/two", json=body))
            told.append(http.put(f"{where}/two", content=json.dumps(body)[:-1] + "]", headers=JSON))
            told.append(http.get(where))
        assert [one.status_code for one in told] == [200, 200, 422, 422, 422, 409, 400, 200] * 2
        listed = told[-1].json()["secrets"]
        assert [(one["name"], one["path"], one["mode"], one["length"]) for one in listed] == [
            ("one", "~/.x", "0400", SecretLength.SHORT)
        ]
        audited = web.run(_audited(web))
        assert [
            (one.action, one.workspace_id, one.outcome, one.detail) for one in audited if "secret" in one.action
        ] == [
            ("set-secret", about, "accepted", {"name": "one", "kind": "file"})
            for about in ("", "", made["id"], made["id"])
        ]
        for where in (MINE, f"/api/nixos/workspaces/{made['id']}/secrets"):
            assert http.delete(f"{where}/one").json()["secrets"] == []
            assert http.delete(f"{where}/one").status_code == 404
    said = "".join(one.text for one in told) + caplog.text
    assert CANARY not in said
    kept = [path for path in web.services.settings.data.rglob("*") if path.is_file()]
    assert len(kept) > 3
    assert [path for path in kept if CANARY.encode() in path.read_bytes()] == []


async def _audited(web: Web) -> list[AuditEntry]:
    async with web.services.database.reading() as tx:
        return [entry for _, entry in await tx.audit.entries()]


def test_there_is_an_end_to_secrets(web: Web) -> None:
    made = web.create("full")
    where = f"/api/nixos/workspaces/{made['id']}/secrets"
    with web.http() as http:
        large = {"kind": "environment", "value": "x" * 65_000}
        assert [http.put(f"{where}/L{n}", json=large).status_code for n in range(3)] == [200, 200, 429]
        for number in range(MOST_SECRETS - 2):
            assert http.put(f"{where}/S{number}", json={"kind": "file", "value": "x"}).status_code == 200
        refused = http.put(f"{where}/more", json={"kind": "file", "value": "x"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_secrets")
        assert http.put(f"{where}/S1", json={"kind": "file", "value": "y"}).status_code == 200


BAD_SECRETS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "too large": (("BIG",), "x" * 65_537, "at most 64 KiB: copy a larger file"),
    "too large in bytes": (("BIG",), "ü" * 32_769, "at most 64 KiB"),
    "far too large": (("BIG", "--file", "~/big"), "x" * 1_000_000, "nixws cp"),
    "empty": (("EMPTY",), "", "No value came"),
    "a line end alone": (("EMPTY",), "\n", "has at least 1 character"),
    "a digit first": (("1st",), "x", "begins with none of the digits"),
    "a slash": (("a/b",), "x", "letters, digits and underscores"),
    "up in the path": (("../x",), "x", "letters, digits and underscores"),
    "the shell's": (("PATH",), "x", "PATH belongs to the system"),
    "a URL as host": (("CODE", "--git", "https://code.example/x"), "x", "such as code.example"),
    "two lines for Git": (("CODE", "--git", "code.example"), "x\ny", "one line"),
    "a path elsewhere": (("F", "--file", "/etc/passwd"), "x", "begins with ~/ or /run/secrets/"),
}


@pytest.mark.parametrize("case", BAD_SECRETS)
def test_the_command_line_says_what_is_wrong_with_a_secret(web: Web, case: str) -> None:
    words, value, told = BAD_SECRETS[case]
    before = ["--url", web.url, "--token", web.token]
    failed = CliRunner().invoke(app, [*before, "secret", "set", *words], input=value)
    assert isinstance(failed.exception, InvalidInput), failed.output
    assert told in failed.exception.message
    assert not value.strip() or len(value) == 1 or value not in failed.exception.message


def test_a_value_of_the_largest_size_is_taken_with_its_line_end(web: Web) -> None:
    words = ["--url", web.url, "--token", web.token, "secret", "set", "LARGEST"]
    assert CliRunner().invoke(app, words, input=f"{'x' * 65_536}\n").exit_code == 0
    with web.http() as http:
        http.delete(f"{MINE}/LARGEST")


def test_the_secrets_of_a_deleted_workspace_go_with_it(web: Web) -> None:
    made = web.create("leaving")
    with web.http() as http:
        path = f"/api/nixos/workspaces/{made['id']}"
        http.put(f"{path}/secrets/A", json={"kind": "environment", "value": CANARY})
        http.delete(path)
        until("it is gone", lambda: http.get(path).status_code == 404)

    async def kept() -> int:
        async with web.services.database.reading() as tx:
            return len(await tx.secrets.of(made["id"]))

    assert web.run(kept()) == 0
