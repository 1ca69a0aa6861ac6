"""One whole day in one workspace, from the login link to its deletion: a real browser, the real service, no stub."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from system.browser import chromium, drop, tab
from system.service import Service
from system.terminal_page import FRAMES, everything, sees, types

pytestmark = pytest.mark.system

NAME = "whole-day"
FLOOD_SECONDS = 10
HUNG_MS = 500


def logs_in(page: Page, service: Service) -> None:
    """Open the link that the command line prints."""
    link = re.search(r"http\S+", service.nixws("login-link"))
    assert link is not None
    page.goto(link.group())
    page.wait_for_url("**/workspaces")


def creates(page: Page) -> str:
    """Fill in the form, watch the build until it runs; returns the id."""
    page.get_by_role("link", name="New workspace").first.click()
    form = page.get_by_role("dialog", name="New workspace")
    form.get_by_role("textbox", name="Name").fill(NAME)
    form.get_by_text("Minimal", exact=True).click()
    for label, value in (("CPU cores", "1"), ("Memory (GB)", "0,5"), ("Storage (GB)", "0.5")):
        form.get_by_label(label).fill(value)
    for package in ("git", "vim"):
        form.get_by_role("combobox", name="Packages").fill(package)
        form.get_by_role("option").filter(has_text=package).first.click()
    form.get_by_role("button", name="Create workspace").click()
    page.wait_for_url("**/workspaces/ws-*")
    expect(page.get_by_role("article", name=NAME)).to_be_visible()
    expect(page.locator(".phases, .detail-head .status-running").first).to_be_visible()
    expect(page.locator(".detail-head .status-running")).to_be_visible(timeout=180_000)
    expect(page.locator(".workspace-item .status-running").first).to_be_visible()
    page.get_by_role("link", name="Logs").click()
    expect(page.locator(".log-lines")).to_contain_text("nixos: activating")
    return page.url.split("/workspaces/")[1].split("/")[0]


def opens_two_terminals_and_comes_back(page: Page) -> None:
    """After a reload both are there, one with its scrollback, the other with the program that runs in it."""
    page.get_by_role("navigation").get_by_role("link", name="Terminal").click()
    sees(page, "$", 30)
    types(page, "git --version; seq 200")
    sees(page, "200\n")
    page.get_by_role("button", name="New terminal").click()
    expect(page.locator(".terminal-tab")).to_have_count(2)
    sees(page, "$")
    types(page, "vim")
    sees(page, "VIM - Vi IMproved")
    page.reload()
    expect(page.locator(".terminal-tab")).to_have_count(2)
    sees(page, "~")
    page.keyboard.type("ihello")
    sees(page, "hello")
    page.locator(".terminal-tab-name").first.click()
    sees(page, "200\n")
    assert "git version" in "\n".join(everything(page))


def floods(page: Page) -> None:
    """While `yes` writes, frames are drawn and another part of the page answers; Ctrl-C ends it."""
    page.locator(".split-pane:not([hidden]) .xterm-screen").last.click()
    types(page, "yes")
    sees(page, "y\ny\n")
    filtered = page.get_by_role("searchbox", name="Filter workspaces")
    deadline = time.monotonic() + FLOOD_SECONDS
    try:
        while time.monotonic() < deadline:
            worst = page.evaluate(FRAMES)
            assert worst < HUNG_MS, f"a frame took {worst:.0f} ms"
            filtered.fill("nothing-like-it")
            expect(page.get_by_role("article", name=NAME)).to_have_count(0)
            filtered.fill("")
            expect(page.get_by_role("article", name=NAME)).to_be_visible()
    finally:
        # Left running, it would take a part of a core from all other tests.
        page.locator(".split-pane:not([hidden]) .xterm-screen").last.click()
        page.keyboard.press("Control+c")
    types(page, "echo al''ive")
    sees(page, "alive\n")


def outlives_the_service(page: Page, service: Service) -> None:
    """The service is killed: the page says so and keeps what it shows; then everything goes on where it was."""
    types(page, "for i in $(seq 100); do echo beat-$i; sleep 0.05; done; echo be''aten")
    sees(page, "beat-")
    os.kill(service.pid_of("serve"), signal.SIGKILL)
    expect(page.get_by_text("The service does not answer.").first).to_be_visible()
    expect(page.get_by_text("Disconnected. Trying again in").first).to_be_visible()
    expect(page.get_by_role("article", name=NAME)).to_be_visible()
    expect(page.get_by_text("The service does not answer.")).to_have_count(0, timeout=60_000)
    expect(page.locator(".terminal-banner")).to_have_count(0, timeout=60_000)
    sees(page, "beaten\n", 60)
    beats = [line.strip() for line in everything(page) if line.startswith("beat-")]
    assert beats == [f"beat-{number}" for number in range(1, 101)]
    page.locator(".terminal-tab-name").nth(1).click()
    page.keyboard.type(" again")
    sees(page, "hello again")


def moves_files(page: Page, directory: Path) -> None:
    """Dropped, edited, and downloaded again byte by byte."""
    random = os.urandom(200_000)
    (directory / "random.bin").write_bytes(random)
    (directory / "hello.nix").write_text("{ }\n")
    page.get_by_role("navigation").get_by_role("link", name="Files").click()
    expect(page.get_by_text("This directory is empty.")).to_be_visible()
    drop(page, directory / "random.bin", directory / "hello.nix")
    expect(page.locator(".upload[data-state=done]")).to_have_count(2)
    page.get_by_role("link", name="hello.nix").click()
    page.get_by_role("textbox", name="Contents of hello.nix").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("# more")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("hello.nix is saved.")).to_be_visible()
    assert downloaded(page, page.locator(".files-bar")) == b"{ }\n# more"
    page.go_back()
    page.get_by_role("button", name="More actions for random.bin").click()
    assert downloaded(page, page.get_by_role("menu")) == random


def downloaded(page: Page, place: Locator) -> bytes:
    """Press what downloads in this place and return what came."""
    with page.expect_download() as download:
        place.get_by_text("Download").click()
    return Path(download.value.path()).read_bytes()


def ends(page: Page, service: Service, workspace_id: str) -> None:
    """Resized, stopped, started, stopped, deleted: the page follows each of them."""
    page.get_by_role("navigation").get_by_role("link", name="Settings").click()
    page.get_by_label("Memory (GB)").fill("0.75")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("The new size is being applied.")).to_be_visible()
    assert service.show(workspace_id)["config"]["memory"] == 0.75
    page.locator(".detail-head").get_by_role("button", name="Stop").click()
    expect(page.locator(".detail-head .status-stopped")).to_be_visible(timeout=30_000)
    page.locator(".workspace-item").get_by_role("button", name=f"Start {NAME}").click()
    expect(page.locator(".detail-head .status-running")).to_be_visible(timeout=60_000)
    page.locator("#delete").get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    confirm = dialog.get_by_role("button", name="Delete")
    dialog.get_by_role("textbox").fill(NAME[:-1])
    expect(confirm).to_be_disabled()
    dialog.get_by_role("textbox").fill(NAME)
    confirm.click()
    expect(page.get_by_role("row", name=NAME)).to_have_count(0, timeout=30_000)
    page.wait_for_url("**/workspaces")
    assert service.http.get(f"{service.url}/api/nixos/workspaces/{workspace_id}").status_code == 404


@pytest.mark.alone  # it measures how long frames take
def test_a_whole_day(service: Service, tmp_path: Path) -> None:
    with chromium() as browser, tab(browser, service.url) as opened:
        page = opened.page
        logs_in(page, service)
        workspace_id = creates(page)
        opens_two_terminals_and_comes_back(page)
        floods(page)
        outlives_the_service(page, service)
        moves_files(page, tmp_path)
        ends(page, service, workspace_id)
