"""Terminals of a real workspace in a real browser."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from system.browser import Tab, chromium, tab
from system.service import JSON, Service, until
from system.terminal_page import everything, screen, sees, types

pytestmark = pytest.mark.system

TITLE = r"\033]0;<img src=x onerror='document.body.dataset.run=1'>\007"
CLIPBOARD = r"\033]52;c;aGFja2Vk\007"
TITLE_REPORT = r"\033[21t"
LINK = r"\033]8;;javascript:document.body.dataset.run=1\007link\033]8;;\007\n"
HOSTILE = f'printf "{TITLE}{CLIPBOARD}{TITLE_REPORT}{LINK}"'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("terminals-in-the-ui", memory=1, packages=["git", "vim"])
    yield made
    service.delete(made["id"])


@pytest.fixture
def ui(browser: Browser, service: Service, workspace: JSON) -> Iterator[Tab]:
    for one in service.api("GET", f"/workspaces/{workspace['id']}/terminals")["terminals"]:
        service.api("DELETE", f"/workspaces/{workspace['id']}/terminals/{one['id']}", 204)
    with tab(browser, service.url) as opened:
        opened.sign_in(service.token)
        opened.open(f"/workspaces/{workspace['id']}/terminal")
        sees(opened.page, "$")
        yield opened


def test_a_split_and_a_name_are_kept(ui: Tab) -> None:
    page = ui.page
    page.get_by_role("button", name="Split").click()
    expect(page.locator(".split-panes:not([hidden]) .split-pane")).to_have_count(2)
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the terminal").fill("<b>second</b>")
    page.keyboard.press("Enter")
    expect(page.locator(".terminal-tab-name")).to_contain_text("<b>second</b>")
    page.reload()
    expect(page.locator(".split-panes:not([hidden]) .split-pane")).to_have_count(2)
    expect(page.locator(".terminal-tab-name")).to_contain_text("<b>second</b>")


def test_no_row_covers_the_underscores_of_the_one_above(ui: Tab) -> None:
    """A file called .bash_history has one: rows as high as the font's own idea of itself hid it."""
    types(ui.page, r"clear; printf '\n\n_____\n     \ndo''ne\n'; read hold")
    sees(ui.page, "done")
    rows = ui.page.locator(".split-panes:not([hidden]) .xterm-rows > div")
    assert rows.nth(2).screenshot() != rows.nth(3).screenshot()


def test_nothing_is_lost_when_the_service_dies(ui: Tab, service: Service) -> None:
    page = ui.page
    types(page, "i=0; while [ $i -lt 1500 ]; do i=$((i+1)); echo line-$i; sleep 0.004; done; echo end-of-''lines")
    sees(page, "line-")
    os.kill(service.pid_of("serve"), signal.SIGKILL)
    expect(page.get_by_text("Disconnected. Trying again in")).to_be_visible()
    expect(page.get_by_text("Disconnected. Trying again in")).to_have_count(0, timeout=60_000)
    sees(page, "end-of-lines\n", 60)
    numbered = [line.strip() for line in everything(page) if line.startswith("line-")]
    assert numbered == [f"line-{number}" for number in range(1, 1501)]
    page.keyboard.press("Control+Shift+f")
    find = page.get_by_label("Find in the terminal")
    find.fill("line-750")
    expect(find).to_have_attribute("aria-invalid", "false")
    find.fill("line-1501")
    expect(find).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("of output was lost here")).to_have_count(0)


def test_several_pasted_lines_are_asked_about(ui: Tab) -> None:
    page = ui.page
    types(page, "bind 'set enable-bracketed-paste off'; echo re''ady; cat")
    sees(page, "ready")
    page.evaluate("navigator.clipboard.writeText('first\\nsecond\\n')")
    page.keyboard.press("Control+Shift+v")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("The shell may run each line at once.")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    assert "second" not in screen(page)
    page.locator(".split-panes:not([hidden]) .xterm-screen").click()
    page.keyboard.press("Control+Shift+v")
    dialog.get_by_role("button", name="Paste").click()
    sees(page, "second\nfirst\nsecond" if "second\nfirst" in screen(page) else "second")
    page.keyboard.press("Control+c")


def test_what_is_typed_while_disconnected_arrives_once(ui: Tab, service: Service, workspace: JSON) -> None:
    """Keys under way when the service is killed, and keys of the time without it: none is lost, none is doubled."""
    page = ui.page
    types(page, "cat > kept")
    page.keyboard.type("under way, ")
    ui.is_cut_off = True
    os.kill(service.pid_of("serve"), signal.SIGKILL)
    page.keyboard.type("at the very moment, ")
    expect(page.get_by_text("what you type is kept and sent then")).to_be_visible()
    types(page, "while it was away")
    expect(page.locator(".terminal-banner")).to_contain_text(re.compile("Typed since|Connecting"))
    expect(page.locator(".terminal-banner")).to_have_count(0, timeout=60_000)
    page.keyboard.press("Control+d")
    types(page, "echo wri''tten")
    sees(page, "written\n")
    assert service.ssh(workspace, "cat kept; rm kept") == "under way, at the very moment, while it was away"


def test_a_touch_screen_has_the_keys_that_its_keyboard_lacks(browser: Browser, service: Service, ui: Tab) -> None:
    types(ui.page, "sleep 1000")
    with tab(browser, service.url, width=390, height=844) as small:
        small.sign_in(service.token)
        small.open(ui.page.url.removeprefix(service.url))
        small.page.get_by_role("button", name="Ctrl").click()
        small.page.locator(".xterm-screen").click()
        small.page.keyboard.type("c")
        sees(small.page, "^C")
        small.page.get_by_role("button", name="Up", exact=True).click()
        until("the last line is back", lambda: screen(small.page).count("sleep 1000") == 2)


def test_hostile_output_runs_nothing(ui: Tab) -> None:
    page = ui.page
    page.evaluate("navigator.clipboard.writeText('mine')")
    types(page, HOSTILE)
    sees(page, "link\n")
    page.locator(".split-panes:not([hidden]) .xterm-rows").get_by_text("link").last.click(
        modifiers=["Control"], force=True
    )
    expect(page.locator(".terminal-tab-name").first).to_contain_text("<img src=x")
    assert page.evaluate("document.body.dataset.run ?? ''") == ""
    assert page.evaluate("navigator.clipboard.readText()") == "mine"
    types(page, "echo typ''ed-$?")
    sees(page, "typed-0\n")


def test_the_keyboard_gets_out_of_a_terminal(ui: Tab) -> None:
    page = ui.page
    page.keyboard.press("Control+F6")
    expect(page.get_by_role("button", name="New terminal")).to_be_focused()


def test_a_stopped_workspace_says_so_and_is_started_from_here(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    service.nixws("stop", workspace["name"])
    expect(page.get_by_text("A terminal needs a running workspace")).to_be_visible(timeout=30_000)
    page.locator(".detail-body").get_by_role("button", name="Start").click()
    sees(page, "$", 60)
