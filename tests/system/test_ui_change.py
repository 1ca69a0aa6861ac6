"""Changing a workspace in the browser: what restarts it asks before, what does not is there at once."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from system.browser import Tab, tab
from system.service import JSON, Service
from system.terminal_page import forget_layout, sees, types
from waiting import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("changed-in-the-ui", packages=["python3"])
    yield made
    service.delete(made["id"])


def born(service: Service, workspace: JSON) -> str:
    """Return when the first process of the workspace was started."""
    return service.ssh(service.show(workspace["id"]), "cut -d' ' -f22 /proc/1/stat")


def answers(where: dict[str, Any], port: int) -> bool:
    try:
        with socket.create_connection((where["host"], port), timeout=10):
            return True
    except ConnectionRefusedError:
        return False


def test_what_restarts_names_what_ends_and_asks(ui: Tab, service: Service, workspace: JSON) -> None:
    page, path = ui.page, f"/workspaces/{workspace['id']}"
    ui.open(f"{path}/terminal")
    sees(page, "$")
    types(page, "sleep 1234")
    terminals = f"/workspaces/{workspace['id']}/terminals"
    until(
        "sleep is in front",
        lambda: service.api("GET", terminals)["terminals"][0]["process"] == "sleep",
    )
    started = born(service, workspace)
    page.get_by_role("navigation").get_by_role("link", name="Packages").click()
    box = page.get_by_role("combobox", name="Packages")
    box.fill("tree")
    box.press("Enter")
    page.get_by_role("button", name="Build and apply").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Restart changed-in-the-ui?")
    expect(dialog.get_by_text("This needs a restart: other packages.")).to_be_visible()
    expect(dialog.get_by_text("1 terminal ends, with what runs in it:")).to_be_visible()
    expect(dialog.get_by_role("listitem")).to_have_text(re.compile("sleep$"))
    expect(dialog.get_by_text(re.compile(r"^\d+ processes end in all"))).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert (service.show(workspace["id"])["config"]["packages"], born(service, workspace)) == (["python3"], started)
    # Memory is changed without a question, more storage with one.
    page.get_by_role("navigation").get_by_role("link", name="Settings").click()
    page.get_by_label("Memory (GB)").fill("0.75")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("The new size is being applied.")).to_be_visible()
    page.get_by_label("Storage (GB)").fill("0.75")
    page.get_by_role("button", name="Save").first.click()
    expect(dialog.get_by_text("This needs a restart: more storage.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("navigation").get_by_role("link", name="Packages").click()
    page.get_by_role("button", name="Build and apply").click()
    dialog.get_by_role("button", name="Restart").click()
    expect(page.get_by_text("The new environment is being built.")).to_be_visible()

    def restarted() -> bool:
        shown = service.show(workspace["id"])
        assert shown["status"] != "error", shown
        return bool(shown["status"] == "running" and service.ssh(shown, "which tree", check=False).startswith("/run"))

    until("tree is there", restarted, 120, 0.5)
    assert born(service, workspace) != started


def test_ports_change_at_once_and_terminals_go_on(ui: Tab, service: Service, workspace: JSON) -> None:
    # The terminals of the test before ended with its restart, and would be offered again.
    forget_layout(service, workspace["id"])
    page, path = ui.page, f"/workspaces/{workspace['id']}"
    ui.open(f"{path}/terminal")
    sees(page, "$")
    types(page, "python3 -m http.server 8123")
    sees(page, "Serving HTTP")
    where, started = service.show(workspace["id"])["ssh_info"], born(service, workspace)
    assert not answers(where, 8123)
    for ports, reachable in (("8123", True), ("", False), ("80 8123", True)):
        page.get_by_role("navigation").get_by_role("link", name="Settings").click()
        page.get_by_label("Open ports").fill(ports)
        page.get_by_label("Open ports").press("Enter")
        expect(page.get_by_text("The open ports are being changed.").last).to_be_visible()
        until(f"8123 is {reachable}", lambda wanted=reachable: answers(where, 8123) is wanted)  # type: ignore[misc]
        expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("navigation").get_by_role("link", name="Terminal").click()
    sees(page, "Serving HTTP")
    assert born(service, workspace) == started


def test_a_workspace_is_renamed(browser: Browser, ui: Tab, service: Service, workspace: JSON) -> None:
    """Everywhere at once: this page, its address, another browser's list, the command line."""
    page = ui.page
    service.create("taken-name", wait=False)
    with tab(browser, service.url) as other:
        other.sign_in(service.token)
        other.open("/workspaces")
        expect(other.page.get_by_role("row", name="changed-in-the-ui")).to_be_visible()
        ui.open("/workspaces/changed-in-the-ui/settings")
        name = page.get_by_role("main").get_by_label("Name", exact=True)
        for wrong in ("create", "Upper", "ws-x", "taken-name"):
            name.fill(wrong)
            expect(name).to_have_attribute("aria-invalid", "true")
            name.press("Enter")
        assert service.show(workspace["id"])["name"] == "changed-in-the-ui"
        name.fill("renamed-in-the-ui")
        name.press("Enter")
        expect(page.get_by_text("The workspace is called renamed-in-the-ui now.")).to_be_visible()
        page.wait_for_url(f"**/workspaces/{workspace['id']}/settings")
        expect(page.get_by_role("heading", name="renamed-in-the-ui")).to_be_visible()
        expect(other.page.get_by_role("row", name="renamed-in-the-ui")).to_be_visible()
        expect(other.page.get_by_role("row", name="changed-in-the-ui")).to_have_count(0)
    assert service.nixws("ssh", "renamed-in-the-ui", "--", "echo in").strip() == "in"
    shown = service.show(workspace["id"])
    assert service.ssh(shown, "hostname") == "changed-in-the-ui"
    service.nixws("restart", "renamed-in-the-ui")
    said = service.ssh(service.show(workspace["id"]), "hostname; cat /etc/hostname")
    assert said.split() == ["renamed-in-the-ui", "renamed-in-the-ui"]
