"""The command palette: what it offers where, what was done last, and the way to it out of a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from system.browser import Tab, tab
from system.terminal_page import sees
from terminal_web import terminal_web
from web_service import Web

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with terminal_web(Path(tmp_path_factory.mktemp("palette"))) as started:
        started.create("commanded")
        yield started


@pytest.fixture
def opened(browser: Browser, web: Web) -> Iterator[Tab]:
    with tab(browser, web.url) as one:
        one.sign_in(web.token)
        one.page.get_by_role("link", name="commanded").first.click()
        one.page.wait_for_url("**/workspaces/ws-*")
        yield one


def palette(page: Page, key: str = "Control+k") -> None:
    page.keyboard.press(key)
    expect(page.get_by_role("combobox", name="Command palette")).to_be_focused()


def test_it_offers_the_open_workspace_first_and_remembers(opened: Tab) -> None:
    page = opened.page
    palette(page)
    here = page.get_by_role("group", name="This workspace")
    for part in ("Terminal", "Files", "Packages", "Metrics", "Logs", "Settings"):
        expect(here.get_by_role("option", name=part)).to_be_visible()
    start = here.get_by_role("option", name="Start It is running.")
    expect(start).to_have_attribute("aria-disabled", "true")
    start.click(force=True)
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.type("metrics")
    page.keyboard.press("Enter")
    page.wait_for_url("**/metrics")
    palette(page)
    recent = page.get_by_role("option").first
    expect(page.get_by_role("group").first).to_have_accessible_name("Recent")
    expect(recent).to_have_text("Metrics")
    expect(page.get_by_role("option", name="New workspace").locator("kbd")).to_have_text("c")
    page.keyboard.type("admin")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/health")


def test_it_opens_out_of_a_terminal_which_keeps_its_own_keys(opened: Tab) -> None:
    page = opened.page
    palette(page)
    page.keyboard.type("terminal")
    page.keyboard.press("Enter")
    page.wait_for_url("**/terminal*")
    screen = page.locator(".xterm-helper-textarea").first
    sees(page, "$")
    expect(screen).to_be_focused()
    page.keyboard.type("echo kept-line-that-goes")
    sees(page, "kept-line-that-goes")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_have_count(0)
    palette(page, "Control+Shift+P")
    page.keyboard.press("Escape")
    expect(screen).to_be_focused()
