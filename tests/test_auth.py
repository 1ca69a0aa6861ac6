"""Tokens, sessions, login codes, authorisation and the keys of workspaces."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import asyncssh
import pytest
from clock import NOW, Clock
from migrated_database import open_migrated

from nixos_workspaces.audit.entries import AuditClass
from nixos_workspaces.auth.policy import ADMIN, Principal
from nixos_workspaces.auth.tokens import SESSION_LIFETIME, TokenKind, Tokens
from nixos_workspaces.database import Database
from nixos_workspaces.errors import InvalidInput, NotFound, RuntimeFailed, Unauthenticated, Unavailable
from nixos_workspaces.keys.store import open_keys
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import Resources
from nixos_workspaces.model.workspace import Desire, Workspace

ANN, BOB = Principal("ann", "Ann"), Principal("bob", "Bob")
OWNED = Workspace(
    id="ws-1",
    name="one",
    owner_id="ann",
    hostname="one",
    created_at=NOW,
    last_accessed=NOW,
    desire=Desire.RUNNING,
    resources=Resources(1, 1, 1),
    environment=Environment("minimal"),
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "auth.db")
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(database: Database, clock: Clock) -> Tokens:
    return Tokens(database, clock)


async def test_token_proves_its_principal(tokens: Tokens) -> None:
    """The secret has 256 random bits and tells who it is; no other does."""
    secret, token = await tokens.create("ci", principal=ANN)
    other, _ = await tokens.create("ci", principal=ADMIN)
    assert secret.startswith("nixws_")
    assert len(secret) == len("nixws_") + 43
    assert secret != other
    assert await tokens.authenticate(secret) == ANN
    assert await tokens.authenticate(other) == ADMIN
    assert secret not in repr(token)


@pytest.mark.parametrize("wrong", ["", "nixws_", "nixws_x", "\ud800", "a" * 10000, "' or 1=1 --"])
async def test_anything_else_proves_nothing(tokens: Tokens, wrong: str) -> None:
    """Any bytes as a credential."""
    await tokens.create("ci", principal=ANN)
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(wrong)
    with pytest.raises(Unauthenticated):
        await tokens.redeem(wrong)


async def test_tokens_expire(tokens: Tokens, clock: Clock) -> None:
    """To the second, and they leave the list."""
    secret, _ = await tokens.create("ci", principal=ANN, lifetime=timedelta(hours=1))
    clock.now += timedelta(minutes=59)
    assert await tokens.authenticate(secret) == ANN
    [listed] = await tokens.list(principal=ANN)
    assert listed.last_used_at == clock.now
    clock.now += timedelta(minutes=1)
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(secret)
    assert await tokens.list(principal=ANN) == ()


async def test_every_session_ends(tokens: Tokens, clock: Clock) -> None:
    """However it was begun: a browser may be left signed in for ever otherwise."""
    by_token, _ = await tokens.create("browser", principal=ADMIN, kind=TokenKind.SESSION)
    by_link, _ = await tokens.redeem(await tokens.login_code())
    clock.now += SESSION_LIFETIME - timedelta(seconds=1)
    assert await tokens.authenticate(by_token) == await tokens.authenticate(by_link) == ADMIN
    clock.now += timedelta(seconds=1)
    for secret in (by_token, by_link):
        with pytest.raises(Unauthenticated):
            await tokens.authenticate(secret)


async def test_only_the_owner_revokes(tokens: Tokens) -> None:
    """A revoked token is worthless at once; another principal's id is not found."""
    secret, token = await tokens.create("ci", principal=ANN)
    with pytest.raises(NotFound):
        await tokens.revoke(token.id, principal=BOB)
    assert await tokens.authenticate(secret) == ANN
    await tokens.revoke(token.id, principal=ANN)
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(secret)
    with pytest.raises(NotFound):
        await tokens.revoke(token.id, principal=ANN)


async def test_login_code_works_once_within_an_hour(tokens: Tokens, clock: Clock, database: Database) -> None:
    """It becomes a session, which signing out ends; the audit log tells that it was made, for whom and by whom."""
    late, code = await tokens.login_code(by="system"), await tokens.login_code()
    async with database.reading() as tx:
        made = [(one.action, one.actor, one.kind, one.detail) for _, one in await tx.audit.entries()]
    about = AuditClass.ACCESS, {"user": "admin"}
    assert made == [("create-login-code", "system", *about), ("create-login-code", "admin", *about)]
    session, token = await tokens.redeem(code)
    assert await tokens.authenticate(session) == ADMIN
    assert token.expires_at is not None
    with pytest.raises(Unauthenticated):
        await tokens.redeem(code)
    clock.now += timedelta(hours=1)
    with pytest.raises(Unauthenticated):
        await tokens.redeem(late)
    await tokens.sign_out(session)
    await tokens.sign_out(session)
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(session)


@pytest.mark.parametrize("name", ["", " x", "x" * 64, "a\nb", "\ud800", "<b>"])
async def test_token_names_are_plain(tokens: Tokens, name: str) -> None:
    """They are shown in lists and logs."""
    with pytest.raises(InvalidInput) as refused:
        await tokens.create(name, principal=ANN)
    assert refused.value.field == "name"


