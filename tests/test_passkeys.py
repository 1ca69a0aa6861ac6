"""Passkeys over HTTP, with an authenticator in software: what holds, and everything that must not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from authenticator import PRESENT, Authenticator, encoded
from browsing import PAGE, who_is
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, update
from test_web_people import PASSWORD, call
from test_web_people import person as with_password
from test_web_rates import entries
from web_service import Web, running_web

from nixos_workspaces.auth.passkeys.challenges import LIFETIME_SECONDS, MOST_USED, Binding, Challenges, Purpose
from nixos_workspaces.database import AuditEntry
from nixos_workspaces.database.schema import tokens
from nixos_workspaces.errors import Forbidden, Unavailable
from nixos_workspaces.model.access.passkeys import MOST_PASSKEYS, Site, went_back
from nixos_workspaces.web.http.access.windows import Rate

Tamper = Callable[[Authenticator], object]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


@pytest.fixture(autouse=True)
def _many_attempts(web: Web) -> None:
    web.server._fastapi.state.rates._refused = Rate(10_000)


class Browser:
    """A browser at the service's name, which passkeys need; with a session once it is signed in."""

    def __init__(self, web: Web, name: str = "localhost", address: str = "127.0.0.1") -> None:
        self.origin = f"http://{name}:{web.address[1]}"
        headers = {"Host": self.origin.partition("//")[2], "Origin": self.origin}
        # Nothing is left open: tests make many of them.
        none = httpx2.Limits(max_keepalive_connections=0)
        transport = httpx2.HTTPTransport(verify=False, local_address=address, limits=none)
        self.http = httpx2.Client(
            event_hooks=PAGE, base_url=web.url, transport=transport, headers=headers, trust_env=False, timeout=20
        )

    def ask(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        return self.http.request(method, f"/api/nixos/{path}", **({} if body is None else {"json": body}))

    def use(self, session: str) -> Browser:
        self.http.headers["Authorization"] = f"Bearer {session}"
        return self

    def options(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("POST", "passkey-login/challenge").json()["options"]
        return found

    def sign_in(self, device: Authenticator) -> httpx2.Response:
        return self.ask("POST", "passkey-login", device.sign(self.options()))

    def begin(self, **proof: Any) -> dict[str, Any]:
        answer = self.ask("POST", "me/passkeys/options", proof)
        assert answer.status_code == 200, answer.text
        options: dict[str, Any] = answer.json()["options"]
        return options

    def register(self, device: Authenticator, name: str = "laptop", **proof: Any) -> httpx2.Response:
        return self.ask("POST", "me/passkeys", {"name": name, "made": device.make(self.begin(**proof))})


def code(answer: httpx2.Response) -> str:
    return str(answer.json()["error"]["code"])


def without_password(web: Web, handle: str) -> Browser:
    """Return the browser of a new person who came by a link."""
    call(web, "POST", "users", {"handle": handle})
    link = call(web, "POST", f"users/{handle}/login-link")["url"]
    browser = Browser(web)
    session = browser.ask("POST", "login", {"code": link.partition("code=")[2]}).json()["token"]
    return browser.use(session)


def registered(web: Web, handle: str) -> tuple[Browser, Authenticator]:
    browser = without_password(web, handle)
    device = Authenticator(browser.origin)
    assert browser.register(device).status_code == 201
    return browser, device


def test_a_passkey_is_registered_and_signs_in_without_a_name(web: Web) -> None:
    """In a browser of its own: the cookie is its session, and the use is noted."""
    browser, device = registered(web, "ann")
    made = browser.ask("GET", "me/passkeys").json()["passkeys"]
    assert [(one["name"], one["host"], one["is_for_this"], one["last_used_at"]) for one in made] == [
        ("laptop", "localhost", True, None)
    ]
    elsewhere = Browser(web)
    answer = elsewhere.sign_in(device)
    assert answer.status_code == 200, answer.text
    assert who_is(elsewhere.ask("GET", "session")) == ("ann", "member")
    cookies = answer.headers.get_list("set-cookie")
    assert all({"HttpOnly", "SameSite=strict"} <= {part.strip() for part in one.split(";")} for one in cookies)
    assert browser.ask("GET", "me/passkeys").json()["passkeys"][0]["last_used_at"]
    user = browser.ask("GET", "me").json()["user"]["id"]
    signed_in = [one for one in entries(web, "sign-in") if one.actor == user]
    assert [(one.outcome, one.detail) for one in signed_in] == [("accepted", {"passkey": made[0]["id"]})]
    assert [one.target for one in entries(web, "add-passkey") if one.actor == user] == [made[0]["id"]]


def test_without_any_passkey_nothing_is_offered(tmp_path: Path) -> None:
    """Nor where the address is one in numbers, for which there are none."""
    with running_web(tmp_path) as fresh:
        assert Browser(fresh).options() is None
        registered(fresh, "ann")
        assert Browser(fresh).options()["allowCredentials"] == []
        assert Browser(fresh, "127.0.0.1").options() is None
        refused = Browser(fresh, "127.0.0.1").use(fresh.token).ask("POST", "me/passkeys/options", {})
        assert (refused.status_code, code(refused)) == (409, "passkey_needs_name")


def say(**client: Any) -> Tamper:
    return lambda device: device.client.update(client)


def set_(name: str, value: Any) -> Tamper:
    return lambda device: setattr(device, name, value)


WRONG: dict[str, Tamper] = {
    "another origin": say(origin="https://evil.example"),
    "the origin with another port": say(origin="http://localhost:1"),
    "a preview's origin": say(origin="http://3000--work.localhost:5000"),
    "no origin": say(origin=None),
    "inside another page": say(crossOrigin=True),
    "another ceremony": say(type="webauthn.create"),
    "another host name": set_("rp_id", "evil.example"),
    "without the person": set_("flags", PRESENT),
    "without presence": set_("flags", 0x04),
    "another key": lambda device: setattr(device, "key", Authenticator("").key),
    "another person": set_("user_handle", encoded(b"admin")),
}


@pytest.mark.parametrize("tamper", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_about_an_answer_is_refused(web: Web, tamper: Tamper) -> None:
    """Without a session, and without a trace in the passkey; afterwards the right answer is taken."""
    handle = f"wrong-{len(call(web, 'GET', 'users')['users'])}"
    browser, device = registered(web, handle)
    right = dict(vars(device), client={})
    tamper(device)
    elsewhere = Browser(web)
    answer = elsewhere.sign_in(device)
    assert (answer.status_code, code(answer)) == (401, "passkey_refused")
    assert "nixws_session" not in elsewhere.http.cookies
    assert browser.ask("GET", "me/passkeys").json()["passkeys"][0]["last_used_at"] is None
    vars(device).update(right)
    assert elsewhere.sign_in(device).status_code == 200


REGISTRATIONS = {
    name: WRONG[name] for name in WRONG if name not in {"another key", "another person", "another ceremony"}
}
REGISTRATIONS["another ceremony"] = say(type="webauthn.get")


@pytest.mark.parametrize("tamper", REGISTRATIONS.values(), ids=REGISTRATIONS.keys())
def test_what_is_wrong_about_a_new_passkey_is_refused(web: Web, tamper: Tamper) -> None:
    browser = without_password(web, f"new-{len(call(web, 'GET', 'users')['users'])}")
    device = Authenticator(browser.origin)
    tamper(device)
    answer = browser.register(device)
    assert (answer.status_code, code(answer)) == (403, "passkey_refused")
    assert browser.ask("GET", "me/passkeys").json()["passkeys"] == []


def test_a_challenge_is_good_once_in_one_browser_for_one_thing(web: Web) -> None:
    browser, device = registered(web, "challenged")
    first, second = Browser(web), Browser(web)
    options = first.options()
    answer = device.sign(options)
    stolen = second.ask("POST", "passkey-login", answer)
    assert (stolen.status_code, code(stolen)) == (401, "passkey_expired")
    second.options()  # with a cookie of its own
    assert code(second.ask("POST", "passkey-login", answer)) == "passkey_expired"
    assert first.ask("POST", "passkey-login", answer).status_code == 200
    assert code(first.ask("POST", "passkey-login", answer)) == "passkey_expired"
    assert code(first.ask("POST", "passkey-login", device.sign(options))) == "passkey_expired"
    assert code(first.ask("POST", "passkey-login", device.sign({**options, "challenge": "AAAA"}))) == "passkey_expired"
    # Of another ceremony of the same browser and person.
    confirming = browser.ask("POST", "me/passkeys/confirmation").json()["options"]
    assert code(first.ask("POST", "passkey-login", device.sign(confirming))) == "passkey_expired"
    fresh = Authenticator(browser.origin)
    made = fresh.make(browser.begin(passkey=device.sign(confirming)))
    other = without_password(web, "challenged-2")
    for who, expected in ((other, "passkey_expired"), (browser, None), (browser, "passkey_expired")):
        answered = who.ask("POST", "me/passkeys", {"name": "x", "made": made})
        assert answered.status_code == 201 if expected is None else code(answered) == expected


def test_challenges_end_after_five_minutes() -> None:
    now = [0.0]
    challenges = Challenges(lambda: now[0])
    binding = Binding(Purpose.SIGN_IN, "secret")
    one, two = challenges.issue(binding), challenges.issue(binding)
    assert one != two
    now[0] = LIFETIME_SECONDS - 1
    challenges.redeem(one, binding)
    now[0] = LIFETIME_SECONDS
    with pytest.raises(Forbidden, match="too long ago"):
        challenges.redeem(two, binding)
    with pytest.raises(Forbidden):
        Challenges(lambda: now[0]).redeem(challenges.issue(binding), binding)


def test_used_challenges_are_forgotten_when_their_time_is_over() -> None:
    now = [0.0]
    challenges = Challenges(lambda: now[0])
    binding = Binding(Purpose.SIGN_IN, "secret")
    challenges._used = {number.to_bytes(24, "big"): LIFETIME_SECONDS for number in range(MOST_USED)}
    with pytest.raises(Unavailable):
        challenges.redeem(challenges.issue(binding), binding)
    now[0] = LIFETIME_SECONDS
    challenges.redeem(challenges.issue(binding), binding)
    assert len(challenges._used) == 1


def test_a_count_that_goes_back_is_refused_and_audited(web: Web) -> None:
    """As of a copy of the authenticator; one that keeps no count signs in again and again."""
    browser, device = registered(web, "cloned")
    elsewhere = Browser(web)
    device.count = 10
    assert elsewhere.sign_in(device).status_code == 200
    device.count = 4
    answer = elsewhere.sign_in(device)
    assert (answer.status_code, code(answer)) == (401, "passkey_counter")
    device.count = 10  # as high as before is not beyond it: 11 is the next
    assert elsewhere.sign_in(device).status_code == 401
    device.counts, device.count = False, 0
    assert code(elsewhere.sign_in(device)) == "passkey_counter"
    device.counts, device.count = True, 11
    assert elsewhere.sign_in(device).status_code == 200
    user = browser.ask("GET", "me").json()["user"]["id"]
    found = [one for one in entries(web, "sign-in") if one.actor == user and one.outcome == "passkey_counter"]
    assert [one.detail and (one.detail["count_before"], one.detail["count_now"]) for one in found] == [
        (11, 5),
        (11, 11),
        (11, 0),
    ]
    assert all(one.address and one.request_id for one in found)
    _, plain = registered(web, "uncounted")
    plain.counts = False
    assert [elsewhere.sign_in(plain).status_code for _ in range(2)] == [200, 200]


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_counts_go_on_or_are_always_zero(before: int, after: int) -> None:
    assert went_back(before, after) is not (after > before or before == after == 0)


def test_a_suspended_person_does_not_sign_in(web: Web) -> None:
    """Until the suspension is taken back."""
    _, device = registered(web, "gone")
    call(web, "PATCH", "users/gone", {"state": "suspended"})
    elsewhere = Browser(web)
    answer = elsewhere.sign_in(device)
    assert (answer.status_code, code(answer)) == (401, "passkey_refused")
    call(web, "PATCH", "users/gone", {"state": "active"})
    assert elsewhere.sign_in(device).status_code == 200


def test_a_passkey_of_another_is_taken_nowhere(web: Web) -> None:
    """Neither registered twice, nor renamed, removed or confirmed with by somebody else."""
    browser, device = registered(web, "holder")
    other = without_password(web, "other")
    taken = other.register(device)
    assert (taken.status_code, code(taken)) == (409, "passkey_taken")
    passkey = browser.ask("GET", "me/passkeys").json()["passkeys"][0]["id"]
    for method, body in (("PATCH", {"name": "mine"}), ("DELETE", None)):
        answer = other.ask(method, f"me/passkeys/{passkey}", body)
        assert (answer.status_code, code(answer)) == (404, "passkey_not_found")
    own = Authenticator(other.origin)
    assert other.register(own).status_code == 201
    options = other.ask("POST", "me/passkeys/confirmation").json()["options"]
    assert [one["id"] for one in options["allowCredentials"]] == [encoded(own.credential_id)]
    device.user_handle = encoded(b"holder")
    answer = other.ask("PUT", "me/password", {"password": PASSWORD, "passkey": device.sign(options)})
    assert (answer.status_code, code(answer)) == (403, "passkey_refused")


def test_the_last_way_to_sign_in_stays(web: Web) -> None:
    """With a second passkey, or a password, the first one goes; then it signs nobody in."""
    _, device = registered(web, "careful")
    browser = Browser(web)
    browser.use(browser.sign_in(device).json()["token"])
    assert browser.ask("GET", "me/passkeys").json()["must_confirm"] is True
    second = Authenticator(browser.origin)

    def confirmed() -> dict[str, Any]:
        return device.sign(browser.ask("POST", "me/passkeys/confirmation").json()["options"])

    def removed(number: int) -> httpx2.Response:
        passkeys = browser.ask("GET", "me/passkeys").json()["passkeys"]
        return browser.ask("DELETE", f"me/passkeys/{passkeys[number]['id']}")

    last = removed(0)
    assert (last.status_code, code(last)) == (409, "last_way_in")
    assert browser.register(second, "phone", passkey=confirmed()).status_code == 201
    assert removed(1).status_code == 204
    assert code(Browser(web).sign_in(second)) == "passkey_unknown"
    needed = browser.ask("PUT", "me/password", {"password": PASSWORD})
    assert (needed.status_code, code(needed)) == (403, "passkey_needed")
    set_it = browser.ask("PUT", "me/password", {"password": PASSWORD, "passkey": confirmed()})
    assert set_it.status_code == 204
    assert removed(0).status_code == 204
    assert browser.ask("GET", "me/passkeys").json()["passkeys"] == []


def test_with_a_password_a_passkey_is_confirmed_and_confirms(web: Web) -> None:
    """A session that was stolen makes no passkey; where the password is asked for, a passkey does, too."""
    with_password(web, "both")
    browser = Browser(web)
    browser.use(browser.ask("POST", "login", {"handle": "both", "password": PASSWORD}).json()["token"])
    device = Authenticator(browser.origin)
    for proof in ({}, {"current": "wrong"}):
        answer = browser.ask("POST", "me/passkeys/options", proof)
        assert (answer.status_code, code(answer)) == (403, "wrong_password")
    assert code(browser.ask("POST", "me/passkeys/confirmation")) == "passkey_not_found"
    assert browser.register(device, current=PASSWORD).status_code == 201
    options = browser.ask("POST", "me/passkeys/confirmation").json()["options"]
    proof = device.sign(options)
    new = {"password": "eleven blue umbrellas", "passkey": proof}
    assert browser.ask("PUT", "me/password", new).status_code == 204
    again = browser.ask("PUT", "me/password", {**new, "password": "nine red bicycles"})
    assert (again.status_code, code(again)) == (403, "passkey_expired")
    assert len(entries_of(web, browser, "use-passkey")) == 1


def test_who_has_lost_everything_comes_back_by_a_link(web: Web) -> None:
    """For an hour it takes neither the password nor a passkey to make new ones."""
    browser, lost = registered(web, "loser")
    assert browser.ask("PUT", "me/password", {"password": PASSWORD}).status_code == 204
    link = call(web, "POST", "users/loser/login-link")["url"]
    again = Browser(web)
    again.use(again.ask("POST", "login", {"code": link.partition("code=")[2]}).json()["token"])
    assert again.ask("GET", "me/passkeys").json()["must_confirm"] is False
    assert again.ask("PUT", "me/password", {"password": "eleven blue umbrellas"}).status_code == 204
    assert again.register(Authenticator(again.origin), "new").status_code == 201

    async def grow_older() -> None:
        async with web.services.database.transaction() as tx:
            created = tokens.c.created_at
            await tx.connection.execute(update(tokens).values(created_at=func.datetime(created, "-2 hours")))

    web.run(grow_older())
    assert again.ask("GET", "me/passkeys").json()["must_confirm"] is True
    refused = again.ask("PUT", "me/password", {"password": PASSWORD})
    assert (refused.status_code, code(refused)) == (403, "wrong_password")
    assert lost.count == 0


def entries_of(web: Web, browser: Browser, action: str) -> list[AuditEntry]:
    user = browser.ask("GET", "me").json()["user"]["id"]
    return [one for one in entries(web, action) if one.actor == user]


def test_passkeys_are_named_and_bounded_in_number(web: Web) -> None:
    _, session = with_password(web, "collector")
    browser = Browser(web).use(session)
    names = [f"key {number}" for number in range(MOST_PASSKEYS)]
    for name in names:
        assert browser.register(Authenticator(browser.origin), name, current=PASSWORD).status_code == 201
    full = browser.ask("POST", "me/passkeys/options", {"current": PASSWORD})
    assert (full.status_code, code(full)) == (429, "too_many_passkeys")
    passkeys = browser.ask("GET", "me/passkeys").json()["passkeys"]
    assert [one["name"] for one in passkeys] == names
    renamed = browser.ask("PATCH", f"me/passkeys/{passkeys[3]['id']}", {"name": " Ärmel ☂ "})
    assert renamed.json()["passkey"]["name"] == "Ärmel ☂"
    for name in ("", " ", "a\nb", "x" * 65, "\u202e"):
        refused = browser.ask("PATCH", f"me/passkeys/{passkeys[3]['id']}", {"name": name})
        assert (refused.status_code, refused.json()["error"]["field"]) == (422, "name")
    [entry] = entries_of(web, browser, "rename-passkey")
    assert (entry.before, entry.after) == ({"name": "key 3"}, {"name": "Ärmel ☂"})


def test_service_accounts_and_tokens_within_bounds_have_none(web: Web) -> None:
    call(web, "POST", "users", {"handle": "robot", "kind": "service_account"})
    robot = call(web, "POST", "tokens", {"name": "robot", "user": "robot"})["secret"]
    answer = Browser(web).use(robot).ask("POST", "me/passkeys/options", {})
    assert (answer.status_code, code(answer)) == (404, "user_not_found")
    narrow = call(web, "POST", "tokens", {"name": "narrow", "scopes": ["files:read"]})["secret"]
    assert Browser(web).use(narrow).ask("GET", "me/passkeys").status_code == 403


def test_wrong_answers_lock_the_address_and_not_the_person(web: Web) -> None:
    """As wrong passwords do: ten for a passkey in a quarter of an hour; from elsewhere the person gets in."""
    _, device = registered(web, "attacked")
    attacker, victim = Browser(web, address="127.0.0.21"), Browser(web, address="127.0.0.22")
    device.client["origin"] = "https://evil.example"
    statuses = [attacker.sign_in(device).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    device.client.clear()
    assert attacker.sign_in(device).status_code == 429
    assert victim.sign_in(device).status_code == 200
    options = attacker.options()
    unknown = Authenticator(attacker.origin)
    answer = attacker.ask("POST", "passkey-login", unknown.sign(options) | {"user_handle": "AAAA"})
    assert (answer.status_code, code(answer)) == (401, "passkey_unknown")
    web.run(web.services.counted_audit.store())
    [entry] = [one for one in entries(web, "sign-in-passkey") if "127.0.0.21" in str(one.detail)]
    assert entry.outcome == "refused"


def test_an_address_asks_for_so_many_challenges(web: Web) -> None:
    browser = Browser(web, address="127.0.0.23")
    statuses = {browser.ask("POST", "passkey-login/challenge").status_code for _ in range(121)}
    assert statuses == {200, 429}


ENCODED = st.binary(max_size=200).map(encoded) | st.text("AZaz09-_", min_size=1, max_size=90)
ANSWER = st.fixed_dictionaries(
    dict.fromkeys(("client_data", "authenticator_data", "signature", "attestation_object"), ENCODED)
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(garbage=ANSWER, kept=st.sets(st.sampled_from(["client_data", "authenticator_data", "signature"])))
def test_garbage_is_refused_and_never_a_fault(
    web: Web, garbage_place: tuple[Browser, Authenticator], garbage: dict[str, str], kept: set[str]
) -> None:
    """Any part of a right answer, beside any bytes."""
    browser, device = garbage_place
    rates = web.server._fastapi.state.rates
    rates._windows._open.clear()
    signer = Browser(web)
    right = device.sign(signer.options())
    wrong = {name: right[name] if name in kept else garbage[name] or "A" for name in right if name in garbage}
    answer = signer.ask("POST", "passkey-login", right | wrong)
    assert answer.status_code == (200 if len(kept) == 3 else 401)
    fresh = Authenticator(browser.origin)
    confirmed = device.sign(browser.ask("POST", "me/passkeys/confirmation").json()["options"])
    made = fresh.make(browser.begin(passkey=confirmed))
    broken = made | {"attestation_object": garbage["attestation_object"] or "A"}
    if "client_data" not in kept:
        broken["client_data"] = garbage["client_data"] or "A"
    assert code(browser.ask("POST", "me/passkeys", {"name": "x", "made": broken})) in {
        "passkey_refused",
        "passkey_expired",
    }


@pytest.fixture(scope="module")
def garbage_place(web: Web) -> tuple[Browser, Authenticator]:
    return registered(web, "garbage")


@pytest.mark.parametrize("bit", range(0, 37 * 8, 5))
def test_no_bit_of_what_is_signed_may_change(web: Web, garbage_place: tuple[Browser, Authenticator], bit: int) -> None:
    _, device = garbage_place
    web.server._fastapi.state.rates._windows._open.clear()
    browser = Browser(web)
    answer = device.sign(browser.options())
    data = bytearray(base64.urlsafe_b64decode(answer["authenticator_data"] + "=="))
    data[bit // 8] ^= 1 << bit % 8
    refused = browser.ask("POST", "passkey-login", answer | {"authenticator_data": encoded(bytes(data))})
    assert (refused.status_code, code(refused)) == (401, "passkey_refused")


def test_members_that_stand_twice_decide_nothing(web: Web, garbage_place: tuple[Browser, Authenticator]) -> None:
    """The challenge that is redeemed is the one that the library compares."""
    _, device = garbage_place
    browser = Browser(web)
    options = browser.options()
    other = json.dumps({"challenge": "AAAA"})[1:-1]
    answer = device.sign(options)
    plain = base64.urlsafe_b64decode(answer["client_data"] + "==").decode()
    for twice in (plain[:-1] + f", {other}}}", "{" + other + ", " + plain[1:]):
        refused = browser.ask("POST", "passkey-login", answer | {"client_data": encoded(twice.encode())})
        assert refused.status_code == 401


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ("http://localhost:5000", "localhost"),
        ("https://work.example", "work.example"),
        ("https://Work.example:8443", "work.example"),
        ("http://127.0.0.1:5000", ""),
        ("http://[::1]:5000", ""),
        ("http://[::1", ""),
        ("http://", ""),
    ],
)
def test_the_host_name_decides_what_passkeys_are_for(origin: str, name: str) -> None:
    assert Site(origin).rp_id == name
