"""The pages about people in a real browser: they fit, the keyboard is enough, and they say what is so."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from people_fixture import person
from playwright.sync_api import Browser, Page, expect
from system.browser import Tab, chromium, tab
from system.people_views import LONG_HANDLE, Sight, populate, views_of
from system.seen import FINDINGS, findings
from system.words import Words
from terminal_web import terminal_place
from web_service import Web

pytestmark = pytest.mark.system

LOCALES = ("en", "de")
PASSWORD = "seven green lanterns at sea"


def ask(web: Web, method: str, path: str, status: int = 200, json: object = None) -> Any:
    with web.http() as http:
        answer = http.request(method, f"/api/nixos{path}", json=json)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with terminal_place(tmp_path_factory.mktemp("web"), sign_in_attempts=1_000_000) as (running, _):
        yield running


@pytest.fixture(scope="module")
def workspace(web: Web) -> str:
    web.create("a-workspace-with-a-rather-long-name-that-goes-on-and-on")
    made = str(web.create("shared")["id"])
    populate(partial(ask, web), made)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(web: Web, browser: Browser, workspace: str) -> Iterator[Tab]:
    assert workspace, "everybody is there"
    with tab(browser, web.url, for_axe=True) as opened:
        opened.sign_in(web.token)
        yield opened


def speaks(page: Page, language: str) -> None:
    page.evaluate("language => localStorage.setItem('nixws.locale', JSON.stringify(language))", language)


def walk(opened: Tab, web: Web, workspace: str, language: str) -> Iterator[str]:
    """Stand before one view after the other."""
    speaks(opened.page, language)
    for name, (path, act) in views_of(workspace).items():
        opened.open(path)
        act(Sight(opened.page, Words(language), partial(ask, web)))
        yield name


@pytest.mark.parametrize("language", LOCALES)
def test_nothing_is_cut_off_broken_or_crowded(page: Tab, web: Web, workspace: str, language: str) -> None:
    found = {view: findings(page.page) for view in walk(page, web, workspace, language)}
    assert {view: lines for view, lines in found.items() if lines} == {}


@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing(page: Tab, web: Web, workspace: str, width: int) -> None:
    page.page.set_viewport_size({"width": width, "height": 900})
    found = {view: page.violations_of_both_themes() for view in walk(page, web, workspace, "en")}
    assert {view: lines for view, lines in found.items() if lines} == {}


def test_what_there_is_none_of_leaves_the_form_in_sight(page: Tab) -> None:
    page.open("/ssh-keys")
    for one in (page.page.get_by_text("There is no key yet"), page.page.get_by_role("form", name="Add a key")):
        expect(one).to_be_in_viewport()
    page.open("/admin/audit")
    page.page.get_by_label("Who").fill("nobody")
    page.page.keyboard.press("Enter")
    expect(page.page.get_by_text("No entry is like that.")).to_be_in_viewport()


@pytest.mark.parametrize(
    ("path", "calls"),
    [
        ("/me", ("me", "tokens", "sessions")),
        ("/admin/users", ("users",)),
        ("/admin/users", ("groups", "quotas")),
        ("/admin/audit", ("audit",)),
        ("/ssh-keys", ("ssh-keys",)),
    ],
)
def test_what_could_not_be_read_is_said_so_and_asked_for_again(page: Tab, path: str, calls: tuple[str, ...]) -> None:
    for call in calls:
        page.page.route(f"**/api/nixos/{call}*", lambda route: route.fulfill(status=503, json={}))
    page.page.goto(f"{page.url}{path}")
    alerts = page.page.locator(".empty-state[role=alert]")
    expect(alerts).to_have_count(len(calls), timeout=30_000)
    expect(page.page.locator(".skeleton")).to_have_count(0)
    assert page.page.evaluate(FINDINGS) == []
    assert page.violations() == []
    page.page.unroute_all()
    for _ in calls:
        alerts.first.get_by_role("button", name="Try again").click()
        expect(alerts).not_to_have_count(len(calls))
        calls = calls[1:]
    expect(alerts).to_have_count(0)


def test_a_member_is_shown_no_way_that_leads_nowhere(web: Web, browser: Browser, workspace: str) -> None:
    member = person(web, "a-member")
    ask(web, "POST", f"/workspaces/{workspace}/shares", 201, {"with": "user:a-member", "access": "viewer"})
    with tab(browser, web.url, for_axe=True) as opened:
        opened.sign_in(member.token)
        page = opened.page
        expect(page.get_by_role("link", name="Templates")).to_be_visible()
        expect(page.get_by_role("link", name="Admin")).to_have_count(0)
        page.get_by_role("button", name="Menu").click()
        expect(page.get_by_role("menuitem", name="Account")).to_be_visible()
        expect(page.get_by_role("menuitem", name="People")).to_have_count(0)
        for path in ("/admin/users", "/admin/audit"):
            page.goto(f"{web.url}{path}")
            expect(page.locator(".empty-state[role=alert]")).to_be_visible()
            assert opened.violations() == []
        opened.open(f"/workspaces/{workspace}")
        stop = page.locator(".detail-head").get_by_role("button", name="Stop")
        expect(stop).to_have_count(0)
        page.locator(".detail-head button[aria-haspopup=menu]").last.click()
        expect(page.get_by_role("menuitem", name="Settings")).to_be_visible()
        # The reasons of other entries say "shared", too.
        expect(page.get_by_role("menuitem", name="Share…", exact=True)).to_have_count(0)
        page.keyboard.press("Escape")
        for one in ask(web, "GET", f"/workspaces/{workspace}/shares")["shares"]:
            if one["name"] == "a-member":
                ask(web, "DELETE", f"/workspaces/{workspace}/shares/{one['id']}", 204)
        expect(page.get_by_text("This workspace does not exist (any more).")).to_be_visible()
        expect(page.locator(".workspace-list").get_by_text("shared")).to_have_count(0)


def test_one_port_is_shared_from_the_dialog(page: Tab, web: Web, workspace: str) -> None:
    page.open(f"/workspaces/{workspace}")
    at, keys = page.page, page.page.keyboard
    at.locator(".detail-head button[aria-haspopup=menu]").last.click()
    at.get_by_role("menuitem", name="Share").click()
    dialog = at.get_by_role("dialog")
    dialog.get_by_label("What", exact=True).select_option("port")
    expect(dialog.get_by_label("As", exact=True)).to_have_count(0)
    dialog.get_by_label("Name", exact=True).fill("person.08")
    port = dialog.get_by_label("Port", exact=True)
    port.fill("65536")
    keys.press("Enter")
    expect(dialog.get_by_text("A port is a whole number from 1 to 65535.")).to_be_visible()
    expect(port).to_be_focused()
    assert page.violations() == []
    port.fill("8080")
    keys.press("Enter")
    row = dialog.get_by_role("listitem").filter(has_text="person.08")
    expect(row).to_contain_text("port 8080 · until you end it")
    assert page.violations() == []
    shares = ask(web, "GET", f"/workspaces/{workspace}/shares")["shares"]
    made = next(one for one in shares if one["name"] == "person.08")
    assert (made["part"], made["access"], made["files"]) == ("port:8080", "viewer", False)
    row.get_by_role("button", name="End it for person.08: port 8080").click()
    expect(row).to_have_count(0)


def test_a_guest_is_shown_no_way_that_leads_nowhere(web: Web, browser: Browser, workspace: str) -> None:
    link = urlsplit(ask(web, "POST", f"/workspaces/{workspace}/shares", 201, {"with": "link"})["link"])
    with tab(browser, web.url, for_axe=True) as opened:
        page = opened.page
        page.goto(f"{web.url}{link.path}#{link.fragment}")
        page.get_by_label("Your name").fill("Gwen")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="shared")).to_be_visible()
        opened.open("/workspaces?new=true")
        expect(page.get_by_role("link", name="shared", exact=True)).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        for name in ("New workspace", "Templates", "Admin"):
            expect(page.get_by_role("link", name=name)).to_have_count(0)
        page.keyboard.press("c")
        page.keyboard.press("ControlOrMeta+k")
        palette = page.get_by_role("dialog").get_by_role("combobox")
        palette.fill("workspace")
        expect(page.get_by_role("option", name="Workspaces", exact=True)).to_be_visible()
        expect(page.get_by_role("option", name="New workspace")).to_have_count(0)
        page.keyboard.press("Escape")
        for one in ask(web, "GET", f"/workspaces/{workspace}/shares")["shares"]:
            if one["name"] == "Gwen (guest)":
                ask(web, "DELETE", f"/workspaces/{workspace}/shares/{one['id']}", 204)
        expect(page.get_by_role("heading", name="Nothing is shared with you now")).to_be_visible()
        assert opened.violations() == []


def test_the_sharing_dialog_by_keyboard(page: Tab, workspace: str) -> None:
    page.open(f"/workspaces/{workspace}")
    at, keys = page.page, page.page.keyboard
    menu = at.locator(".detail-head button[aria-haspopup=menu]").last
    menu.focus()
    keys.press("Enter")
    at.get_by_role("menuitem", name="Share").focus()
    keys.press("Enter")
    dialog = at.get_by_role("dialog")
    expect(dialog.get_by_label("What", exact=True)).to_be_focused()
    order = []
    for _ in range(5):
        keys.press("Tab")
        order.append(at.evaluate("document.activeElement.labels?.[0]?.textContent ?? document.activeElement.ariaLabel"))
    assert order[:4] == ["With", "Name", "As", "For"]
    dialog.get_by_label("Name", exact=True).focus()
    keys.type("person.07")
    keys.press("Enter")
    row = dialog.get_by_role("listitem").filter(has_text="person.07")
    expect(row).to_be_visible()
    expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    row.get_by_role("button", name="End it for person.07").focus()
    keys.press("Enter")
    expect(row).to_have_count(0)
    assert at.evaluate("document.querySelector('[role=dialog]').contains(document.activeElement)")
    keys.press("Escape")
    expect(dialog).to_have_count(0)
    expect(menu).to_be_focused()


@pytest.mark.parametrize("button", [f"Suspend {LONG_HANDLE}", f"Login link for {LONG_HANDLE}"])
def test_the_focus_comes_back_from_a_dialog(page: Tab, button: str) -> None:
    page.open("/admin/users")
    opener = page.page.get_by_role("button", name=button)
    opener.focus()
    page.page.keyboard.press("Enter")
    page.page.get_by_role("dialog").wait_for()
    page.page.keyboard.press("Escape")
    expect(page.page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()


def test_a_secret_that_is_shown_once_is_not_lost_by_a_click_beside_it(page: Tab) -> None:
    page.open("/me")
    page.page.get_by_label("Name", exact=True).fill("kept")
    page.page.keyboard.press("Enter")
    dialog = page.page.get_by_role("dialog")
    expect(dialog.locator(".secret-once")).to_contain_text("nixws_")
    page.page.mouse.click(5, 5)
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Copy").click()
    assert page.page.evaluate("navigator.clipboard.readText()") == dialog.locator(".secret-once").inner_text()


def test_a_browser_is_called_as_people_call_it(page: Tab) -> None:
    page.open("/me")
    expect(page.page.get_by_role("table", name="Signed-in browsers")).to_contain_text("Chrome on Linux")


@pytest.mark.parametrize("way", ["password", "login link", "token", "device"])
def test_signing_in_by_keyboard(web: Web, browser: Browser, way: str) -> None:
    one = person(web, f"by-{way.replace(' ', '-')}")
    with tab(browser, web.url, for_axe=True) as opened:
        page, keys = opened.page, opened.page.keyboard
        if way == "login link":
            page.goto(ask(web, "POST", f"/users/{one.id}/login-link", 201, {})["url"])
            page.wait_for_url("**/workspaces")
            return
        page.goto(f"{web.url}/sign-in")
        by_password = page.get_by_role("button", name="Sign in with a password")
        by_password.wait_for()
        assert opened.violations() == []
        if way == "password":
            assert one.ask("PUT", "/me/password", json={"password": PASSWORD, "current": ""}).status_code == 204
            by_password.focus()
            keys.press("Enter")
            page.get_by_label("Handle").focus()
            keys.type(one.id)
            keys.press("Tab")
            expect(page.get_by_label("Password")).to_be_focused()
            assert opened.violations() == []
            keys.type(PASSWORD)
        else:
            page.get_by_label("Login code or API token").focus()
            keys.type(one.token)
        keys.press("Enter")
        page.wait_for_url("**/workspaces")
        if way == "device":
            asked = ask(web, "POST", "/device", 200, {"name": "nixws at home"})
            page.goto(asked["verification_uri_complete"])
            confirm = page.get_by_role("button", name="Confirm")
            confirm.wait_for()
            page.get_by_label("Code").focus()
            while not confirm.evaluate("one => one === document.activeElement"):
                keys.press("Tab")
            keys.press("Enter")
            expect(page.get_by_text("The program is signed in.")).to_be_focused()