async def test_secrets_are_not_in_the_database(tokens: Tokens, database: Database, tmp_path: Path) -> None:
    """Only hashes are."""
    secret, _ = await tokens.create("ci", principal=ANN)
    code = await tokens.login_code()
    async with database.reading() as tx:
        assert [entry.action for _, entry in await tx.audit.entries()] == ["create-token", "create-login-code"]
    for path in tmp_path.glob("auth.db*"):  # noqa: ASYNC240  nothing else runs
        content = path.read_bytes()
        assert secret.removeprefix("nixws_").encode() not in content
        assert code.encode() not in content


def test_keys_come_back_after_reopening(tmp_path: Path) -> None:
    """The same keys, every time; those of SSH are what SSH understands."""
    made = open_keys(tmp_path).ensure("ws-a")
    again = open_keys(tmp_path)
    assert again.read("ws-a") == made
    assert again.ensure("ws-a") == made
    assert len(made.volume_key) == 64
    assert again.ensure("ws-b").volume_key != made.volume_key
    client = asyncssh.import_private_key(made.client_private)
    assert client.export_public_key().decode().split()[:2] == made.client_public.split()
    host = asyncssh.import_private_key(made.host_private)
    assert (
        host.export_public_key().decode().split()[:2] == made.host_public.split() == again.host_public("ws-a").split()
    )


def test_secrets_are_wrapped_and_private(tmp_path: Path) -> None:
    """No secret half is readable in any file, and nobody else may read the files at all."""
    keys = open_keys(tmp_path).ensure("ws-a")
    for path in [tmp_path / "keys", *tmp_path.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
        if path.is_file():
            content = path.read_bytes()
            assert keys.volume_key not in content
            assert b"PRIVATE KEY" not in content
    assert "PRIVATE" not in repr(keys)
    assert repr(keys.volume_key) not in repr(keys)


def test_wrapped_keys_open_only_where_they_belong(tmp_path: Path) -> None:
    """A file moved to another workspace, a swapped purpose and a flipped bit do not open."""
    store = open_keys(tmp_path)
    store.ensure("ws-a")
    store.ensure("ws-b")
    own = tmp_path / "keys" / "ws-b" / "wrapped.json"
    kept = own.read_bytes()
    shutil.copy(tmp_path / "keys" / "ws-a" / "wrapped.json", own)
    with pytest.raises(RuntimeFailed) as refused:
        store.read("ws-b")
    assert refused.value.code == "keys_unreadable"
    own.write_bytes(kept.replace(b'"volume"', b'"x"').replace(b'"client"', b'"volume"').replace(b'"x"', b'"client"'))
    with pytest.raises(RuntimeFailed):
        store.read("ws-b")
    for damaged in (b"", b"{}", b"[]", kept[:-9], kept.replace(b"sealed", b"seeled")):
        own.write_bytes(damaged)
        with pytest.raises(RuntimeFailed):
            store.read("ws-b")


def test_destroyed_keys_are_gone(tmp_path: Path) -> None:
    """Also the inode that a process may still hold open has no wrapped key in it any more."""
    store = open_keys(tmp_path)
    store.ensure("ws-a")
    path = tmp_path / "keys" / "ws-a" / "wrapped.json"
    wrapped = path.read_bytes()
    with path.open("rb") as held:
        store.destroy("ws-a")
        left = held.read()
    assert not any(wrapped[at : at + 16] in left for at in range(0, len(wrapped) - 16, 8))
    assert not store.has("ws-a")
    store.destroy("ws-a")
    with pytest.raises(NotFound):
        store.read("ws-a")


def test_master_key_is_never_replaced(tmp_path: Path) -> None:
    """Missing or wrong while keys exist: a refusal that says so; a new one would make all data unreadable."""
    made = open_keys(tmp_path).ensure("ws-a")
    master = tmp_path / "master.key"
    right = master.read_bytes()
    master.unlink()
    with pytest.raises(Unavailable) as refused:
        open_keys(tmp_path)
    assert refused.value.code == "master_key_missing"
    assert not master.exists()
    for wrong in (b"", b"x" * 32, right + b"\n"):
        master.write_bytes(wrong)
        with pytest.raises(Unavailable) as refused:
            open_keys(tmp_path)
        assert refused.value.code == "master_key_wrong"
    master.write_bytes(right)
    assert open_keys(tmp_path).read("ws-a") == made


def test_race_for_keys_has_one_outcome(tmp_path: Path) -> None:
    """Sixteen threads, each with a store of its own in a new directory: one master key, one set of keys."""
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: open_keys(tmp_path).ensure("ws-a"), range(16)))
    assert all(keys == made[0] for keys in made)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["check", "keys", "master.key", "wrapped.json", "ws-a"]


@pytest.mark.parametrize("wrong", ["", "ws-", "../master", "ws-a/../..", "ws-A", "ws-a\0", "check", "ws-" + "a" * 40])
def test_ids_cannot_leave_the_directory(tmp_path: Path, wrong: str) -> None:
    """They become a path, so only ids pass."""
    store = open_keys(tmp_path)
    for call in (store.ensure, store.read, store.destroy, store.has):
        with pytest.raises(InvalidInput):
            call(wrong)
