"""Two browsers at one terminal, and its recording in a third view: the real web service, sshd and terminal holder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from people_fixture import person
from playwright.sync_api import Browser, Locator, Page, expect
from system.browser import Tab, chromium, tab
from terminal_web import terminal_web, viewer
from test_people_at_terminals import BOB
from test_recordings import asked, ended, opened
from web_service import Web

pytestmark = pytest.mark.system

PEOPLE = "People at this terminal"
LINES = 'stty -echo; echo ready; while read line; do echo got $line; [ "$line" = end ] && exit 0; done'


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with terminal_web(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def types(page: Page, text: str) -> None:
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.type(text)


def sharing_dialog(page: Page) -> Locator:
    """Open the dialog from the workspace's menu."""
    page.locator(".detail-head button[aria-haspopup=menu]").last.click()
    page.get_by_role("menuitem", name="Share").click()
    return page.get_by_role("dialog")


def test_two_browsers_share_a_terminal_and_its_recording_is_played(web: Web, browser: Browser) -> None:
    workspace = str(web.create("together")["id"])
    asked(web, "PUT", f"{workspace}/terminal-choices", {"record": True, "moderated": False})
    terminal = opened(web, workspace, "stty -echo; echo ready; read one; echo got $one; read two; echo $two; exit 0")
    bobs, _ = web.run(web.services.tokens.create("bob", principal=BOB))
    path = f"/workspaces/{workspace}/terminal?t={terminal}"
    with tab(browser, web.url) as owner, tab(browser, web.url) as bob:
        owner.sign_in(web.token)
        bob.sign_in(bobs)
        for one in (owner, bob):
            one.open(path)
        people = owner.page.get_by_role("group", name="People at this terminal")
        expect(people).to_contain_text("Bob")
        expect(people).to_contain_text("admin (you)")
        expect(people.get_by_role("link", name="Recorded")).to_be_visible()
        people.get_by_role("button", name="Take the keyboard").click()
        expect(bob.page.get_by_text("admin has the keyboard.")).to_be_visible()
        types(bob.page, "not taken\n")
        types(owner.page, "mine\n")
        people.get_by_role("button", name="Give Bob the keyboard").click()
        expect(bob.page.get_by_text("admin has the keyboard.")).to_be_hidden()
        assert owner.violations() == []
        types(bob.page, "his\n")
        recording = ended(web, workspace, terminal)
        owner.open(f"/workspaces/{workspace}/recordings")
        owner.page.get_by_role("button", name="Play the recording").click()
        player = owner.page.locator(".player")
        expect(player).to_have_attribute("data-sha256", recording["sha256"])
        expect(player).to_contain_text("The output is what the audit log has noted.")
        player.get_by_role("slider", name="Place in the recording").press("End")
        expect(player.locator(".xterm-rows")).to_contain_text("got mine")
        expect(player).to_contain_text("Typed last: Bob")
        assert owner.violations() == []


def comes_by_link(guests: Tab, link: str) -> None:
    """A guest says who they are, and waits."""
    guests.page.goto(link)
    guests.page.get_by_label("Your name").press_sequentially("Gwen")
    assert guests.violations() == []
    guests.page.keyboard.press("Enter")
    expect(guests.page.get_by_text("The owner was asked to let you in.")).to_be_focused()
    assert guests.violations() == []


def admits(owner: Tab, guests: Tab) -> None:
    shares = sharing_dialog(owner.page)
    expect(shares.get_by_text("waits for you")).to_be_visible()
    shares.get_by_role("button", name="Admit Gwen (guest)").click()
    expect(shares.get_by_text("waits for you")).to_have_count(0)
    owner.page.keyboard.press("Escape")
    guests.page.wait_for_url("**/terminal**")
    expect(guests.page.get_by_text("You are watching.")).to_be_visible()


