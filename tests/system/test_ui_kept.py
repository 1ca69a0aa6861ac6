"""Work begun in the browser is there again: after another view, a reload, and without the service."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, WebSocketRoute, expect
from system.browser import Tab, choose, drop, tab
from system.service import JSON, Service
from system.terminal_page import sees, types
from waiting import until

pytestmark = pytest.mark.system

SLOW_BYTES = 6 << 20
"""Of a large upload, in a second: slow enough to leave it, fast enough to wait for it."""
FORGETS_FILES = """
async () => {
  const opening = indexedDB.open("nixws");
  await new Promise((resolve) => (opening.onsuccess = resolve));
  const transaction = opening.result.transaction("files", "readwrite");
  transaction.objectStore("files").clear();
  await new Promise((resolve) => (transaction.oncomplete = resolve));
  opening.result.close();
}
"""
"""Does what browsers do that are short of storage."""


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("kept-work", storage=1)
    yield made
    service.delete(made["id"])


@pytest.fixture
def ui(browser: Browser, service: Service, workspace: JSON) -> Iterator[Tab]:
    for one in service.api("GET", f"/workspaces/{workspace['id']}/terminals")["terminals"]:
        service.api("DELETE", f"/workspaces/{workspace['id']}/terminals/{one['id']}", 204)
    with tab(browser, service.url) as opened:
        opened.sign_in(service.token)
        yield opened


def part(page: Page, name: str) -> None:
    """Click one of the workspace's tabs."""
    page.get_by_role("navigation", name="Parts of the workspace").get_by_role("link", name=name).click()


def unfinished(page: Page) -> Locator:
    """Open the list of tasks and return its part about what is not finished."""
    page.get_by_role("button", name="Tasks").click()
    return page.get_by_role("dialog").get_by_role("region", name="Not finished")


def reloads(page: Page) -> list[str]:
    """Reload the page, as somebody who wants to although the browser asks; return the questions."""
    asked: list[str] = []

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.once("dialog", accept)
    page.reload()
    page.remove_listener("dialog", accept)
    return asked


