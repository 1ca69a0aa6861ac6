"""The logs of a workspace and its head, in the browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from system.browser import Tab
from system.service import JSON, Service

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("logged", cpu=1, memory=0.5, storage=0.5)
    yield made
    service.delete(made["id"])


def test_the_build_log_has_phases_times_and_a_fold(ui: Tab, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/logs")
    log = page.get_by_label("Logs", exact=True).locator("visible=true").last
    expect(page.locator(".log-phase").first).to_have_text("Evaluate")
    expect(page.locator(".log-phase").last).to_have_text("Boot")
    fold = page.locator(".log-fold").first
    expect(fold.locator("summary")).to_have_text(re.compile(r"Evaluated \d+ files"))
    expect(fold.locator(".log-line").first).not_to_be_visible()
    fold.locator("summary").click()
    expect(fold.locator(".log-time").first).to_have_text(re.compile(r"\d\d:\d\d"))
    expect(log).to_contain_text("nixos: activating")
    page.get_by_role("searchbox", name="Find in the log").fill("activating")
    expect(page.locator(".log-line")).to_have_count(1)


def test_the_journal_of_the_running_system_comes_as_it_is_written(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/logs")
    page.get_by_role("button", name="Journal").click()
    journal = page.get_by_label("Journal", exact=True)
    expect(journal).to_contain_text("systemd")
    service.ssh(workspace, "logger -p user.err -t mine 'it broke'; logger -t mine 'it goes on'")
    expect(journal.locator(".log-error").filter(has_text="it broke")).to_have_count(1)
    expect(journal).to_contain_text("it goes on")
    page.get_by_label("Level").select_option(label="Errors")
    expect(journal).to_contain_text("it broke")
    expect(journal).not_to_contain_text("it goes on")


def test_the_head_has_one_loud_thing_and_menus_for_the_rest(ui: Tab, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}")
    head = page.locator(".detail-head")
    expect(head.locator(".detail-verbs a.button-primary")).to_have_text("Open a terminal")
    expect(head.get_by_role("button", name="Delete")).to_have_count(0)
    head.get_by_role("button", name="Open something else").click()
    page.get_by_role("menuitem", name="Files").click()
    page.wait_for_url("**/files")
    head.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("logged")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
