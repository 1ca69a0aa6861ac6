"""People over HTTP: signing in, tokens within scopes, sessions, devices, quotas, suspension."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx2
import pytest
from browsing import PAGE, who_is
from web_service import SMALL, Web, running_web

from nixos_workspaces.web.http.access import rates
from nixos_workspaces.web.http.access.windows import Rate

PASSWORD = "seven green lanterns"


@pytest.fixture(autouse=True)
def _many_attempts(web: Web) -> None:
    """More of them are made here in a minute than people make."""
    web.server._fastapi.state.rates._refused = Rate(10_000)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


def call(web: Web, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
    """Return the answer's JSON; the error's code where it is refused."""
    headers = {"Authorization": f"Bearer {token or web.token}"}
    with httpx2.Client(
        event_hooks=PAGE, base_url=web.url, headers=headers, trust_env=False, timeout=20, verify=False
    ) as http:
        answer = http.request(method, f"/api/nixos/{path}", **({} if body is None else {"json": body}))
    if not answer.is_success:
        return answer.status_code, answer.json()["error"]["code"]
    return answer.json() if answer.content else None


def browser(web: Web, address: str = "127.0.0.1") -> httpx2.Client:
    transport = httpx2.HTTPTransport(verify=False, local_address=address)
    return httpx2.Client(event_hooks=PAGE, base_url=web.url, transport=transport, trust_env=False, timeout=20)


def person(web: Web, handle: str, **more: str) -> tuple[str, str]:
    """Return the id of a new person with a password, and the secret of their session."""
    user = call(web, "POST", "users", {"handle": handle, **more})["user"]
    link = call(web, "POST", f"users/{handle}/login-link")["url"]
    with browser(web) as http:
        code = link.partition("code=")[2]
        session = http.post("/api/nixos/login", json={"code": code}).json()["token"]
        given = {"password": PASSWORD}
        headers = {"Authorization": f"Bearer {session}"}
        assert http.put("/api/nixos/me/password", json=given, headers=headers).status_code == 204
    return user["id"], session


def sign_in(http: httpx2.Client, handle: str, password: str = PASSWORD) -> httpx2.Response:
    return http.post("/api/nixos/login", json={"handle": handle, "password": password})


def test_a_person_is_invited_sets_a_password_and_signs_in(web: Web) -> None:
    """In a browser: the cookie is the browser's alone, and says nothing to scripts or other sites."""
    user_id, _ = person(web, "ann", display_name="Ann Example")
    with browser(web) as http:
        answer = sign_in(http, "ann")
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
        assert who_is(http.get("/api/nixos/session")) == ("ann", "member")
        user = http.get("/api/nixos/me").json()["user"]
        assert (user["id"], user["display_name"], user["has_password"]) == (user_id, "Ann Example", True)
        # Without an Origin of its own no page changes anything by the cookie.
        wanted = {"name": "ci"}
        assert http.post("/api/nixos/tokens", json=wanted).json()["error"]["code"] == "foreign_origin"
        foreign = {"Origin": "http://evil.example"}
        assert http.post("/api/nixos/tokens", json=wanted, headers=foreign).status_code == 403
        assert http.post("/api/nixos/tokens", json=wanted, headers={"Origin": web.url}).status_code == 201
        assert (
            http.post("/api/nixos/login", json={"handle": "ann", "password": "x"}, headers=foreign).status_code == 403
        )


@pytest.mark.parametrize("role", ["member", "auditor"])
def test_others_see_nothing_of_the_administration(web: Web, role: str) -> None:
    _, session = person(web, f"one-{role}", role=role)
    denied = 403, "forbidden"
    for method, path, body in (
        ("POST", "users", {"handle": "x"}),
        ("PATCH", "users/admin", {"role": "member"}),
        ("POST", "users/admin/login-link", None),
        ("GET", "users/admin/tokens", None),
        ("POST", "groups", {"name": "x"}),
        ("PUT", "quotas/users/admin", {"workspaces": 1}),
    ):
        assert call(web, method, path, body, token=session) == denied
    for path in ("users", "groups", "quotas"):
        found = call(web, "GET", path, token=session)
        assert found == denied if role == "member" else path in found


def test_wrong_passwords_lock_the_address_and_not_the_person(web: Web) -> None:
    """Ten in a quarter of an hour; from elsewhere the person gets in, and others from there, too."""
    person(web, "victim")
    person(web, "bystander")
    with browser(web, "127.0.0.7") as attacker, browser(web, "127.0.0.8") as victim:
        for handle in ("victim", "no-such-user"):
            statuses = [sign_in(attacker, handle, f"wrong {number}").status_code for number in range(12)]
            assert statuses == [401] * 10 + [429] * 2
        locked = sign_in(attacker, "victim")
        assert locked.json()["error"]["code"] == "too_many_attempts"
        assert int(locked.headers["retry-after"]) <= 15 * 60
        assert sign_in(victim, "victim").status_code == 200
        assert sign_in(attacker, "bystander").status_code == 200


