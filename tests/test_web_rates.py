"""Attempts and connections without a valid credential: bounded for each address, written down together."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from clock import Clock
from migrated_database import open_migrated
from test_reading import locked, statements_of
from waiting import until
from web_service import Web, running_web

from nixos_workspaces.audit.entries import AuditClass
from nixos_workspaces.auth.counted import MOST_TOLD_APART, OTHERS, REFUSED, CountedAudit, Kind
from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.auth.tokens import Tokens
from nixos_workspaces.database import AuditEntry
from nixos_workspaces.errors import Unauthenticated, Unavailable, WorkspacesError
from nixos_workspaces.services import DATABASE
from nixos_workspaces.settings import Settings
from nixos_workspaces.web.http import protocol
from nixos_workspaces.web.http.access import rates
from nixos_workspaces.web.http.access.rates import SESSIONS_OF_ACCOUNT, Attempt, Rates, client_of
from nixos_workspaces.web.http.errors import TooManyAttempts

ATTEMPTS_OF_ADDRESS = Settings().sign_in_attempts


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with running_web(tmp_path) as running:
        yield running


def client(web: Web, address: str, **headers: str) -> httpx2.Client:
    """Return a client at one of the machine's own addresses."""
    transport = httpx2.HTTPTransport(verify=False, local_address=address)
    return httpx2.Client(base_url=web.url, transport=transport, headers=headers, timeout=20)


def checked(answer: httpx2.Response) -> None:
    """Require the one shape of errors, and a time after which to try again."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (429, "too_many_attempts")
    assert error["request_id"] == answer.headers["x-request-id"]
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def entries(web: Web, action: str) -> list[AuditEntry]:
    async def read() -> list[AuditEntry]:
        async with web.services.database.reading() as tx:
            return [entry for _, entry in await tx.audit.entries() if entry.action == action]

    return web.run(read())


ATTEMPTS = {
    "token": lambda http: http.get("/api/nixos/session", headers={"Authorization": "Bearer nope"}),
    "cookie": lambda http: http.get("/api/nixos/session", headers={"Cookie": "nixws_session=nope"}),
    "token for a session": lambda http: http.post("/api/nixos/login", json={"token": "nope"}),
    "code": lambda http: http.post("/api/nixos/login", json={"code": "nope"}),
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_an_address_has_so_many_attempts_and_writes_nothing(web: Web, attempt: object) -> None:
    """The refused ones leave one audit entry together; other addresses, and who is valid, are not held up."""
    assert callable(attempt)
    total = 2 * ATTEMPTS_OF_ADDRESS
    with client(web, "127.0.0.2") as http:
        with locked(web.services.settings.data / DATABASE):
            answers = [attempt(http) for _ in range(total)]
        assert [one.status_code for one in answers[:ATTEMPTS_OF_ADDRESS]] == [401] * ATTEMPTS_OF_ADDRESS
        for one in answers[ATTEMPTS_OF_ADDRESS:]:
            checked(one)
        assert http.get("/api/nixos/session", headers=web.headers).status_code == 200
    with client(web, "127.0.0.3") as http:
        assert attempt(http).status_code == 401
    web.run(web.services.counted_audit.store())
    [first, second] = [one for action in Attempt for one in entries(web, action) if one.outcome == "refused"]
    assert first.detail == {"address": "127.0.0.2", "count": total}
    assert first.request_id == answers[0].headers["x-request-id"]
    assert second.detail == {"address": "127.0.0.3", "count": 1}


def test_an_account_makes_so_many_sessions(web: Web) -> None:
    with client(web, "127.0.0.1") as http:
        login = {"token": web.token}
        for _ in range(SESSIONS_OF_ACCOUNT.most):
            assert http.post("/api/nixos/login", json=login).status_code == 200
        seen = statements_of(web.services.database)
        checked(http.post("/api/nixos/login", json=login))
        assert [one for one in seen if "INSERT INTO tokens" in one] == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("testclient", "testclient", True),
    ],
)
def test_one_client_has_one_rate(one: str, other: str, *, same: bool) -> None:
    assert (client_of(one) == client_of(other)) == same


async def test_passwords_at_once_do_not_pass_the_bound_together() -> None:
    """Right ones are given back, whatever their number; so are those that failed by themselves."""
    counted = Rates(10_000)
    checked = 0

    async def attempt(failure: WorkspacesError | None) -> None:
        nonlocal checked
        async with counted.password("192.0.2.1", "ann"):
            checked += 1
            await asyncio.sleep(0.01)  # the hash
            if failure is not None:
                raise failure

    for _ in range(30):
        await attempt(None)
        with pytest.raises(Unavailable):
            await attempt(Unavailable("The disk is full."))
    checked = 0
    wrong = Unauthenticated("The handle or the password is wrong.", code="sign_in_failed")
    ended = await asyncio.gather(*(attempt(wrong) for _ in range(40)), return_exceptions=True)
    assert (checked, sum(isinstance(one, TooManyAttempts) for one in ended)) == (10, 30)


def test_addresses_without_number_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound they share one rate; those known before keep their own."""
    monkeypatch.setattr(rates, "MOST_ADDRESSES", 5)
    limits = Rates(ATTEMPTS_OF_ADDRESS)
    for number in range(5):
        limits.refused(f"192.0.2.{number}")
    for number in range(ATTEMPTS_OF_ADDRESS):
        limits.refused(f"198.51.100.{number}")
    with pytest.raises(TooManyAttempts):
        limits.refused("198.51.100.200")
    limits.refused("192.0.2.1")


