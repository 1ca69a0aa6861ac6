"""The bar and the areas that its words lead to."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from system.browser import Tab
from waiting import until

pytestmark = pytest.mark.system


def test_the_words_of_the_bar_lead_to_their_areas(ui: Tab) -> None:
    page = ui.page
    bar = page.get_by_role("navigation", name="Main")
    for word, title in (
        ("Templates", "Templates"),
        ("Admin", "Health"),
        ("Workspaces", re.compile("^Workspaces$|first workspace")),
    ):
        bar.get_by_role("link", name=word).click()
        expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()
        expect(bar.get_by_role("link", name=word)).to_have_attribute("aria-current", "page")


@pytest.mark.parametrize("address", ["/nowhere", "/templates/nowhere", "/workspaces/ws-none/nowhere"])
def test_an_address_that_leads_nowhere_keeps_the_bar(ui: Tab, address: str) -> None:
    page = ui.page
    page.goto(ui.url + address)
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Templates").click()
    expect(page.get_by_role("heading", name="Templates")).to_be_visible()


def test_a_template_leads_to_the_form_with_it_chosen(ui: Tab) -> None:
    page = ui.page
    ui.open("/templates")
    page.get_by_role("link", name="New Python workspace").click()
    form = page.get_by_role("dialog", name="New workspace")
    expect(form.get_by_role("radio", name="Python")).to_be_checked()
    page.wait_for_url(re.compile(r"/workspaces\?"))


def test_the_page_of_health_says_what_was_looked_at(ui: Tab) -> None:
    page = ui.page
    ui.open("/admin")
    checks = page.get_by_role("table", name="Fine")
    expect(checks.get_by_role("row").filter(has_text="The database stores.")).to_contain_text("database.ok")
    expect(page.get_by_text("Everything is well").or_(page.get_by_text(re.compile("wrong"))).first).to_be_visible()


def test_a_new_workspace_can_be_asked_for_everywhere(ui: Tab) -> None:
    page = ui.page
    ui.open("/admin")
    page.keyboard.press("c")
    expect(page.get_by_role("dialog", name="New workspace")).to_be_visible()


def test_the_fonts_come_from_the_service_itself(ui: Tab) -> None:
    page = ui.page
    fetched = (
        "[...document.fonts].filter((one) => one.status === 'loaded').map((one) => one.family.replaceAll('\"', ''))"
    )
    until("the font is there", lambda: "Inter Variable" in page.evaluate(fetched))
    assert page.evaluate("getComputedStyle(document.body).fontFamily").startswith('"Inter Variable"')
    assert not ui.foreign
