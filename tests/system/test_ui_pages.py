"""Single pages of the UI: that they say what is so, fit into the window, and lead on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from system.browser import Tab, tab
from system.seen import FINDINGS, findings
from system.service import JSON, Service

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("seen-in-the-ui")
    yield made
    service.delete(made["id"])


def views_of(workspace: JSON) -> list[str]:
    parts = ("", "/terminal", "/files", "/packages", "/metrics", "/logs", "/settings", "/nonsense")
    return [
        *(f"/workspaces{which}" for which in ("", "?view=cards", "?q=no-such", "/nothing")),
        *(f"/workspaces/{workspace['id']}{part}" for part in parts),
        "/templates",
        *("/me", "/ssh-keys", "/profile", "/device", "/admin/health", "/admin/users", "/admin/audit", "/usage"),
        "/nowhere",
    ]


def part(page: Page, name: str) -> None:
    """Click one of the workspace's tabs."""
    page.get_by_role("navigation", name="Parts of the workspace").get_by_role("link", name=name).click()


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_every_view_fits_into_every_window(browser: Browser, service: Service, workspace: JSON, locale: str) -> None:
    """Nothing is wider or taller than the window, cut off, broken or beside a second scrollbar.

    Longer words are what breaks a layout: each view is looked at in both languages.
    """
    found: dict[str, list[str]] = {}
    with tab(browser, service.url, locale=locale) as opened:
        opened.page.goto(f"{service.url}/sign-in")
        opened.page.locator("input").wait_for()
        found["sign-in"] = findings(opened.page)
        opened.page.locator("input").fill(service.token)
        opened.page.keyboard.press("Enter")
        opened.page.wait_for_url("**/workspaces")
        for view in views_of(workspace):
            opened.open(view)
            found[view] = findings(opened.page)
    assert {view: lines for view, lines in found.items() if lines} == {}


@pytest.mark.parametrize("state", ["on its way", "failed"])
def test_what_stands_for_the_list_fits_into_the_window(ui: Tab, state: str) -> None:
    page = ui.page
    held: list[Route] = []

    def answer(route: Route) -> None:
        if state == "failed":
            route.fulfill(status=503, json={})
        else:
            held.append(route)

    page.set_viewport_size({"width": 720, "height": 400})
    page.route(re.compile(r"/api/nixos/workspaces(\?|$)"), answer)
    page.goto(f"{ui.url}/workspaces?view=cards")
    page.locator(".workspace-list").locator(".skeleton-lines, .placeholder").wait_for()
    if state == "failed":
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
    assert page.evaluate(FINDINGS) == []
    for route in held:
        route.abort()


def test_a_part_that_there_is_not_leaves_the_page_around_it(ui: Tab, workspace: JSON) -> None:
    page = ui.page
    page.goto(f"{ui.url}/workspaces/{workspace['id']}/nonsense")
    expect(page.get_by_text("There is nothing at this address.")).to_be_visible()
    expect(page.get_by_role("article", name=workspace["name"])).to_be_visible()
    expect(page.locator(".detail-head")).to_contain_text(workspace["name"])
    part(page, "Files")
    expect(page.locator(".files-panel")).to_be_visible()


def test_a_browser_without_network_says_so_at_once(ui: Tab, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/files?path=%2Ftmp")
    part(page, "Overview")
    page.context.set_offline(True)
    expect(page.get_by_text("The service does not answer. What you see")).to_be_visible()
    part(page, "Files")
    expect(page.locator(".files-main").get_by_text("The service does not answer.")).to_be_visible(timeout=20_000)
    page.context.set_offline(False)
    expect(page.get_by_text("The service does not answer. What you see")).to_have_count(0, timeout=20_000)


def test_a_log_is_empty_only_when_it_is(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/logs")
    lines = page.locator(".log-lines")
    expect(lines).to_contain_text("nixos: activating")
    page.get_by_role("searchbox", name="Find in the log").fill("no line has this")
    expect(lines).to_have_text("No line matches.")
    page.get_by_role("searchbox", name="Find in the log").fill("")

    def refuse(route: Route) -> None:
        route.abort("connectionrefused")

    page.route("**/logs?follow=1", refuse)
    page.goto(f"{service.url}/workspaces/{workspace['id']}/logs")
    expect(page.get_by_text("The log stream broke off")).to_be_visible()
    expect(lines).to_have_text("")
    page.unroute("**/logs?follow=1", refuse)
    expect(lines).to_contain_text("nixos: activating", timeout=30_000)


def test_what_may_not_be_read_or_is_not_there_is_said_so(ui: Tab, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/files?path=%2Froot")
    expect(page.get_by_text("The workspace's user nixos may not look into /root.")).to_be_visible()
    ui.open(f"/workspaces/{workspace['id']}/files?file=%2Fhome%2Fnixos%2Fmissing.txt")
    expect(page.get_by_text("There is no /home/nixos/missing.txt.")).to_be_visible()
    expect(page.get_by_role("button", name="Download")).to_have_count(0)


def test_unknown_packages_are_named_as_they_are_added(ui: Tab, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/packages")
    box = page.get_by_role("combobox", name="Packages")
    for name in ("tree", "nosuchpackage"):
        box.fill(name)
        box.press("Enter")
    expect(page.get_by_text("The package set has no nosuchpackage.")).to_be_visible()
    expect(page.locator(".chip[data-unknown=true]")).to_have_count(1)
    build = page.get_by_role("button", name="Build and apply")
    expect(page.get_by_text("+ nosuchpackage (there is none)")).to_be_visible()
    expect(build).to_be_disabled()
    page.get_by_role("button", name="Remove nosuchpackage").click()
    expect(page.get_by_text("The package set has no")).to_have_count(0)
    expect(build).to_be_enabled()
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("link", name="New workspace").first.click()
    form = page.get_by_role("dialog")
    form.get_by_text("Development", exact=True).click()
    form.get_by_role("combobox", name="Packages").fill("git")
    form.get_by_role("combobox", name="Packages").press("Enter")
    expect(form.get_by_text("In the template already: git.")).to_be_visible()


def test_a_deletion_from_the_settings_leads_to_the_list(ui: Tab, service: Service) -> None:
    page = ui.page
    made = service.create("seen-going")
    ui.open(f"/workspaces/{made['id']}/settings")
    page.locator("#delete").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("seen-going")
    page.keyboard.press("Enter")
    expect(page.get_by_text("seen-going is being deleted.")).to_be_visible()
    page.wait_for_url("**/workspaces")
    expect(page.get_by_role("row", name="seen-going")).to_have_count(0, timeout=60_000)