async def test_refused_sign_ins_are_kept_until_they_can_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And many addresses do not fill memory: those beyond a bound are counted together."""
    monkeypatch.setattr("nixos_workspaces.database.engine.TURN_SECONDS", 0.05)
    database, clock = await open_migrated(tmp_path / "audit.db"), Clock()
    refused = CountedAudit(database, clock)
    refused.note(Kind("login", REFUSED, address="192.0.2.1"), "first")
    first_at = clock.now
    async with database.transaction():
        with pytest.raises(Unavailable):
            await refused.store()
    clock.move(60)
    refused.note(Kind("login", REFUSED, address="192.0.2.1"), "second")
    for number in range(MOST_TOLD_APART + 5):
        refused.note(Kind("authenticate", REFUSED, address=f"a{number}"), "many")
    await refused.store()
    await refused.store()
    async with database.reading() as tx:
        found = [entry for _, entry in await tx.audit.entries(limit=5000)]
    await database.close()
    about = first_at, "", "login", "", "refused", "first", {"address": "192.0.2.1", "count": 2}
    assert found[0] == AuditEntry(*about, address="192.0.2.1", kind=AuditClass.REFUSAL)
    assert len(found) == MOST_TOLD_APART + 1
    assert found[-1].detail == {"address": OTHERS, "count": 6}


async def test_a_wrong_code_writes_nothing(tmp_path: Path) -> None:
    database = await open_migrated(tmp_path / "codes.db")
    tokens = Tokens(database, Clock())
    code = await tokens.login_code()
    seen = statements_of(database)
    with pytest.raises(Unauthenticated):
        await tokens.redeem("wrong")
    assert [one for one in seen if not one.startswith("SELECT")] == []
    _, session = await tokens.redeem(code)
    assert session.principal == ADMIN
    with pytest.raises(Unauthenticated):
        await tokens.redeem(code)
    await database.close()


# ---- connections


def held(web: Web, address: str, count: int, first: bytes = b"") -> list[socket.socket]:
    """Open connections that ask for nothing."""
    made = []
    for _ in range(count):
        made.append(socket.create_connection(web.address, timeout=10, source_address=(address, 0)))
        made[-1].sendall(first)
    return made


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.parametrize("first", [b"", b"GET /healthz HTTP/1.1\r\nHo"])
def test_connections_without_a_credential_take_nobodys_place(
    web: Web, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    """More of them than there are places: the oldest of that address give way, and others come in."""
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 60)
    monkeypatch.setattr(protocol, "MAX_UNKNOWN_OF_ADDRESS", 20)
    with client(web, "127.0.0.3", **web.headers) as known, contextlib.ExitStack() as stack:
        assert known.get("/api/nixos/session").status_code == 200
        flood = [stack.enter_context(one) for one in held(web, "127.0.0.2", 100, first)]
        until("the old ones gave way", lambda: sum(map(is_closed, flood[:80])) == 80)
        assert not any(map(is_closed, flood[80:]))
        assert known.get("/api/nixos/session").status_code == 200
        for address in ("127.0.0.2", "127.0.0.4"):
            with client(web, address) as newcomer:
                assert newcomer.get("/healthz").status_code == 200


def test_where_all_places_are_taken_who_has_no_credential_gives_way(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 10)
    with contextlib.ExitStack() as stack:
        flood = [stack.enter_context(one) for number in range(2, 22) for one in held(web, f"127.0.0.{number}", 1)]
        until("the old ones gave way", lambda: sum(map(is_closed, flood)) >= 10)
        with web.http() as http:
            assert http.get("/api/nixos/session").status_code == 200


def test_one_address_has_a_bound_with_a_credential_too(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_OF_ADDRESS", 3)
    with contextlib.ExitStack() as stack:
        known = [stack.enter_context(client(web, "127.0.0.2", **web.headers)) for _ in range(3)]
        assert [one.get("/api/nixos/session").status_code for one in known] == [200] * 3
        [fourth] = [stack.enter_context(one) for one in held(web, "127.0.0.2", 1)]
        refused = fourth.recv(65536)
        assert refused.split()[1] == b"429"
        assert b"Retry-After: " in refused
        assert b'"too_many_of_address"' in refused
        with client(web, "127.0.0.3") as other:
            assert other.get("/healthz").status_code == 200
