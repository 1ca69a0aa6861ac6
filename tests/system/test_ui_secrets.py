"""Secrets, repositories and editors in the browser, on a real workspace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from system.browser import Tab, choose
from system.service import JSON, Service
from waiting import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("secrets-in-the-ui", canaries=False)
    yield made
    for one in service.api("GET", "/secrets")["secrets"]:
        service.api("DELETE", f"/secrets/{one['name']}")
    service.api("PUT", "/profile", json={"dotfiles": None})
    service.delete(made["id"])


def test_a_secret_is_set_and_deleted_and_its_value_is_never_shown(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/secrets")
    expect(page.get_by_text("There are no secrets yet.")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("FROM_THE_UI")
    page.get_by_label("Value").fill("quiet-value")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("cell", name="FROM_THE_UI", exact=True)).to_be_visible()
    expect(page.get_by_label("Value")).to_have_value("")
    assert "quiet-value" not in page.content()
    until("it is inside", lambda: service.ssh(workspace, "echo $FROM_THE_UI") == "quiet-value")
    assert ui.violations() == []
    page.get_by_role("button", name="Delete FROM_THE_UI").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There are no secrets yet.")).to_be_visible()
    until("it is gone", lambda: service.ssh(workspace, "echo $FROM_THE_UI") == "")


def test_a_person_sets_secrets_and_dotfiles_for_all_workspaces(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    ui.open("/workspaces")
    choose(page, "Menu", page.get_by_role("menuitem", name="Secrets and dotfiles"))
    page.get_by_label("Kind").select_option("file")
    page.get_by_label("Name", exact=True).fill("npm")
    page.get_by_label("Path").fill("~/.npmrc")
    page.get_by_label("Value").fill("a=b\n")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("cell", name="~/.npmrc")).to_be_visible()
    until("it is inside", lambda: service.ssh(workspace, "cat ~/.npmrc", check=False) == "a=b", 20)
    page.get_by_label("Repository").fill("https://token@code.example/me/dotfiles")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("holds no user name or password")).to_be_visible()
    page.get_by_label("Repository").fill("https://code.example/me/dotfiles#main")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your dotfiles are set.")).to_be_visible()
    told = service.api("GET", "/profile")["dotfiles"]
    assert (told["url"], told["ref"]) == ("https://code.example/me/dotfiles", "main")
    service.api("PUT", "/profile", json={"dotfiles": None})
    assert ui.violations() == []


def test_a_repository_that_cannot_be_cloned_says_why_and_is_tried_again(
    ui: Tab, service: Service, workspace: JSON
) -> None:
    page, where = ui.page, f"/workspaces/{workspace['id']}"
    service.api("POST", f"{where}/git", 202, json={"url": "https://code.example/me/app", "directory": "app"})
    ui.open(where)
    panel = page.locator("section").filter(has=page.get_by_role("heading", name="Repositories"))
    told = panel.get_by_role("status").filter(has_text="add the package git")
    expect(told).to_be_visible()
    panel.get_by_role("button", name="Try again").click()
    until("it was tried again", lambda: service.api("GET", f"{where}/git")["repositories"][0]["state"] == "failed")
    expect(told).to_be_visible()


def test_the_menu_of_what_can_be_opened_has_editors(ui: Tab, workspace: JSON) -> None:
    ui.open(f"/workspaces/{workspace['id']}")
    ui.page.get_by_role("button", name="Open something else").click()
    for editor in ("VS Code (SSH)", "Cursor (SSH)", "JetBrains Gateway"):
        expect(ui.page.get_by_role("menuitem", name=editor)).to_be_visible()
    expect(ui.page.get_by_text("After `nixws config-ssh` on your computer:")).to_be_visible()
