"""The web UI while the service is away: nothing on the page and nothing that was typed is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect
from system.browser import Tab
from system.service import JSON, Service

pytestmark = pytest.mark.system

PARTS = ("OverviewTab", "WebTerminalComponent", "FilesTab", "PackagesTab", "MetricsTab", "LogsTab", "SettingsTab")


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("service-away")
    yield made
    service.delete(made["id"])


def tabs(page: Page, name: str) -> None:
    """Click one of the workspace's tabs."""
    page.get_by_role("navigation", name="Parts of the workspace").get_by_role("link", name=name).click()


def test_a_part_that_cannot_be_fetched_leaves_the_page_and_comes_later(
    ui: Tab, service: Service, workspace: JSON
) -> None:
    page = ui.page

    def refuse(route: Route) -> None:
        route.abort("connectionrefused")

    page.route("**/assets/LogsTab*", refuse)
    ui.open(f"/workspaces/{workspace['id']}")
    with service.away():
        tabs(page, "Logs")
        expect(page.get_by_text("this part of the page was not fetched before")).to_be_visible()
        expect(page.locator(".detail-head")).to_contain_text(workspace["name"])
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_text("this part of the page was not fetched before")).to_be_visible()
        page.unroute("**/assets/LogsTab*", refuse)
    expect(page.locator(".log-lines")).to_contain_text("nixos: activating", timeout=60_000)
    assert page.url.endswith("/logs")


def test_every_part_is_there_before_it_is_wanted(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}")
    ui.has_fetched(*PARTS)
    with service.away():
        for name, part in (("Logs", ".log-view"), ("Settings", "#delete"), ("Packages", ".package-search")):
            tabs(page, name)
            expect(page.locator(part)).to_be_visible()
        page.keyboard.press("Control+k")
        expect(page.get_by_role("dialog", name="Command palette")).to_be_visible()
        page.keyboard.press("Escape")
        page.get_by_role("link", name="New workspace").first.click()
        expect(page.get_by_role("dialog", name="New workspace")).to_be_visible()
