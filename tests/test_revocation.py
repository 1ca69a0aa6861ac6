"""Revoking a token ends everything that it made: sessions, tickets, sockets, streams, transfers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
import websockets.exceptions
from alembic import command
from alembic.config import Config
from clock import Clock
from migrated_database import open_migrated
from open_things import KINDS, Open, Place, download, events, running_place, terminal
from raw_socket import handshake
from sqlalchemy import DateTime, bindparam, create_engine, text
from starlette.types import Message
from waiting import until
from websockets.sync.client import connect

from nixos_workspaces.auth.policy import ADMIN, Principal, Role
from nixos_workspaces.auth.tokens import SESSION_LIFETIME, Tokens, digest_of
from nixos_workspaces.database import Database, open_database
from nixos_workspaces.database import engine as engine_module
from nixos_workspaces.errors import Unauthenticated
from nixos_workspaces.services import open_tokens
from nixos_workspaces.web.http.access import rates
from nixos_workspaces.web.http.access.open_request import EXTENSION, OpenRequest
from nixos_workspaces.web.http.access.windows import Rate

ANN = Principal("ann", "Ann")


@pytest.fixture(autouse=True)
def _many_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them are made here in a minute than people make."""
    monkeypatch.setattr(rates, "SESSIONS_OF_ACCOUNT", Rate(10_000))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patched, running_place(Path(tmp_path_factory.mktemp("data"))) as running:
        patched.setattr(rates, "SESSIONS_OF_ACCOUNT", Rate(100_000))
        yield running


def made(place: Place) -> tuple[str, str]:
    """Return secret and id of a new token."""
    secret, token = place.web.run(place.web.services.tokens.create("short", principal=ADMIN))
    return secret, token.id


def revoke_elsewhere(place: Place, token_id: str) -> None:
    """Revoke as ``nixws token revoke`` does: in another process, which tells the service nothing."""

    async def work() -> None:
        async with open_tokens(place.web.services.settings) as tokens:
            await tokens.revoke(token_id, principal=ADMIN)

    asyncio.run(work())