def test_an_address_that_guesses_costs_no_more_hashes(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever handles it tries: even the right password is not looked at."""
    person(web, "guessed")
    monkeypatch.setattr(web.server._fastapi.state.rates, "_refused", Rate(3))
    with browser(web, "127.0.0.12") as guesser, browser(web, "127.0.0.13") as other:
        statuses = [sign_in(guesser, f"user-{number}").status_code for number in range(4)]
        assert statuses == [401] * 3 + [429]
        assert sign_in(guesser, "guessed").status_code == 429
        assert sign_in(other, "guessed").status_code == 200


@pytest.mark.parametrize(
    ("password", "code"),
    [("short", "password_length"), ("password1234", "password_common"), ("x" * 257, "invalid_input")],
)
def test_weak_passwords_are_refused(web: Web, password: str, code: str) -> None:
    assert call(web, "PUT", "me/password", {"password": password}) == (422, code)


def test_tokens_are_made_shown_once_and_revoked(web: Web) -> None:
    _, session = person(web, "maker")
    wanted = {"name": "ci", "scopes": ["files:read"], "expires_in": "7d"}
    made = call(web, "POST", "tokens", wanted, token=session)
    secret, token = made["secret"], made["token"]
    assert secret.startswith(token["prefix"])
    [listed] = call(web, "GET", "tokens", token=session)["tokens"]
    assert {**listed, "last_used_at": None} == token
    assert secret not in str(listed)
    for path in ("tokens", "sessions"):
        assert call(web, "GET", path, token=secret) == (403, "beyond_credential")
    assert call(web, "POST", "tokens", {"name": "x", "scopes": ["secrets"]}, token=secret) == (403, "beyond_credential")
    assert call(web, "POST", "tokens", {"name": "x", "never_expires": True}, token=session) == (
        403,
        "lifetime_too_long",
    )
    _, other = person(web, "other-maker")
    assert call(web, "DELETE", f"tokens/{token['id']}", token=other) == (404, "token_not_found")
    assert call(web, "DELETE", f"tokens/{token['id']}", token=session) is None
    assert call(web, "GET", "session", token=secret) == (401, "unauthenticated")


def test_sessions_show_their_devices_and_end(web: Web) -> None:
    person(web, "traveller")
    with browser(web) as one, browser(web, "127.0.0.9") as two:
        one.headers["User-Agent"] = "Firefox on a laptop"
        sign_in(one, "traveller")
        sign_in(two, "traveller")
        sessions = one.get("/api/nixos/sessions").json()["sessions"]
        [mine] = [each for each in sessions if each["is_current"]]
        assert mine["device"] == "Firefox on a laptop"
        [away] = [each for each in sessions if each["address"] == "127.0.0.9"]
        own = {"Origin": web.url}
        assert one.delete("/api/nixos/sessions/tok-none", headers=own).status_code == 404
        assert one.delete(f"/api/nixos/sessions/{away['id']}", headers=own).status_code == 204
        assert two.get("/api/nixos/session").status_code == 401
        sign_in(two, "traveller")
        assert one.delete("/api/nixos/sessions", headers=own).json()["ended"] >= 1
        assert two.get("/api/nixos/session").status_code == 401
        assert one.get("/api/nixos/session").status_code == 200


def test_a_program_is_signed_in_by_a_code(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nixos_workspaces.auth.devices.INTERVAL_SECONDS", 0.0)
    _, session = person(web, "owner")
    with browser(web) as program:
        begun = program.post(
            "/api/nixos/device", json={"name": "nixws ann@laptop", "scopes": ["workspaces:read"]}
        ).json()
        ask = {"device_code": begun["device_code"]}
        pending = program.post("/api/nixos/device/token", json=ask)
        assert (pending.status_code, pending.json()["error"]["code"]) == (400, "authorization_pending")
        shown = call(web, "GET", f"device/{begun['user_code']}", token=session)
        assert (shown["name"], shown["scopes"]) == ("nixws ann@laptop", ["workspaces:read"])
        assert call(web, "POST", f"device/{begun['user_code']}", {"approve": True}, token=session) is None
        made = program.post("/api/nixos/device/token", json=ask).json()
        assert call(web, "GET", "session", token=made["secret"])["name"] == "owner"
        assert made["token"]["scopes"] == ["workspaces:read"]
        assert program.post("/api/nixos/device/token", json=ask).json()["error"]["code"] == "expired_token"
        assert program.get("/api/nixos/device/token").status_code == 401
    assert call(web, "GET", "device/BCDF-GHJK") == (404, "device_code_unknown")


def test_programs_of_one_address_are_bounded(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "DEVICES", Rate(3))
    with browser(web, "127.0.0.11") as program:
        statuses = [program.post("/api/nixos/device", json={"name": "x"}).status_code for _ in range(5)]
    assert statuses == [200] * 3 + [429] * 2


def test_quotas_are_shown_and_held(web: Web) -> None:
    """Also by all members of a group together; stopping is never refused."""
    ids = {name: person(web, name) for name in ("first", "second")}
    call(web, "POST", "groups", {"name": "crew"})
    for name in ids:
        call(web, "PUT", f"groups/crew/members/{name}")
    call(web, "PUT", "quotas/groups/crew", {"workspaces": 2, "memory": 3})
    call(web, "PUT", "quotas/users/first", {"running": 1, "cpu": 1.5})
    session, other = ids["first"][1], ids["second"][1]

    def create(name: str, token: str, **changed: object) -> Any:
        return call(web, "POST", "workspaces/create", {"name": name, **SMALL, **changed}, token=token)

    assert create("large", session, cpu=2) == (409, "quota_exceeded")
    made = create("one", session)["workspace"]
    assert create("two", session) == (409, "quota_exceeded")
    own = call(web, "GET", "quotas/me", token=session)
    assert own["used"] == {"workspaces": 1, "running": 1, "cpu": 1, "memory": 1, "storage": 1}
    assert {one["name"]: one["allowed"]["workspaces"] for one in own["quotas"]} == {"first": None, "crew": 2}
    assert create("theirs", other)["workspace"]
    assert create("third", other) == (409, "quota_exceeded")
    assert call(web, "PATCH", f"workspaces/{made['id']}", {"memory": 3}, token=session) == (409, "quota_exceeded")
    assert call(web, "PATCH", f"workspaces/{made['id']}", {"memory": 2}, token=session)
    call(web, "PUT", "quotas/users/first", {"workspaces": 0})
    web.reaches(made["id"], "running")
    assert call(web, "POST", f"workspaces/{made['id']}/stop", token=session)
    assert call(web, "POST", f"workspaces/{made['id']}/start", token=session)
    assert call(web, "DELETE", f"workspaces/{made['id']}", token=session)
    call(web, "PUT", "quotas/users/first", {})
    assert {one["name"] for one in call(web, "GET", "quotas")["quotas"]} == {"crew"}


@pytest.mark.parametrize("whose", ["user", "group"])
def test_of_creations_at_once_a_quota_lets_as_many_through_as_it_allows(web: Web, whose: str) -> None:
    """Exactly one at a quota of one, whoever is first."""
    handle = f"hasty-{whose}"
    _, session = person(web, handle)
    of = f"users/{handle}"
    if whose == "group":
        of = "groups/hurry"
        call(web, "POST", "groups", {"name": "hurry"})
        call(web, "PUT", f"groups/hurry/members/{handle}")
    call(web, "PUT", f"quotas/{of}", {"workspaces": 1})
    start = Barrier(4)

    def create(number: int) -> Any:
        start.wait(20)
        return call(web, "POST", "workspaces/create", {"name": f"at-once-{number}", **SMALL}, token=session)

    for _ in range(3):
        with ThreadPoolExecutor(4) as threads:
            answers = [*threads.map(create, range(4))]
        assert answers.count((409, "quota_exceeded")) == 3, answers
        [made] = [one["workspace"]["id"] for one in answers if isinstance(one, dict)]
        assert call(web, "GET", "quotas/me", token=session)["used"]["workspaces"] == 1
        assert call(web, "DELETE", f"workspaces/{made}", token=session)
    call(web, "PUT", f"quotas/{of}", {})


def test_users_groups_and_quotas_that_there_are_not(web: Web) -> None:
    for method, path, code in (
        ("GET", "users/nobody", "user_not_found"),
        ("PATCH", "users/nobody", "user_not_found"),
        ("DELETE", "groups/none", "group_not_found"),
        ("PUT", "groups/none/members/admin", "group_not_found"),
        ("PUT", "quotas/users/nobody", "user_not_found"),
        ("PUT", "quotas/groups/none", "group_not_found"),
    ):
        body: dict[str, str] | None = {} if method in {"PATCH", "PUT"} and "members" not in path else None
        assert call(web, method, path, body) == (404, code)
