"""Cancelling a creation in a real browser, while a real build is surely under way."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from run_directory import current
from system.browser import tab
from system.held_set import SAYS, builders, write_held_set
from system.service import Service, running_service
from waiting import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def held() -> Iterator[Service]:
    """A service with a package whose build never ends."""
    with tempfile.TemporaryDirectory(prefix="held-", dir=current()) as directory:
        settings = {"NIXWS_DEBIAN_SET": write_held_set(Path(directory))}
        with running_service(**settings) as service:
            yield service


@pytest.fixture
def page(browser: Browser, held: Service) -> Iterator[Page]:
    with tab(browser, held.url) as opened:
        opened.sign_in(held.token)
        opened.page.get_by_role("heading", level=1).wait_for()
        yield opened.page


def create(page: Page, name: str, *packages: str) -> str:
    """Fill in the form and send it; returns the id of what is made."""
    page.get_by_role("link", name="New workspace").first.click()
    form = page.get_by_role("dialog", name="New workspace")
    form.get_by_role("textbox", name="Name").fill(name)
    form.get_by_text("Minimal", exact=True).click()
    for label, value in (("CPU cores", "1"), ("Memory (GB)", "0.5"), ("Storage (GB)", "0.5")):
        form.get_by_label(label).fill(value)
    for package in packages:
        form.get_by_role("combobox", name="Packages").fill(package)
        form.get_by_role("combobox", name="Packages").press("Enter")
    form.get_by_role("button", name="Create workspace").click()
    page.wait_for_url("**/workspaces/ws-*")
    return page.url.rsplit("/", 1)[1].partition("?")[0]


def is_building(page: Page) -> None:
    """Wait until the page shows a build that is under way, phase by phase and line by line."""
    expect(page.locator(".log-lines")).to_contain_text(SAYS, timeout=60_000)
    expect(page.locator(".phase-now")).to_contain_text("Build")
    expect(page.locator(".phase-done")).to_have_count(2)
    expect(page.locator(".phase-waiting")).to_have_count(3)
    expect(page.locator(".detail-head .status-creating")).to_be_visible()
    assert len(builders()) == 1


def is_gone(page: Page, service: Service, workspace_id: str, name: str) -> None:
    """Nothing of a workspace is left: neither in the page nor in the service, nor a build, nor a file or mount."""
    page.wait_for_url("**/workspaces")
    expect(page.get_by_text(f"The creation of {name} is cancelled.")).to_be_visible()
    expect(page.get_by_role("row", name=name)).to_have_count(0)
    until("the build has ended", lambda: not builders())
    assert service.http.get(f"{service.url}/api/nixos/workspaces/{workspace_id}").status_code == 404
    assert list(service.data.rglob(f"*{workspace_id}*")) == []
    assert workspace_id not in Path("/proc/mounts").read_text()
    page.get_by_role("button", name="Tasks").click()
    expect(page.locator(".task-cancelled").first).to_contain_text(f"Create {name}")
    page.keyboard.press("Escape")


def test_a_creation_is_cancelled_while_it_builds_and_its_name_is_free_again(page: Page, held: Service) -> None:
    workspace_id = create(page, "not-wanted", "held")
    is_building(page)
    page.get_by_role("button", name="Cancel the creation").click()
    is_gone(page, held, workspace_id, "not-wanted")
    again = create(page, "not-wanted")
    expect(page.locator(".detail-head .status-running")).to_be_visible(timeout=180_000)
    expect(page.get_by_role("button", name="Cancel the creation")).to_have_count(0)
    assert again != workspace_id
    held.delete(again)


def test_a_creation_is_cancelled_from_the_list(page: Page, held: Service) -> None:
    workspace_id = create(page, "nor-this", "held")
    is_building(page)
    page.get_by_role("link", name="NixOS Workspaces").click()
    page.get_by_role("button", name="More actions for nor-this").click()
    page.get_by_role("menuitem", name="Cancel creating").click()
    is_gone(page, held, workspace_id, "nor-this")
