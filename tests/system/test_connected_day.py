"""A day with the internet: from a repository of it, edited, run, opened, shut in, and let out for an hour."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fake_internet import FakeInternet, fake_internet
from playwright.sync_api import Browser, Locator, Page, expect
from system.browser import tab
from system.service import JSON, Service, running_service
from system.terminal_page import sees, types
from waiting import until

pytestmark = pytest.mark.system

NAME = "connected"
GREETING = "Hello from an edited file"


@pytest.fixture(scope="module")
def internet() -> Iterator[FakeInternet]:
    with fake_internet() as running:
        yield running


@pytest.fixture(scope="module")
def service(internet: FakeInternet) -> Iterator[Service]:
    with running_service(NIXWS_SIGN_IN_ATTEMPTS="1000000", **internet.settings) as running:
        yield running


def goes(page: Page, view: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=view, exact=True).click()


def creates(page: Page) -> None:
    """Fill in the form with a repository and a mode, and wait until the workspace runs."""
    page.get_by_role("link", name="New workspace").first.click()
    form = page.get_by_role("dialog", name="New workspace")
    form.get_by_role("textbox", name="Name").fill(NAME)
    form.get_by_text("Minimal", exact=True).click()
    for label, value in (("CPU cores", "1"), ("Memory (GB)", "0.5"), ("Storage (GB)", "0.5")):
        form.get_by_label(label).fill(value)
    form.get_by_role("combobox", name="Packages").fill("python3")
    form.get_by_role("option").filter(has_text="python3").first.click()
    form.get_by_label("From a repository").fill("https://git.example.org/site.git")
    mode = form.get_by_label("What it may reach")
    expect(mode.get_by_role("option", name="As usual: Open")).to_be_attached()
    mode.select_option("open")
    expect(form.get_by_text("The whole internet, but for what is denied.")).to_be_visible()
    form.get_by_role("button", name="Create workspace").click()
    expect(page.locator(".detail-head .status-running")).to_be_visible(timeout=180_000)


def repositories(page: Page) -> Locator:
    return page.locator("section").filter(has=page.get_by_role("heading", name="Repositories"))


def sets(page: Page, kind: str, name: str, value: str) -> None:
    page.get_by_label("Kind").select_option(kind)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Value").fill(value)
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("cell", name=name, exact=True)).to_be_visible()


def clones(page: Page, authority: str) -> None:
    """Read why it could not be cloned, do what is said there, and try again."""
    told = repositories(page).get_by_role("status")
    expect(told).to_contain_text("The certificate of git.example.org is signed by an authority", timeout=60_000)
    expect(told).to_contain_text("GIT_SSL_CAINFO")
    goes(page, "Secrets")
    sets(page, "file", "authority", authority)
    sets(page, "environment", "GIT_SSL_CAINFO", "/run/secrets/authority")
    goes(page, "Overview")
    repositories(page).get_by_role("button", name="Try again").click()
    expect(told).to_contain_text("~/site is there.", timeout=60_000)


def edits(page: Page) -> None:
    goes(page, "Files")
    page.get_by_role("link", name="site", exact=True).click()
    page.get_by_role("link", name="greeting.txt").click()
    page.get_by_role("textbox", name="Contents of greeting.txt").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(GREETING)
    page.keyboard.press("Control+s")
    expect(page.get_by_text("greeting.txt is saved.")).to_be_visible()


def runs(page: Page) -> None:
    goes(page, "Terminal")
    sees(page, "$", 30)
    types(page, "cd ~/site && python3 serve.py")
    sees(page, "Serving at port 8000")


def opens(page: Page) -> Page:
    """Open the port that the page offers by itself."""
    goes(page, "Ports")
    with page.context.expect_page() as beside:
        page.get_by_role("link", name="Open port 8000").first.click()
    app = beside.value
    expect(app.get_by_role("heading", name=GREETING)).to_be_visible()
    expect(app.get_by_text("hello from web.example.org")).to_be_visible()
    return app


def locks(page: Page, app: Page) -> None:
    """Shut it in; the app says so, and the page tells which program was refused."""
    goes(page, "Network")
    page.get_by_role("radio", name="Locked").check()
    expect(page.get_by_text("Only what is allowed below.")).to_be_visible()

    def refused() -> bool:
        app.reload()
        return "not reached" in app.content()

    until("the app is refused", refused)
    row = page.get_by_role("region", name="What was refused").get_by_role("row").filter(has_text="web.example.org")
    expect(row.first).to_contain_text("python3")


def lets_out_for_an_hour(page: Page, app: Page, service: Service) -> JSON:
    page.get_by_role("button", name="Allow web.example.org for 1 h").first.click()
    expect(page.get_by_role("button", name="Remove web.example.org")).to_be_visible()

    def is_reached() -> bool:
        app.reload()
        return "hello from web.example.org" in app.content()

    until("the app reaches it again", is_reached)
    (entry,) = json.loads(service.nixws("--json", "network", NAME))["network"]["allow"]
    found: JSON = entry
    return found


def test_a_connected_day(browser: Browser, service: Service, internet: FakeInternet) -> None:
    with tab(browser, service.url) as opened:
        page = opened.page
        opened.sign_in(service.token)
        creates(page)
        clones(page, internet.authority)
        edits(page)
        runs(page)
        app = opens(page)
        locks(page, app)
        entry = lets_out_for_an_hour(page, app, service)
        assert entry["name"] == "web.example.org"
        left = datetime.fromisoformat(entry["expires_at"]) - datetime.now(UTC)
        assert timedelta(minutes=50) < left <= timedelta(hours=1)
