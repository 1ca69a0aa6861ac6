"""The UI as a program of its own: it can be installed, says that the service is away, notifies, and keeps nothing."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from system.browser import CHROMIUM, FLAGS, Tab, choose, tab
from waiting import until
from web_service import Web, running_web

pytestmark = pytest.mark.system

WORKER_READY = "navigator.serviceWorker.ready.then(() => true)"
CACHED = """async () => {
    const paths = [];
    for (const name of await caches.keys())
        for (const one of await (await caches.open(name)).keys()) paths.push(new URL(one.url).pathname);
    return paths;
}"""
OFFLINE = "The service cannot be reached"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with running_web(tmp_path / "data") as started:
        yield started


@pytest.fixture
def opened(browser: Browser, web: Web) -> Iterator[Tab]:
    with tab(browser, web.url, worker=True) as one:
        one.sign_in(web.token)
        yield one


def test_chromium_would_install_it(web: Web, tmp_path: Path) -> None:
    """Asked of the browser itself, with a profile that is kept: a private window installs nothing."""
    with sync_playwright() as playwright:
        context: BrowserContext = playwright.chromium.launch_persistent_context(
            str(tmp_path / "profile"), executable_path=CHROMIUM, args=FLAGS
        )
        try:
            page = context.new_page()
            Tab(page, web.url).sign_in(web.token)
            assert page.evaluate(WORKER_READY)
            session = context.new_cdp_session(page)
            manifest = session.send("Page.getAppManifest")
            assert manifest["errors"] == []
            assert manifest["url"] == f"{web.url}/manifest.webmanifest"
            assert session.send("Page.getInstallabilityErrors")["installabilityErrors"] == []
        finally:
            context.close()


def test_every_icon_has_the_size_that_the_manifest_says(web: Web) -> None:
    with httpx2.Client(base_url=web.url, trust_env=False) as http:
        answer = http.get("/manifest.webmanifest")
        assert answer.headers["content-type"].startswith("application/manifest+json")
        for icon in json.loads(answer.text)["icons"]:
            found = http.get(icon["src"])
            assert found.status_code == 200
            assert found.headers["content-type"].startswith(icon["type"])
            if icon["type"] == "image/png":
                width, height = struct.unpack(">II", found.content[16:24])
                assert icon["sizes"] == f"{width}x{height}"


def test_a_page_that_is_opened_while_the_service_is_away_says_so(opened: Tab, web: Web) -> None:
    """And nothing is kept but what says it: no page, no answer of the API."""
    page = opened.page
    assert page.evaluate(WORKER_READY)
    made = web.create("kept-nowhere")
    opened.open(f"/workspaces/{made['id']}")
    opened.open("/workspaces")
    assert sorted(page.evaluate(CACHED)) == ["/favicon.svg", "/offline.css", "/offline.html"]
    opened.is_cut_off = True
    page.context.set_offline(True)
    page.goto(f"{web.url}/workspaces/{made['id']}")
    expect(page.get_by_role("heading", name=OFFLINE)).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).display") == "grid"
    assert "kept-nowhere" not in page.content()
    page.context.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.locator(".detail-head")).to_contain_text("kept-nowhere")


def asked_for_notices(page: Page) -> None:
    choose(page, "Menu", page.get_by_role("menuitemcheckbox", name="Notify me when it is ready or has failed"))


SHOWN = "navigator.serviceWorker.ready.then(it => it.getNotifications()).then(all => all.map(one => one.title))"
ALL_DONE = "JSON.parse(localStorage.getItem('nixws.tasks')).every(task => task.state === 'done')"
LOOK_AWAY = "Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' })"


def test_it_notifies_of_what_is_ready_only_when_it_was_asked_to_and_is_not_in_front(opened: Tab, web: Web) -> None:
    page = opened.page
    page.context.grant_permissions(["notifications"], origin=web.url)
    assert page.evaluate(WORKER_READY)
    web.create("noticed")

    def restart() -> None:
        page.get_by_role("link", name="noticed").first.click()
        page.get_by_role("button", name="More actions for noticed").last.click()
        page.get_by_role("menuitem", name="Restart").click()
        expect(page.locator(".detail-head")).to_contain_text("running")
        until("every task is done", lambda: bool(page.evaluate(ALL_DONE)))

    page.evaluate(LOOK_AWAY)
    restart()
    assert page.evaluate(SHOWN) == []
    asked_for_notices(page)
    restart()
    until("it is told", lambda: "noticed is ready" in page.evaluate(SHOWN))


def test_it_notifies_of_what_has_failed(opened: Tab, web: Web) -> None:
    page = opened.page
    page.context.grant_permissions(["notifications"], origin=web.url)
    assert page.evaluate(WORKER_READY)
    asked_for_notices(page)
    page.evaluate(LOOK_AWAY)
    page.get_by_role("link", name="New workspace with a name, sizes and packages").click()
    form = page.get_by_role("dialog")
    form.get_by_role("textbox", name="Name").fill("never-built")
    form.get_by_role("combobox", name="Packages").fill("broken")
    form.get_by_role("combobox", name="Packages").press("Enter")
    form.get_by_role("button", name="Create workspace").click()
    until("it is told", lambda: page.evaluate(SHOWN) == ["never-built has failed"])


def test_a_page_whose_files_break_off_says_so_and_can_be_loaded_again(browser: Browser, web: Web) -> None:
    with tab(browser, web.url) as one:
        page = one.page
        one.is_cut_off = True
        page.route("**/assets/*.js", lambda route: route.abort("connectionreset"))
        page.goto(f"{web.url}/sign-in")
        again = page.get_by_role("link", name="Load it again")
        expect(again).to_be_visible()
        page.unroute_all()
        again.click()
        expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
        expect(again).to_have_count(0)


def test_a_browser_that_refuses_leaves_them_off_and_it_is_said(opened: Tab) -> None:
    page = opened.page
    page.evaluate("Notification.requestPermission = () => Promise.resolve('denied')")
    asked_for_notices(page)
    expect(page.get_by_text("The browser refuses notifications for this page.")).to_be_visible()
    page.get_by_role("button", name="Menu").click()
    item = page.get_by_role("menuitemcheckbox", name="Notify me when it is ready or has failed")
    expect(item).not_to_be_checked()