def hands_over(owner: Tab, bobs: Tab, guests: Tab) -> None:
    """The keyboard goes to the owner, to Bob who asks for it, and to all; the guest never types."""
    people = owner.page.get_by_role("group", name=PEOPLE)
    for name in ("bobby", "Gwen", "admin (you)"):
        expect(people).to_contain_text(name)
    people.get_by_role("button", name="Take the keyboard").click()
    bobs.page.get_by_role("button", name="Ask for the keyboard").click()
    expect(people.get_by_text("asks for the keyboard")).to_be_visible()
    people.get_by_role("button", name="Give bobby the keyboard").click()
    expect(bobs.page.get_by_text("admin has the keyboard.")).to_have_count(0)
    seen = guests.page.locator(".xterm-rows").last
    types(bobs.page, "his own\n")
    expect(guests.page.locator(".typist-cursor")).to_have_text("bobby")
    expect(seen).to_contain_text("got his own")
    types(guests.page, "not taken\n")
    people.get_by_role("button", name="Keyboard for all").click()
    expect(bobs.page.get_by_role("button", name="Keyboard for all")).to_have_count(0)
    types(owner.page, "mine\n")
    expect(seen).to_contain_text("got mine")
    assert owner.violations() == guests.violations() == []


def sends_away(owner: Tab, bobs: Tab, guests: Tab) -> None:
    """Bob by a word, the guest by taking the share back."""
    people = owner.page.get_by_role("group", name=PEOPLE)
    people.get_by_role("button", name="Send bobby away").click()
    expect(bobs.page.locator(".terminal-banner, .terminal-notice").first).to_contain_text("sent you away")
    expect(bobs.page.get_by_role("group", name=PEOPLE)).to_have_count(0)
    shares = sharing_dialog(owner.page)
    shares.get_by_role("button", name="End it for Gwen (guest)").click()
    expect(shares.get_by_text("Gwen")).to_have_count(0)
    owner.page.keyboard.press("Escape")
    expect(guests.page.get_by_text("This workspace does not exist (any more).")).to_be_visible()
    expect(guests.page.locator(".xterm-rows")).to_have_count(0)
    expect(people).not_to_contain_text("Gwen")


def plays_back(owner: Tab, web: Web, workspace: str, recording: dict[str, Any], output: bytes) -> None:
    """The recording holds the bytes that were seen, and says who typed what."""
    assert recording["sha256"] == hashlib.sha256(output).hexdigest()
    ranges = asked(web, "GET", f"{workspace}/recordings/{recording['id']}/typed").json()["typed"]
    # Who pauses while typing has several ranges.
    said: dict[str, int] = {}
    for one in ranges:
        said[one["principal"]] = said.get(one["principal"], 0) + one["end"] - one["first"]
    assert list(said.items()) == [("bobby", len("his own\n")), ("admin", len("mine\nend\n"))]
    owner.open(f"/workspaces/{workspace}/recordings")
    owner.page.get_by_role("button", name="Play the recording").click()
    player = owner.page.locator(".player")
    expect(player).to_have_attribute("data-sha256", recording["sha256"])
    player.get_by_role("slider", name="Place in the recording").press("End")
    expect(player).to_contain_text("Typed last: admin")


def test_two_browsers_and_a_guest_by_link_in_one_terminal(web: Web, browser: Browser) -> None:
    workspace = str(web.create("company")["id"])
    asked(web, "PUT", f"{workspace}/terminal-choices", {"record": True, "moderated": False})
    bob = person(web, "bobby")
    asked(web, "POST", f"{workspace}/shares", {"with": "user:bobby", "access": "editor"})
    terminal = opened(web, workspace, LINES)
    wanted = {"with": "link", "part": f"terminal:{terminal}", "knock": True}
    link = urlsplit(asked(web, "POST", f"{workspace}/shares", wanted).json()["link"])
    with (
        viewer(web.url, workspace, web.headers, binary=True, session=terminal, offset=0, mode="observer") as bytes_,
        tab(browser, web.url) as owner,
        tab(browser, web.url) as bobs,
        tab(browser, web.url, for_axe=True) as guests,
    ):
        owner.sign_in(web.token)
        bobs.sign_in(bob.token)
        comes_by_link(guests, f"{web.url}{link.path}#{link.fragment}")
        for one in (owner, bobs):
            one.open(f"/workspaces/{workspace}/terminal?t={terminal}")
        admits(owner, guests)
        hands_over(owner, bobs, guests)
        sends_away(owner, bobs, guests)
        types(owner.page, "end\n")
        bytes_.until_said("exit")
        plays_back(owner, web, workspace, ended(web, workspace, terminal), bytes(bytes_.output))