def slow_down(page: Page, bytes_per_second: int) -> None:
    """Limit what the page sends."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    session.send("Network.emulateNetworkConditions", limits)


def test_uploads_go_on_in_other_views_after_a_reload_and_after_the_service_was_away(
    ui: Tab, service: Service, workspace: JSON, tmp_path: Path
) -> None:
    page = ui.page
    content = os.urandom(60 << 20)
    (tmp_path / "large.bin").write_bytes(content)
    (tmp_path / "small.txt").write_text("small")
    ui.open(f"/workspaces/{workspace['id']}/files")
    slow_down(page, SLOW_BYTES)
    drop(page, tmp_path / "large.bin")
    large = page.locator(".upload").filter(has_text="large.bin")
    expect(large).to_have_attribute("data-state", "sending")
    part(page, "Metrics")
    expect(unfinished(page)).to_contain_text("Uploads in kept-work")
    page.keyboard.press("Escape")
    page.go_back()
    expect(large.get_by_role("button", name="Pause")).to_be_visible()
    assert reloads(page) == ["beforeunload"]
    expect(large).to_have_attribute("data-state", "sending")
    ui.has_fetched("SettingsTab")
    with service.away():
        drop(page, tmp_path / "small.txt")
        expect(page.locator(".upload[data-state=waiting]").first).to_contain_text("The service does not answer.")
        part(page, "Settings")
    until(
        "both are there", lambda: service.ssh(workspace, "ls large.bin small.txt | wc -l", check=False)[-1:] == "2", 90
    )
    assert service.ssh(workspace, "sha256sum < large.bin") == f"{hashlib.sha256(content).hexdigest()}  -"
    assert service.ssh(workspace, "cat small.txt; rm large.bin small.txt") == "small"
    expect(page.locator(".badge")).to_have_count(0)
    part(page, "Files")
    assert reloads(page) == []


def test_a_file_that_the_browser_did_not_keep_goes_on_once_it_is_chosen_again(
    ui: Tab, service: Service, workspace: JSON, tmp_path: Path
) -> None:
    page = ui.page
    content = os.urandom(24 << 20)
    (tmp_path / "again.bin").write_bytes(content)
    ui.open(f"/workspaces/{workspace['id']}/files")
    slow_down(page, SLOW_BYTES)
    drop(page, tmp_path / "again.bin")
    upload = page.locator(".upload").filter(has_text="again.bin")
    expect(upload.locator("progress")).not_to_have_attribute("value", "0")
    page.evaluate(FORGETS_FILES)
    reloads(page)
    expect(upload).to_have_attribute("data-state", "missing")
    expect(upload).to_contain_text("Choose or drop this file once more")
    sizes: list[int] = []
    page.on("request", lambda asked: sizes.append(asked.method == "POST" and "/uploads" in asked.url))
    drop(page, tmp_path / "again.bin")
    expect(upload).to_have_attribute("data-state", "done", timeout=60_000)
    assert not any(sizes), "it began anew"
    assert service.ssh(workspace, "sha256sum < again.bin; rm again.bin") == f"{hashlib.sha256(content).hexdigest()}  -"


def test_unsaved_text_stays_until_it_is_saved_or_discarded(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    service.ssh(workspace, "echo first > draft.txt; echo other > other.txt")
    ui.open(f"/workspaces/{workspace['id']}/files?file=%2Fhome%2Fnixos%2Fdraft.txt")
    editor = page.get_by_role("textbox", name="Contents of draft.txt")
    editor.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("typed")
    part(page, "Metrics")
    page.go_back()
    expect(editor).to_contain_text("typed")
    page.keyboard.press("Control+z")
    editor.click()
    page.keyboard.press("Control+z")
    expect(editor).not_to_contain_text("typed")
    expect(page.get_by_text("unsaved changes")).to_have_count(0)
    page.keyboard.press("Control+y")
    expect(editor).to_contain_text("typed")
    page.get_by_role("link", name="Parent directory").click()
    page.get_by_role("link", name="other.txt").click()
    expect(page.get_by_role("textbox", name="Contents of other.txt")).to_contain_text("other")
    unfinished(page).get_by_role("link", name="Unsaved: draft.txt").click()
    expect(editor).to_contain_text("typed")
    assert reloads(page) == ["beforeunload"]
    expect(editor).to_contain_text("typed")
    expect(page.get_by_text("and not saved is back")).to_be_visible()
    ui.has_fetched("SettingsTab")
    with service.away():
        editor.click()
        page.keyboard.press("Control+End")
        page.keyboard.type(" and more")
        page.keyboard.press("Control+s")
        expect(page.get_by_text("The service does not answer.").last).to_be_visible()
        part(page, "Settings")
        part(page, "Files")
        unfinished(page).get_by_role("link", name="Unsaved: draft.txt").click()
        expect(editor).to_contain_text("typed and more")
    expect(page.get_by_text("The service does not answer. What")).to_have_count(0, timeout=60_000)
    editor.click()
    page.keyboard.press("Control+s")
    expect(page.get_by_text("draft.txt is saved.")).to_be_visible()
    assert service.ssh(workspace, "cat draft.txt") == "first\ntyped and more"
    assert reloads(page) == []
    editor.click()
    page.keyboard.type("not wanted")
    page.get_by_role("button", name="Discard").click()
    expect(editor).to_contain_text("first")
    expect(editor).not_to_contain_text("not wanted")
    assert reloads(page) == []


def test_what_is_typed_while_disconnected_is_delivered_from_another_view(
    ui: Tab, service: Service, workspace: JSON
) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/terminal")
    sees(page, "$")
    types(page, "cat > typed")
    ui.has_fetched("LogsTab")
    with service.away():
        expect(page.get_by_text("what you type is kept and sent then")).to_be_visible()
        types(page, "while it was away")
        line = page.locator(".xterm-rows > div").first.bounding_box()
        banner = page.locator(".terminal-banner").bounding_box()
        assert line is not None
        assert banner is not None
        assert line["y"] + line["height"] <= banner["y"], "the banner lies on the line that is typed"
        part(page, "Logs")
        expect(page.locator(".log-view")).to_be_visible()
        expect(unfinished(page)).to_contain_text("Typed, but not sent yet")
        page.keyboard.press("Escape")
    until("it has arrived", lambda: service.ssh(workspace, "cat typed") == "while it was away", 90)
    part(page, "Terminal")
    sees(page, "while it was away")
    page.keyboard.press("Control+d")
    types(page, "wc -l < typed; rm typed")
    sees(page, "1\n")


def test_what_is_typed_while_disconnected_is_delivered_after_a_reload(
    ui: Tab, service: Service, workspace: JSON
) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/terminal")
    sees(page, "$")
    types(page, "cat > typed")
    is_cut = True

    def cut(route: WebSocketRoute) -> None:
        if not is_cut:
            route.connect_to_server()

    page.route_web_socket(re.compile("/ws/nixos/workspaces/.*/terminal"), cut)
    assert reloads(page) == []
    expect(page.get_by_text("Connecting…")).to_be_visible()
    page.locator(".xterm-screen").click()
    types(page, "before the reload")
    expect(unfinished(page)).to_contain_text("Typed, but not sent yet")
    is_cut = False
    page.goto(f"{service.url}/workspaces")

    def has_arrived() -> bool:
        page.title()  # the route is answered while the page is asked for something
        return service.ssh(workspace, "cat typed") == "before the reload"

    until("it has arrived", has_arrived)
    ui.open(f"/workspaces/{workspace['id']}/terminal")
    page.locator(".xterm-screen").click()
    page.keyboard.press("Control+d")
    types(page, "wc -l < typed; rm typed")
    sees(page, "1\n")


def test_a_half_filled_form_is_there_again(ui: Tab, service: Service) -> None:
    page = ui.page
    page.get_by_role("link", name="New workspace").first.click()
    form = page.get_by_role("dialog", name="New workspace")
    form.get_by_role("textbox", name="Name").fill("half-filled")
    form.get_by_text("Minimal", exact=True).click()
    form.get_by_role("combobox", name="Packages").fill("tree")
    form.get_by_role("option").filter(has_text="tree").first.click()
    page.mouse.click(5, 5)
    expect(form).to_be_visible()
    page.keyboard.press("Escape")
    expect(form).to_have_count(0)

    def is_there() -> None:
        expect(form.get_by_role("textbox", name="Name")).to_have_value("half-filled")
        expect(form.locator("input[value=minimal]")).to_be_checked()
        expect(form.get_by_role("button", name="Remove tree")).to_be_visible()

    page.get_by_role("link", name="New workspace").first.click()
    is_there()
    page.reload()
    is_there()
    page.go_back()
    page.go_forward()
    is_there()
    with service.away():
        form.get_by_role("button", name="Create workspace").click()
        expect(form.get_by_text("The service does not answer.")).to_be_visible()
        is_there()
    form.get_by_role("button", name="Empty the form").click()
    expect(form.get_by_role("textbox", name="Name")).to_have_value("")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="New workspace").first.click()
    expect(form.get_by_role("textbox", name="Name")).to_have_value("")


def test_signing_out_says_what_is_given_up(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    service.ssh(workspace, "echo first > mine.txt")
    ui.open(f"/workspaces/{workspace['id']}/files?file=%2Fhome%2Fnixos%2Fmine.txt")
    page.get_by_role("textbox", name="Contents of mine.txt").click()
    page.keyboard.type("secret")
    choose(page, "Menu", page.get_by_role("menuitem", name="Sign out"))
    dialog = page.get_by_role("dialog", name="Sign out?")
    expect(dialog).to_contain_text("Unsaved: mine.txt")
    dialog.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in*")
    assert "secret" not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")
