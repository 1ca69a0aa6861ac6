"""Sign-in by an OpenID provider over HTTP: the whole flow, against a provider that may say anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from browsing import PAGE, who_is
from fakes import fake_services
from joserfc.jwk import RSAKey
from openid_forger import CLIENT_ID, CLIENT_SECRET, Claims, Forger, forger, unsigned
from web_service import Web, running_web

from nixos_workspaces.auth.openid import provider as asking
from nixos_workspaces.settings import Settings, load
from nixos_workspaces.web.http.access.windows import Rate

ROLES = "ops=admin,audit=auditor"


@dataclass
class Place:
    """A service, and the provider that it trusts."""

    web: Web
    forger: Forger

    @contextmanager
    def browser(self) -> Iterator[httpx2.Client]:
        with httpx2.Client(
            event_hooks=PAGE, base_url=self.web.url, trust_env=False, timeout=20, verify=False
        ) as client:
            yield client

    def leave(self, browser: httpx2.Client, to: str = "/me") -> dict[str, str]:
        """Begin a sign-in; return what the provider is asked."""
        away = browser.get("/oidc/sign-in", params={"to": to})
        assert away.status_code == 303, away.text
        assert away.headers["location"].startswith(f"{self.forger.url}/authorize?"), away.headers["location"]
        return self.note(away.headers["location"])

    def note(self, where: str) -> dict[str, str]:
        asked = {name: one for name, [one] in parse_qs(urlsplit(where).query).items()}
        self.forger.nonce = asked["nonce"]
        return asked

    def back(self, browser: httpx2.Client, **answer: str) -> str:
        """Come back from the provider; return where that leads to."""
        came = browser.get("/oidc/callback", params={"code": "good", **answer})
        assert came.status_code == 303, came.text
        return came.headers["location"]

    def sign_in(self, browser: httpx2.Client, to: str = "/me") -> str:
        return self.back(browser, state=self.leave(browser, to)["state"])

    def entries(self, action: str) -> list[dict[str, Any]]:
        with self.web.http() as http:
            return list(http.get("/api/nixos/audit", params={"action": action}).json()["entries"])


@pytest.fixture(scope="module")
def provider() -> Iterator[Forger]:
    with forger() as running:
        yield running


@contextmanager
def place_of(provider: Forger, data: Path, **changed: object) -> Iterator[Place]:
    secret = data / "secret"
    secret.write_text(f"{CLIENT_SECRET}\n")
    given = {
        "data": data / "data",
        "oidc_issuer": provider.url,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret_file": secret,
        "oidc_name": "Example ID",
        "oidc_roles": ROLES,
        "oidc_groups": "dev=developers,ops=operators",
        "oidc_new_users": "member",
        "sign_in_attempts": 100_000,
        **changed,
    }
    (data / "data").mkdir()
    with running_web(data / "data", partial(_services, load(given, {}))) as web:
        yield Place(web, provider)


def _services(settings: Settings, data: Path) -> Any:
    return fake_services(data, settings=settings)


@pytest.fixture(scope="module")
def shared(provider: Forger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    # Browsers of one address begin more sign-ins here than people do.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nixos_workspaces.web.http.access.rates.SIGN_INS", Rate(100_000))
        with place_of(provider, tmp_path_factory.mktemp("openid")) as place:
            yield place


@pytest.fixture
def place(shared: Place) -> Place:
    """The service, and a provider that is good again."""
    fresh = Forger(shared.forger.url)
    one = shared.forger
    one.make, one.person, one.discovery, one.userinfo = None, fresh.person, {}, None
    one.asked.clear()
    return shared


def subject(name: str, **claims: object) -> Claims:
    return {"sub": f"{name}-1", "preferred_username": name, "name": name.title(), "groups": [], **claims}


def test_people_sign_in_by_code_pkce_state_and_nonce(place: Place) -> None:
    with place.browser() as browser:
        away = browser.get("/oidc/sign-in?to=/me")
        cookie = away.headers["set-cookie"]
        assert "nixws_openid=" in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        asked = place.note(away.headers["location"])
        assert (asked["response_type"], asked["client_id"], asked["scope"]) == (
            "code",
            CLIENT_ID,
            "openid profile email",
        )
        assert (asked["redirect_uri"], asked["code_challenge_method"]) == (f"{place.web.url}/oidc/callback", "S256")
        assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
        assert "client_secret" not in asked
        assert place.back(browser, state=asked["state"]) == "/me"
        assert who_is(browser.get("/api/nixos/session")) == ("alice", "member")
        assert "nixws_openid" not in browser.cookies
        [identity] = browser.get("/api/nixos/me/identities").json()["identities"]
        assert (identity["issuer"], identity["subject"]) == (place.forger.url, "alice-1")
    [(_, form)] = [one for one in place.forger.asked if one[0] == "/token"]
    assert len(form["code_verifier"]) >= 43
    assert form["redirect_uri"] == asked["redirect_uri"]
    [made] = [one for one in place.entries("create-user") if one["detail"].get("subject") == "alice-1"]
    assert made["actor"] == "system"
    assert made["detail"] | {"handle": "alice", "role": "member", "by": "openid"} == made["detail"]
    entry = place.entries("sign-in")[0]
    assert (entry["outcome"], entry["kind"], entry["detail"]["subject"]) == ("accepted", "access", "alice-1")


def test_a_state_is_good_once_and_in_its_own_browser(place: Place) -> None:
    with place.browser() as one, place.browser() as other:
        asked = place.leave(one)
        assert place.back(other, state=asked["state"]) == "/sign-in#oidc_state"
        place.leave(other)
        assert place.back(other, state=asked["state"]) == "/sign-in#oidc_state"
        cookies = dict(one.cookies)
        place.forger.nonce = asked["nonce"]
        assert place.back(one, state=asked["state"]) == "/me"
        one.cookies.update(cookies)
        assert place.back(one, state=asked["state"]) == "/sign-in#oidc_state"
        assert other.get("/api/nixos/session").status_code == 401


@pytest.mark.parametrize(
    "query", ["", "state=", "code=x", "state=a&state=b&code=x", "state=%ff&code=x", "a=1" + "&b=2" * 40]
)
def test_an_answer_that_cannot_be_read_is_refused(place: Place, query: str) -> None:
    with place.browser() as browser:
        place.leave(browser)
        came = browser.get(f"/oidc/callback?{query}")
        assert (came.status_code, came.headers["location"][:9]) == (303, "/sign-in#")
        assert browser.get("/api/nixos/session").status_code == 401


def forged() -> dict[str, Callable[[Place, Claims], str]]:
    """Return ways to make an ID token that is not to be taken."""
    now = int(time.time())

    def changed(**claims: object) -> Callable[[Place, Claims], str]:
        return lambda place, good: place.forger.sign({**good, **claims})

    def by(key: RSAKey) -> Callable[[Place, Claims], str]:
        return lambda place, good: Forger(place.forger.url, key).sign(good)

    return {
        "alg none": lambda _, good: unsigned(good),
        "HS256 with the public key": lambda place, good: place.forger.by_public_key(good),
        "another audience": changed(aud="another"),
        "a further audience": changed(aud=[CLIENT_ID, "another"]),
        "another issuer": changed(iss="https://evil.example"),
        "another nonce": changed(nonce="x" * 43),
        "an unknown key": by(RSAKey.generate_key(2048, {"kid": "two"})),
        "another key of that name": by(RSAKey.generate_key(2048, {"kid": "one"})),
        "expired": changed(exp=now - 61),
        "of the future": changed(iat=now + 120, exp=now + 300),
        "for an access token": lambda place, good: place.forger.sign(good, typ="at+jwt"),
        "no token": lambda _place, _good: "nonsense",
        "of another access token": changed(at_hash="AAAA"),
    }


@pytest.mark.parametrize("how", forged())
def test_a_forged_token_signs_nobody_in(place: Place, how: str) -> None:
    with place.browser() as browser:
        state = place.leave(browser)["state"]
        place.forger.make = partial(forged()[how], place)
        assert place.back(browser, state=state) == "/sign-in#oidc_answer"
        assert browser.get("/api/nixos/session").status_code == 401
        place.forger.make = None
        assert place.back(browser, state=state) == "/sign-in#oidc_state"  # it was used up


def test_clocks_may_differ_by_the_setting(place: Place) -> None:
    now = int(time.time())
    with place.browser() as browser:
        place.forger.make = lambda good: place.forger.sign({**good, "iat": now + 45, "exp": now + 300})
        assert place.sign_in(browser) == "/me"
    with place.browser() as browser:
        place.forger.make = lambda good: place.forger.sign({**good, "iat": now - 300, "exp": now - 30})
        assert place.sign_in(browser) == "/me"


def test_new_keys_are_taken_up_and_old_ones_dropped(place: Place) -> None:
    with pytest.MonkeyPatch.context() as patch, place.browser() as browser:
        assert place.sign_in(browser) == "/me"
        old = place.forger.key
        new = RSAKey.generate_key(2048, {"kid": "rotated", "use": "sig"})
        place.forger.key, place.forger.keys = new, [new]
        patch.setattr(asking, "LEAST_SECONDS", 0.0)
        assert place.sign_in(browser) == "/me"
        place.forger.make = lambda good: Forger(place.forger.url, old).sign(good)
        assert place.sign_in(browser) == "/sign-in#oidc_answer"


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "/%5cevil.example", "evil"]
)
def test_nobody_is_led_elsewhere(place: Place, to: str) -> None:
    with place.browser() as browser:
        where = place.sign_in(browser, to)
        assert urlsplit(httpx2.URL(place.web.url).join(where).__str__()).netloc == urlsplit(place.web.url).netloc
        assert where == "/workspaces" or where.startswith("/%5c")


def test_who_refuses_at_the_provider_is_told_so(place: Place) -> None:
    with place.browser() as browser:
        asked = place.leave(browser)
        came = browser.get("/oidc/callback", params={"error": "access_denied", "state": asked["state"]})
        assert came.headers["location"] == "/sign-in#oidc_denied"


def test_the_answer_of_another_provider_is_refused(place: Place) -> None:
    with place.browser() as browser:
        state = place.leave(browser)["state"]
        assert place.back(browser, state=state, iss="https://evil.example") == "/sign-in#oidc_answer"


def test_groups_at_the_provider_decide_role_and_groups_at_each_sign_in(place: Place) -> None:
    with place.browser() as browser, place.web.http() as admin:
        place.forger.person = subject("gail", groups=["ops", "dev", "elsewhere"])
        assert place.sign_in(browser) == "/me"
        me = browser.get("/api/nixos/me").json()["user"]
        assert (me["handle"], me["role"]) == ("gail", "admin")
        groups = {one["name"]: one["members"] for one in admin.get("/api/nixos/groups").json()["groups"]}
        assert {name for name, members in groups.items() if me["id"] in members} == {"developers", "operators"}
        place.forger.person = subject("gail", groups=["audit"])
        assert place.sign_in(browser) == "/me"
        assert browser.get("/api/nixos/me").json()["user"]["role"] == "auditor"
        groups = {one["name"]: one["members"] for one in admin.get("/api/nixos/groups").json()["groups"]}
        assert not [name for name, members in groups.items() if me["id"] in members]
    change = next(one for one in place.entries("change-user") if one["detail"]["user"] == me["id"])
    assert (change["before"], change["after"]) == ({"role": "admin"}, {"role": "auditor"})
    assert (change["actor"], change["detail"]["by"]) == ("system", "openid")
    assert {one["detail"]["user"] for one in place.entries("leave-group")} == {me["id"]}


def test_groups_may_come_from_userinfo_of_the_same_subject_only(place: Place) -> None:
    with place.browser() as browser:
        place.forger.discovery = {}
        place.forger.person = {"sub": "ute-1"}
        place.forger.userinfo = {"sub": "ute-1", "preferred_username": "ute", "groups": "ops"}
        _forget(place)
        assert place.sign_in(browser) == "/me"
        assert who_is(browser.get("/api/nixos/session")) == ("ute", "admin")
        place.forger.userinfo = {"sub": "another", "groups": ["ops"]}
        assert place.sign_in(browser) == "/sign-in#oidc_answer"
        place.forger.userinfo = None
        _forget(place)


def _forget(place: Place) -> None:
    """Have the service ask the provider anew, as it does after ten minutes."""
    openid = place.web.services.people.openid
    assert openid is not None
    openid._provider._metadata = None


def test_an_existing_user_is_not_taken_over_by_name_or_address(place: Place) -> None:
    with place.browser() as browser, place.web.http() as admin:
        assert admin.post("/api/nixos/users", json={"handle": "olga"}).status_code == 201
        place.forger.person = subject("olga", email="olga@work.example", email_verified=True)
        assert place.sign_in(browser) == "/me"
        assert browser.get("/api/nixos/session").json()["name"] == "olga-2"
        place.forger.person = subject("admin")
        assert place.sign_in(browser) == "/me"
        assert who_is(browser.get("/api/nixos/session")) == ("admin-2", "member")


def local(place: Place, browser: httpx2.Client, handle: str) -> None:
    """Sign a local user in by a link."""
    with place.web.http() as admin:
        admin.post("/api/nixos/users", json={"handle": handle})
        link = admin.post(f"/api/nixos/users/{handle}/login-link").json()["url"]
    code = parse_qs(urlsplit(link).query)["code"][0]
    assert browser.post("/login", data={"code": code}, headers={"Origin": place.web.url}).status_code == 303


def connect(place: Place, browser: httpx2.Client) -> str:
    begun = browser.post("/api/nixos/me/identities", headers={"Origin": place.web.url})
    assert begun.status_code == 200, begun.text
    return place.back(browser, state=place.note(begun.json()["url"])["state"])


def test_an_existing_user_connects_an_account_while_signed_in(place: Place) -> None:
    with place.browser() as browser, place.browser() as other:
        local(place, browser, "lena")
        place.forger.person = subject("lena-at-provider")
        assert connect(place, browser) == "/me"
        assert connect(place, browser) == "/me"  # it is connected already
        [identity] = browser.get("/api/nixos/me/identities").json()["identities"]
        assert place.sign_in(other) == "/me"
        assert other.get("/api/nixos/session").json()["name"] == "lena"
        local(place, other, "mona")
        assert connect(place, other) == "/me#identity_taken"
        path = f"/api/nixos/me/identities/{identity['id']}"
        assert other.delete(path, headers={"Origin": place.web.url}).status_code == 404
        last = browser.delete(path, headers={"Origin": place.web.url})
        assert (last.status_code, last.json()["error"]["code"]) == (409, "last_way_in")
        password = {"password": "four words that nobody says"}
        assert browser.put("/api/nixos/me/password", json=password, headers={"Origin": place.web.url}).is_success
        assert browser.delete(path, headers={"Origin": place.web.url}).status_code == 204
        assert connect(place, other) == "/me"
    assert {one["kind"] for one in place.entries("connect-identity")} == {"access"}
    assert len(place.entries("disconnect-identity")) == 1


def test_another_site_cannot_connect_an_account(place: Place) -> None:
    with place.browser() as browser:
        local(place, browser, "nina")
        for headers in ({}, {"Origin": "https://evil.example"}):
            assert browser.post("/api/nixos/me/identities", headers=headers).status_code == 403
    with place.web.http() as program:
        assert program.post("/api/nixos/me/identities").status_code == 422


def test_connecting_ends_with_the_session_that_began_it(place: Place) -> None:
    with place.browser() as browser:
        local(place, browser, "otto")
        begun = browser.post("/api/nixos/me/identities", headers={"Origin": place.web.url})
        cookie = browser.cookies["nixws_openid"]
        browser.post("/api/nixos/logout", headers={"Origin": place.web.url})
        browser.cookies.set("nixws_openid", cookie)
        assert place.back(browser, state=place.note(begun.json()["url"])["state"]) == "/me#oidc_state"


def test_a_suspended_user_stays_out(place: Place) -> None:
    with place.browser() as browser, place.web.http() as admin:
        place.forger.person = subject("susi", groups=["ops"])
        assert place.sign_in(browser) == "/me"
        assert admin.patch("/api/nixos/users/susi", json={"state": "suspended"}).status_code == 200
        assert browser.get("/api/nixos/session").status_code == 401
        assert place.sign_in(browser) == "/sign-in#oidc_suspended"
        assert browser.get("/api/nixos/session").status_code == 401


def test_logout_leads_to_the_provider(place: Place) -> None:
    with place.browser() as browser:
        place.sign_in(browser)
        answer = browser.post("/api/nixos/logout", headers={"Origin": place.web.url})
        assert answer.status_code == 200
        where = urlsplit(answer.json()["url"])
        given = {name: one for name, [one] in parse_qs(where.query).items()}
        assert f"{where.scheme}://{where.netloc}{where.path}" == f"{place.forger.url}/end"
        assert given["post_logout_redirect_uri"] == f"{place.web.url}/sign-in"
        assert given["client_id"] == CLIENT_ID
        assert given["id_token_hint"].count(".") == 2
        assert browser.get("/api/nixos/session").status_code == 401
        local(place, browser, "quinn")
        assert browser.post("/api/nixos/logout", headers={"Origin": place.web.url}).status_code == 204


def logout(place: Place, token: str, **headers: str) -> int:
    with place.browser() as there:
        return there.post("/oidc/backchannel-logout", data={"logout_token": token}, headers=headers).status_code


@pytest.mark.parametrize("named", [{"sub": "zoe-1"}, {"sub": None, "sid": "s-1"}, {"sub": "zoe-1", "sid": "s-1"}])
def test_a_logout_at_the_provider_ends_the_sessions_at_once(place: Place, named: dict[str, str | None]) -> None:
    place.forger.person = subject("zoe")
    with place.browser() as browser, place.browser() as bystander:
        place.sign_in(browser)
        local(place, bystander, "pia")
        token = place.forger.logout_token(**named)
        with browser.stream("GET", "/api/nixos/session") as open_answer:
            assert open_answer.status_code == 200
        began = time.monotonic()
        assert logout(place, token) == 200
        assert browser.get("/api/nixos/session").status_code == 401
        assert time.monotonic() - began < 1
        assert bystander.get("/api/nixos/session").status_code == 200
        place.sign_in(browser)
        assert logout(place, token) == 400  # used before
        assert browser.get("/api/nixos/session").status_code == 200
    ended = place.entries("sign-out")[0]
    assert (ended["actor"], ended["detail"]["by"]) == ("system", "openid")


def test_forged_logout_tokens_end_nothing(place: Place) -> None:
    place.forger.person = subject("yara")
    now = int(time.time())
    with place.browser() as browser:
        place.sign_in(browser)
        good = place.forger.logout_token
        other = Forger(place.forger.url, RSAKey.generate_key(2048, {"kid": "one"}), person=place.forger.person)
        for token in (
            *("", "nonsense", other.logout_token(), place.forger.sign(place.forger.claims())),
            *(good(aud="another"), good(iss="https://evil.example"), good(exp=now - 61), good(iat=now - 700)),
            *(good(events={}), good(jti=None), good(sub=None), good(nonce="n"), good(sub="another", sid="s-2")[:-2]),
            unsigned(place.forger.claims()),
        ):
            assert logout(place, token) == 400, token
        assert logout(place, good(sub="somebody-else")) == 200
        assert logout(place, good(), Origin="https://evil.example") == 403
        assert browser.get("/api/nixos/session").status_code == 200


def test_what_is_open_ends_with_the_logout(place: Place) -> None:
    place.forger.person = subject("xenia")
    with place.browser() as browser:
        place.sign_in(browser)
        session = browser.cookies["nixws_session"]
        token = place.web.services.tokens
        assert place.web.run(token.invalid([session])) == frozenset()
        assert logout(place, place.forger.logout_token()) == 200
        assert place.web.run(token.invalid([session])) == {session}


def test_page_and_account_say_how_to_sign_in(place: Place) -> None:
    with place.browser() as browser:
        told = browser.get("/api/nixos/sign-in-methods").json()
        assert told == {"openid": {"name": "Example ID", "url": "/oidc/sign-in"}}


def test_neither_secret_nor_codes_nor_tokens_are_logged(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(0), place.browser() as browser:
        asked = place.leave(browser)
        place.forger.make = lambda good: place.forger.sign({**good, "aud": "x"})
        place.back(browser, state=asked["state"], code="very-secret-code")
    for secret in (CLIENT_SECRET, "very-secret-code", asked["state"], asked["nonce"], "eyJ"):
        assert not [one for one in caplog.records if one.name.startswith("nixos") and secret in one.getMessage()]
    assert [one for one in caplog.records if "for another client" in one.getMessage()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": ""},
        {"token_endpoint": "file:///etc/passwd"},
        {"authorization_endpoint": ["x"]},
        {"padding": "x" * (1 << 20)},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_provider_that_is_not_as_it_should_be_is_said_to_be_so(place: Place, wrong: Claims) -> None:
    place.forger.discovery = wrong
    _forget(place)
    try:
        with place.browser() as browser:
            assert browser.get("/oidc/sign-in").headers["location"] == "/sign-in#oidc_unavailable"
    finally:
        place.forger.discovery = {}
        _forget(place)


def test_unknown_people_stay_out_and_a_missing_provider_harms_nobody(provider: Forger, tmp_path: Path) -> None:
    provider.person, provider.make = subject("walt"), None
    with place_of(provider, tmp_path, oidc_new_users="none") as place:
        with place.browser() as browser:
            assert place.sign_in(browser) == "/sign-in#oidc_unknown_user"
            local(place, browser, "walt")
            assert connect(place, browser) == "/me"
            assert place.sign_in(browser) == "/me"
        assert place.web.services.people.openid is not None
    (tmp_path / "away").mkdir()
    nobody = Forger("http://127.0.0.1:9")
    with place_of(nobody, tmp_path / "away") as place, place.browser() as browser:
        assert browser.get("/healthz").status_code == 200
        assert browser.get("/oidc/sign-in").headers["location"] == "/sign-in#oidc_unavailable"


def test_the_last_administrator_stays_one(provider: Forger, tmp_path: Path) -> None:
    provider.make = None
    with place_of(provider, tmp_path) as place, place.browser() as browser:
        local(place, browser, "admin")
        provider.person = subject("boss", groups=[])
        assert connect(place, browser) == "/me"
        assert place.sign_in(browser) == "/me"
        assert who_is(browser.get("/api/nixos/session")) == ("admin", "admin")
        assert place.entries("change-user")[0]["outcome"] == "last_administrator"


def test_without_a_provider_there_is_nothing_of_it(tmp_path: Path) -> None:
    with (
        running_web(tmp_path) as web,
        httpx2.Client(event_hooks=PAGE, base_url=web.url, trust_env=False, verify=False) as browser,
    ):
        assert browser.get("/api/nixos/sign-in-methods").json() == {"openid": None}
        for path in ("/oidc/sign-in", "/oidc/callback?state=x"):
            assert browser.get(path).status_code == 404
        assert browser.post("/oidc/backchannel-logout", data={"logout_token": "x"}).status_code == 404
        with web.http() as http:
            assert http.post("/api/nixos/me/identities").status_code == 404
            assert http.get("/api/nixos/me/identities").json() == {"identities": []}


def test_many_sign_ins_of_one_address_are_slowed_down(
    provider: Forger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nixos_workspaces.web.http.access.rates.SIGN_INS", Rate(5))
    with place_of(provider, tmp_path) as place, place.browser() as browser:
        seen = [browser.get("/oidc/sign-in").headers["location"] for _ in range(6)]
        assert [one for one in seen if one == "/sign-in#too_many_attempts"] == seen[5:]