def session_of(place: Place, secret: str) -> str:
    with httpx2.Client(base_url=place.web.url, trust_env=False, verify=False) as http:
        return str(http.post("/api/nixos/login", json={"token": secret}).json()["token"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("elsewhere", [True, False])
def test_everything_open_ends(place: Place, kind: Callable[[Place, str], Open], *, elsewhere: bool) -> None:
    """Also under a session that was made with a session that was made with the token."""
    secret, token_id = made(place)
    opened = [kind(place, secret), kind(place, session_of(place, session_of(place, secret)))]
    try:
        if elsewhere:
            revoke_elsewhere(place, token_id)
        else:
            place.web.run(place.web.services.tokens.revoke(token_id, principal=ADMIN))
        for one in opened:
            one.wait()
    finally:
        for one in opened:
            one.close()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_suspending_a_user_ends_everything_that_is_open(place: Place, kind: Callable[[Place, str], Open]) -> None:
    """Under tokens and sessions alike; what others have open goes on."""
    handle = f"temp-{kind.__name__.replace('_', '-')}"
    with place.web.http() as http:
        user = http.post("/api/nixos/users", json={"handle": handle, "role": "admin"}).json()["user"]
        principal = Principal(user["id"], handle, Role.ADMIN)
        secret, _ = place.web.run(place.web.services.tokens.create("short", principal=principal))
        opened = [kind(place, secret), kind(place, session_of(place, secret))]
        other = kind(place, place.web.token)
        try:
            suspended = http.patch(f"/api/nixos/users/{handle}", json={"state": "suspended"})
            assert suspended.status_code == 200, suspended.text
            for one in opened:
                one.wait()
            assert not other.over
        finally:
            for one in (*opened, other):
                one.close()


def test_others_go_on(place: Place) -> None:
    """Another token's sockets and downloads are not touched."""
    secret, token_id = made(place)
    mine, other = terminal(place, secret), [terminal(place, place.web.token), download(place, place.web.token)]
    revoke_elsewhere(place, token_id)
    mine.wait()
    for one in other:
        one.read()
        assert not one.over
        one.close()
    mine.close()


def test_signing_out_ends_the_sessions_sockets(place: Place) -> None:
    secret = session_of(place, place.web.token)
    opened = events(place, secret)
    with httpx2.Client(base_url=place.web.url, trust_env=False, verify=False) as http:
        assert http.post("/api/nixos/logout", headers={"Authorization": f"Bearer {secret}"}).status_code == 204
    opened.wait()
    opened.close()


def test_who_never_reads_is_let_go_too(place: Place) -> None:
    """The service's side of it ends: nothing is kept for a client that takes neither output nor the close code."""
    secret, token_id = made(place)
    with place.web.http() as http:
        endless = {"command": "yes"}
        answer = http.post(f"{place.root}/terminals", json=endless)
    assert answer.status_code == 201, answer.text
    path = f"/ws/nixos/workspaces/{place.workspace}/terminal?session={answer.json()['terminal']['id']}"
    deaf = Open(place, handshake(path, {"Authorization": f"Bearer {secret}"}), b'"session"', b"")
    until("it is attached", lambda: place.web.services.bridge.sessions)
    revoke_elsewhere(place, token_id)
    until("no session is left", lambda: not place.web.services.bridge.sessions)
    deaf.close()
    with place.web.http() as http:
        http.delete(f"{place.root}/terminals/{answer.json()['terminal']['id']}")


def test_a_ticket_of_a_revoked_token_opens_nothing(place: Place) -> None:
    secret, token_id = made(place)
    with httpx2.Client(
        base_url=place.web.url, trust_env=False, headers={"Authorization": f"Bearer {secret}"}, verify=False
    ) as http:
        connection = http.get(f"{place.root}/terminal").json()["terminal"]
    place.web.run(place.web.services.tokens.revoke(token_id, principal=ADMIN))
    protocols = ["nixws.terminal.json", f"nixws.ticket.{connection['ticket']}"]
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        connect(connection["websocket_url"], subprotocols=protocols, proxy=None)  # type: ignore[arg-type]
    assert refused.value.response.status_code == 401


class Line:
    """A connection that is never used."""

    def vouch(self) -> None:
        pass

    def wake(self) -> None:
        pass

    def abort(self) -> None:
        pass


@pytest.mark.parametrize(("method", "shown"), [("GET", 401), ("HEAD", 401), ("POST", 200)])
async def test_what_was_read_meanwhile_is_not_shown_and_what_was_done_is_told(method: str, shown: int) -> None:
    """A slow answer begins after the revocation."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "extensions": {EXTENSION: Line()}, "state": {"request_id": "r"}}
    request = OpenRequest(scope, receive, send)
    request.end(Unauthenticated("It was revoked."))
    await request.send({"type": "http.response.start", "status": 200, "headers": []})
    await request.send({"type": "http.response.body", "body": b"secret"})
    assert sent[0]["status"] == shown
    assert (b"secret" in b"".join(one.get("body", b"") for one in sent)) == (shown == 200)


# ---- sessions


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "auth.db")
    yield opened
    await opened.close()


async def test_sessions_end_with_the_token_at_their_root(database: Database) -> None:
    """Those too that another session made; a token beside it lives on."""
    tokens = Tokens(database, Clock())
    secret, token = await tokens.create("ci", principal=ANN)
    beside, _ = await tokens.create("ci", principal=ANN)
    first, record = await tokens.open_session(secret)
    second, grandchild = await tokens.open_session(first)
    assert (record.parent_id, grandchild.parent_id) == (token.id, record.id)
    assert await tokens.authenticate(second) == ANN
    await tokens.revoke(token.id, principal=ANN)
    for ended in (secret, first, second):
        with pytest.raises(Unauthenticated):
            await tokens.authenticate(ended)
        with pytest.raises(Unauthenticated):
            await tokens.open_session(ended)
    assert await tokens.invalid([secret, first, second, beside]) == {secret, first, second}
    assert [one.name for one in await tokens.list(principal=ANN)] == ["ci"]


async def test_sessions_of_a_session_by_link_end_with_it(database: Database) -> None:
    tokens = Tokens(database, Clock())
    first, record = await tokens.redeem(await tokens.login_code())
    second, child = await tokens.open_session(first)
    assert (record.parent_id, child.parent_id) == (None, record.id)
    await tokens.sign_out(first)
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(second)


@pytest.mark.parametrize(
    ("of_token", "of_session"), [(None, SESSION_LIFETIME), (3, timedelta(days=3)), (30, SESSION_LIFETIME)]
)
async def test_sessions_live_no_longer_than_their_parent(
    database: Database, of_token: int | None, of_session: timedelta
) -> None:
    """And 14 days at most, however often one makes the next."""
    clock = Clock()
    tokens = Tokens(database, clock)
    lifetime = None if of_token is None else timedelta(days=of_token)
    secret, _ = await tokens.create("ci", principal=ANN, lifetime=lifetime)
    end = clock.now + of_session
    for _ in range(3):
        secret, session = await tokens.open_session(secret)
        assert session.expires_at == end
        assert session.lifetime == end - clock.now
        clock.now += timedelta(hours=1)
    clock.now = end
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(secret)


def test_the_cookie_lives_as_long_as_its_session(place: Place) -> None:
    secret, _ = place.web.run(
        place.web.services.tokens.create("short", principal=ADMIN, lifetime=timedelta(minutes=10))
    )
    with httpx2.Client(base_url=place.web.url, trust_env=False, verify=False) as http:
        cookie = http.post("/api/nixos/login", json={"token": secret}).headers["set-cookie"]
    age = int(cookie.partition("Max-Age=")[2].partition(";")[0])
    assert 500 < age <= 600


async def test_sessions_of_unknown_origin_end_with_the_upgrade(tmp_path: Path) -> None:
    """An older version did not write down which token a session was made with."""
    path, secrets = tmp_path / "old.db", {"api": "nixws_of-a-program", "session": "nixws_of-a-browser"}
    config = Config()
    config.set_main_option("script_location", str(Path(engine_module.__file__).parent / "migrations"))
    old = create_engine(f"sqlite:///{path}")
    with old.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for kind, secret in secrets.items():
            row = {"id": kind, "hash": digest_of(secret), "kind": kind, "at": datetime.now(UTC).replace(tzinfo=None)}
            connection.execute(_OLD_TOKEN, row)
        connection.execute(_OLD_ENTRY, {"at": datetime.now(UTC).replace(tzinfo=None)})
    old.dispose()
    upgraded = await open_database(path)
    tokens = Tokens(upgraded)
    assert await tokens.authenticate(secrets["api"]) == ANN
    with pytest.raises(Unauthenticated):
        await tokens.authenticate(secrets["session"])
    async with upgraded.reading() as tx:
        assert [(number, one.action) for number, one in await tx.audit.entries()] == [(1, "create-token")]
    await upgraded.close()


_OLD_TOKEN = text(
    "INSERT INTO tokens (id, hash, name, kind, principal_id, principal_name, role, created_at) "
    "VALUES (:id, :hash, 'ci', :kind, 'ann', 'Ann', 'user', :at)"
).bindparams(bindparam("at", type_=DateTime()))
_OLD_ENTRY = text(
    "INSERT INTO audit_entries (at, actor, action, workspace_id, outcome, request_id, detail) "
    "VALUES (:at, 'ann', 'create-token', '', 'accepted', '', NULL)"
).bindparams(bindparam("at", type_=DateTime()))
