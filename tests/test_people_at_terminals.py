"""Several people at one terminal: who is told what, who types, who is sent away, whose input it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx2
import pytest
from browsing import PAGE
from terminal_web import Viewer, terminal_web, viewer
from test_recordings import asked, cast_of, ended, opened, output_of
from test_web_rates import entries
from waiting import until
from web_service import Web

from nixos_workspaces.audit.entries import AuditClass
from nixos_workspaces.auth.policy import Principal, Role
from nixos_workspaces.database import AuditEntry
from nixos_workspaces.errors import Forbidden

BOB = Principal("bob", "Bob", Role.ADMIN)
CAT = "stty raw -echo; echo ready; exec cat"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with terminal_web(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture(scope="module")
def workspace(web: Web) -> str:
    found = str(web.create("shared")["id"])
    assert asked(web, "PUT", f"{found}/terminal-choices", {"record": True, "moderated": False}).status_code == 200
    return found


@pytest.fixture
def terminal(web: Web, workspace: str) -> str:
    return opened(web, workspace, CAT)


@pytest.fixture(scope="module")
def bobs(web: Web) -> tuple[str, str]:
    """Return Bob's token and its id."""
    secret, token = web.run(web.services.tokens.create("bob", principal=BOB))
    return secret, token.id


Comes = Callable[..., AbstractContextManager[Viewer]]


@pytest.fixture
def comes(web: Web, workspace: str, terminal: str, bobs: tuple[str, str]) -> Comes:
    def attached(*, bob: bool = False, **options: Any) -> AbstractContextManager[Viewer]:
        headers = {"Authorization": f"Bearer {bobs[0]}"} if bob else web.headers
        return viewer(web.url, workspace, headers, session=terminal, offset=0, presence=1, **options)

    return attached


def present(one: Viewer, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Return the first telling of presence for which the condition holds."""
    while not condition(said := one.until_said("presence")):
        pass
    return said


def names(said: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["name"], one["mode"]) for one in said["people"]]


def refused(one: Viewer) -> str:
    return str(one.until_said("error")["code"])


def test_all_are_told_who_is_there(comes: Comes) -> None:
    with comes() as owner:
        first = present(owner, lambda said: said["total"] == 1 and said["recorded"])
        assert names(first) == [("admin", "moderator")]
        with comes(bob=True, mode="peer") as bob:
            seen = present(owner, lambda said: said["total"] == 2)
            assert names(seen) == [("admin", "moderator"), ("Bob", "peer")]
            told = present(bob, lambda said: said["total"] == 2)
            assert (seen["you"], told["you"]) == (seen["people"][0]["id"], seen["people"][1]["id"])
            assert len({one["colour"] for one in seen["people"]}) == 2
            bob.type("hello")
            typing = present(owner, lambda said: said["typist"])
            assert typing["typist"] == told["you"]
            assert present(owner, lambda said: not said["typist"])
        assert present(owner, lambda said: said["total"] == 1)


def test_the_keyboard_is_asked_for_and_handed_over(comes: Comes) -> None:
    with comes() as owner, comes(bob=True, mode="peer") as bob:
        you = present(owner, lambda said: said["total"] == 2)["you"]
        bobs_number = present(bob, lambda said: said["total"] == 2)["you"]
        owner.say(type="grant", to=you)
        assert present(bob, lambda said: said["keyboard"] == you)
        bob.type("not mine\n")
        assert refused(bob) == "keyboard_elsewhere"
        bob.say(type="grant", to=bobs_number)
        assert refused(bob) == "not_moderator"
        bob.say(type="ask")
        asking = present(owner, lambda said: any(one["asks"] for one in said["people"]))
        assert [one["name"] for one in asking["people"] if one["asks"]] == ["Bob"]
        owner.say(type="grant", to=bobs_number)
        assert present(bob, lambda said: said["keyboard"] == bobs_number)
        bob.type("mine now\n")
        owner.until_output("mine now")
        assert b"not mine" not in owner.output
        owner.type("mine no more\n")
        assert refused(owner) == "keyboard_elsewhere"
        bob.say(type="grant", to=0)
        assert present(owner, lambda said: said["keyboard"] == 0)
        owner.type("everybody's\n")
        bob.until_output("everybody's")


def test_the_size_is_that_of_the_one_who_has_the_keyboard(comes: Comes) -> None:
    with comes(cols=100, rows=30) as owner, comes(bob=True, mode="peer", cols=60, rows=20) as bob:
        present(owner, lambda said: said["total"] == 2)
        you = present(bob, lambda said: said["total"] == 2)["you"]
        owner.say(type="grant", to=present_you(owner))
        until_size(owner, 100, 30)
        bob.say(type="resize", cols=61, rows=21)
        owner.say(type="grant", to=you)
        until_size(owner, 61, 21)


def present_you(one: Viewer) -> int:
    return int(next(said["you"] for said in reversed(one.said) if said["type"] == "presence"))


def until_size(one: Viewer, cols: int, rows: int) -> None:
    one.until(lambda: any(said.get("cols") == cols and said.get("rows") == rows for said in one.said[-1:]))


def test_an_observer_sees_and_can_do_nothing(comes: Comes) -> None:
    with comes() as owner, comes(bob=True, mode="observer") as bob:
        owner.until_output("ready")
        bob.type("x")
        assert refused(bob) == "readonly"
        bob.say(type="ask")
        assert refused(bob) == "readonly"
        bob.say(type="kick", who=1)
        assert refused(bob) == "not_moderator"
        bob.say(type="end")
        assert refused(bob) == "not_moderator"
        bob.say(type="grant", to=0)
        assert refused(bob) == "not_moderator"
        owner.type("for all to see\n")
        bob.until_output("for all to see")


def test_who_is_sent_away_is_gone_at_once_and_does_not_come_back(comes: Comes) -> None:
    with comes() as owner, comes(bob=True, mode="peer") as bob:
        seen = present(owner, lambda said: said["total"] == 2)
        number = next(one["id"] for one in seen["people"] if one["name"] == "Bob")
        owner.say(type="kick", who=99)
        assert refused(owner) == "participant_not_found"
        owner.say(type="kick", who=seen["you"])
        assert refused(owner) == "not_moderator"
        owner.say(type="kick", who=number)
        assert refused(bob) == "sent_away"
        assert bob.close_code() == 4403
        assert present(owner, lambda said: said["total"] == 1)
        with comes(bob=True, mode="peer") as again:
            assert again.close_code() == 4403
    with comes(bob=True, mode="peer") as again:  # nobody was there meanwhile
        assert again.close_code() == 4403


def test_a_guest_who_is_sent_away_loses_the_workspace(web: Web, workspace: str, terminal: str, comes: Comes) -> None:
    """The link can still be taken by another guest, until it is revoked."""
    told = asked(web, "POST", f"{workspace}/shares", {"with": "link", "access": "editor"}).json()
    link = {"secret": told["link"].partition("#")[2], "name": "Bea"}
    with httpx2.Client(
        event_hooks=PAGE, base_url=web.url, trust_env=False, headers={"Origin": web.url}, verify=False
    ) as guest:
        assert guest.post("/api/nixos/join-as-guest", json=link).status_code == 200
        cookies = {"Cookie": "; ".join(f"{one}={value}" for one, value in guest.cookies.items()), "Origin": web.url}
        with comes() as owner, viewer(web.url, workspace, cookies, session=terminal, offset=0, presence=1) as bea:
            seen = present(owner, lambda said: said["total"] == 2)
            number = next(one["id"] for one in seen["people"] if one["name"] == "Bea (guest)")
            owner.say(type="grant", to=number)
            present(bea, lambda said: said["keyboard"] == number)
            owner.say(type="kick", who=number)
            assert bea.close_code() == 4403
            until("the share has ended", lambda: guest.get(f"/api/nixos/workspaces/{workspace}").status_code == 404)
        assert [one["kind"] for one in asked(web, "GET", f"{workspace}/shares").json()["shares"]] == ["link"]
        assert guest.post("/api/nixos/join-as-guest", json=link).status_code == 200
    assert asked(web, "DELETE", f"{workspace}/shares/{told['share']['id']}").status_code == 204
    [unshared] = [one for one in written(web, "unshare") if one.detail and one.detail.get("via")]
    [away] = [one for one in written(web, "send-away") if one.target.startswith("guest-")]
    assert (away.actor, away.workspace_id, away.address) == ("admin", workspace, "127.0.0.1")
    assert (away.detail, away.kind) == ({"terminal": terminal, "count": 1}, AuditClass.ACCESS)
    assert (unshared.actor, unshared.chain, unshared.address) == ("admin", away.chain, "127.0.0.1")
    assert away.chain


def written(web: Web, action: str) -> list[AuditEntry]:
    """Return the entries of an action, the counted ones too."""
    web.run(web.services.counted_audit.store())
    return entries(web, action)


def test_what_is_done_to_others_is_in_the_audit_log(
    web: Web, terminal: str, comes: Comes, bobs: tuple[str, str]
) -> None:
    """With the one who did it, the one to whom, the terminal, and how the first one came."""
    with comes() as owner, comes(bob=True, mode="peer") as bob:
        number = present(bob, lambda said: said["total"] == 2)["you"]
        owner.say(type="grant", to=number)
        present(bob, lambda said: said["keyboard"] == number)
        bob.say(type="grant", to=0)
        present(bob, lambda said: said["keyboard"] == 0)
        owner.say(type="kick", who=number)
        assert bob.close_code() == 4403
        owner.say(type="end")
        owner.until_said("exit")

    def noted() -> list[AuditEntry]:
        found = [*written(web, "grant-keyboard"), *written(web, "send-away"), *written(web, "close-terminal")]
        return [one for one in found if terminal in (one.target, (one.detail or {}).get("terminal"))]

    until("the end is noted", lambda: len(noted()) == 4)
    detail = {"terminal": terminal, "count": 1}
    assert [(one.action, one.actor, one.target, one.detail) for one in noted()] == [
        ("grant-keyboard", "admin", "bob", detail),
        ("grant-keyboard", "bob", "", detail),
        ("send-away", "admin", "bob", detail),
        ("close-terminal", "admin", terminal, {"count": 1}),
    ]
    assert {one.chain for one in noted() if one.actor == "bob"} == {(bobs[1],)}
    assert all(one.chain and one.request_id and one.address == "127.0.0.1" for one in noted())
    assert not [one for one in written(web, "end-terminal") if one.target == terminal]


def test_a_moderator_ends_the_terminal_for_all(comes: Comes) -> None:
    with comes() as owner, comes(bob=True, mode="observer") as bob:
        owner.say(type="end")
        assert owner.close_code() == bob.close_code() == 1000


def test_nobody_types_without_a_moderator_where_that_is_chosen(web: Web, workspace: str, comes: Comes) -> None:
    path = f"{workspace}/terminal-choices"
    with comes(bob=True, mode="peer") as bob:
        assert asked(web, "PUT", path, {"record": True, "moderated": True}).status_code == 200
        try:
            assert present(bob, lambda said: said["moderated"] and not said["moderator"])
            bob.type("alone\n")
            assert refused(bob) == "moderator_absent"
            with comes():
                assert present(bob, lambda said: said["moderator"])
                bob.type("together\n")
                bob.until_output("together")
                assert b"alone" not in bob.output
        finally:
            asked(web, "PUT", path, {"record": True, "moderated": False})


def test_input_of_several_people_is_attributed_to_each(web: Web, workspace: str, terminal: str, comes: Comes) -> None:
    with comes() as owner, comes(bob=True, mode="peer") as bob:
        owner.type("from the owner\n")
        bob.until_output("from the owner")
        bob.type("from bob\n")
        owner.until_output("from bob")
        owner.say(type="end")
        owner.until_said("exit")
        shown = bytes(owner.output)
    recording = ended(web, workspace, terminal)
    assert output_of(cast_of(web, workspace, recording)) == shown
    ranges = asked(web, "GET", f"{workspace}/recordings/{recording['id']}/typed").json()["typed"]
    assert [(one["principal"], one["end"] - one["first"]) for one in ranges] == [("admin", 15), ("bob", 9)]


def test_what_is_taken_from_somebody_closes_their_terminals_in_mid_stream(web: Web, workspace: str, bobs: Any) -> None:
    flood = opened(web, workspace, "exec cat /dev/zero")
    headers = {"Authorization": f"Bearer {bobs[0]}"}
    with viewer(web.url, workspace, headers, binary=True, acknowledges=True, session=flood) as bob:
        bob.until(lambda: len(bob.output) > 1 << 20)

        async def dismiss() -> float:
            error = Forbidden("The share has ended.", code="forbidden")
            web.services.bridge.companies.dismiss(workspace, "bob", error)
            return time.monotonic()

        web.run(dismiss())
        assert bob.close_code() == 4403
    asked(web, "DELETE", f"{workspace}/terminals/{flood}")


@pytest.mark.parametrize(
    "query", [{"mode": "owner"}, {"mode": "observer"}, {"presence": 2}], ids=["no-mode", "no-session", "presence"]
)
def test_a_query_that_says_nothing_of_sense_is_refused(web: Web, workspace: str, query: dict[str, Any]) -> None:
    with viewer(web.url, workspace, web.headers, **query) as one:
        assert one.close_code() == 4400


@pytest.mark.parametrize(
    "message",
    [{"type": "grant"}, {"type": "grant", "to": -1}, {"type": "kick", "who": 0}, {"type": "kick", "who": "1"}],
    ids=["no-to", "negative", "nobody", "text"],
)
def test_a_message_that_nobody_may_send_closes(comes: Comes, message: dict[str, Any]) -> None:
    with comes() as one:
        one.say(**message)
        assert one.close_code() == 4400
