"""The list of workspaces in a real browser: dense, gone through by keys, filtered by one text; and the first run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import fake_services
from playwright.sync_api import Browser, Page, expect
from system.browser import Tab, choose, tab
from web_service import Web, running_web

pytestmark = pytest.mark.system

TABLE, ROW = ".workspace-table", ".table-row"

LONG = "release-2-4-hotfix-branch-with-a-name-that-goes-on-and-on"
COUNT = 40
BLANK = """
() => {
  const table = document.querySelector(".workspace-table");
  const box = table.getBoundingClientRect();
  const names = [...document.querySelectorAll(".table-row")].map((row) => row.getBoundingClientRect());
  window.blank = 0;
  for (let y = box.top + 40; y < box.bottom; y += 8) {
    if (!names.some((one) => one.top <= y && one.bottom >= y)) window.blank += 1;
  }
  const bare = [...document.querySelectorAll(".table-row")].filter((row) => !row.querySelector(".status"));
  return window.blank + bare.length;
}
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(tmp_path_factory.mktemp("list"), fake_services) as running:
        for number in range(COUNT - 2):
            running.create(f"{('web', 'data')[number % 2]}-{number:02}")
        running.create(LONG)
        stopped = running.create("asleep")
        with running.http() as http:
            http.post(f"/api/nixos/workspaces/{stopped['id']}/stop")
        running.reaches(stopped["id"], "stopped")
        running.measure()
        yield running


@pytest.fixture
def opened(browser: Browser, web: Web) -> Iterator[Tab]:
    with tab(browser, web.url, width=1440) as one:
        one.sign_in(web.token)
        one.page.get_by_role("row", name="asleep").wait_for()
        yield one


def in_sight(page: Page) -> int:
    """Return how many rows can be seen whole."""
    return int(
        page.evaluate(
            """() => {
              const box = document.querySelector(".workspace-table").getBoundingClientRect();
              const heads = document.querySelector(".table-head").getBoundingClientRect();
              return [...document.querySelectorAll(".table-row")].filter((row) => {
                const {top, bottom} = row.getBoundingClientRect();
                return top >= heads.bottom - 1 && bottom <= Math.min(box.bottom, innerHeight) + 1;
              }).length;
            }"""
        )
    )


def test_ten_and_more_are_in_sight_and_twice_as_many_in_the_compact_table(opened: Tab) -> None:
    page = opened.page
    assert in_sight(page) >= 10
    choose(page, "View and columns", page.get_by_role("menuitemradio", name="Compact"))
    page.get_by_role("menuitemcheckbox", name="Storage").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("columnheader", name="Storage")).to_have_count(0)
    assert in_sight(page) >= 16
    page.reload()
    page.get_by_role("row", name="asleep").wait_for()
    expect(page.get_by_role("columnheader", name="Storage")).to_have_count(0)
    assert in_sight(page) >= 16


def test_cards_are_the_second_view_and_stay_chosen(opened: Tab) -> None:
    page = opened.page
    choose(page, "View and columns", page.get_by_role("menuitemradio", name="Cards"))
    page.keyboard.press("Escape")
    card = page.get_by_role("article", name="asleep")
    expect(card).to_be_visible()
    page.reload()
    expect(card).to_be_visible()
    assert card.evaluate("(one) => getComputedStyle(one).padding") == "16px"
    page.goto(f"{opened.url}/workspaces?view=table")
    expect(page.get_by_role("row", name="asleep")).to_be_visible()


def test_each_row_has_one_action_for_its_state_and_a_menu_with_the_rest(opened: Tab) -> None:
    page = opened.page
    asleep, awake = page.get_by_role("row", name="asleep"), page.get_by_role("row", name=LONG)
    expect(asleep.get_by_role("button", name="Start asleep")).to_be_visible()
    expect(awake.get_by_role("button", name=f"Open {LONG}")).to_be_visible()
    awake.get_by_role("button", name="More actions").click()
    for item in ("Terminal", "Files", "Stop", "Restart", "Pause", "Logs", "Settings", "Delete"):
        expect(page.get_by_role("menuitem", name=item)).to_be_visible()
    page.keyboard.press("Escape")
    asleep.get_by_role("link", name="asleep").click()
    page.wait_for_url("**/workspaces/ws-*")


def test_a_long_name_shows_its_end(opened: Tab) -> None:
    page = opened.page
    name = page.get_by_role("row", name=LONG).get_by_role("link", name=LONG, exact=True)
    end = name.get_by_text(LONG[-9:], exact=True)
    box, row = end.bounding_box(), page.get_by_role("row", name=LONG).locator(".cell-two").first.bounding_box()
    assert box is not None
    assert row is not None
    assert box["x"] + box["width"] <= row["x"] + row["width"]
    name.hover()
    expect(page.locator(".tooltip")).to_have_text(LONG)


def test_no_row_is_bare_while_it_scrolls(opened: Tab) -> None:
    page = opened.page
    page.locator(".workspace-table").hover()
    for _ in range(10):
        page.mouse.wheel(0, 300)
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")
        assert page.evaluate(BLANK) == 0


def test_scrolling_makes_no_rows_keeps_the_focus_and_leaves_them_in_order(opened: Tab) -> None:
    page = opened.page
    page.keyboard.press("j")
    focused = "document.activeElement.dataset.id"
    first = page.evaluate(focused)
    page.locator(".workspace-table").hover()
    # The rows of the middle of a list are the most that there are at one time.
    page.mouse.wheel(0, 600)
    expect(page.locator('[aria-rowindex="32"]')).to_have_count(1)
    page.evaluate("""() => {
      window.rowsMade = 0;
      const body = document.querySelector(".table-body");
      const rows = new Set(body.children);
      new MutationObserver((changes) => {
        for (const {addedNodes} of changes)
          for (const row of addedNodes) if (!rows.has(row)) window.rowsMade += 1;
      }).observe(body, {childList: true});
    }""")
    for _ in range(6):
        page.mouse.wheel(0, 300)
    expect(page.locator(f'[aria-rowindex="{COUNT + 1}"]')).to_be_in_viewport()
    assert page.evaluate("window.rowsMade") <= 3
    assert page.evaluate(focused) == first
    page.wait_for_function("""() => {
      const indexes = [...document.querySelectorAll(".table-row")].map((row) => Number(row.ariaRowIndex));
      return indexes.every((index, at) => at === 0 || index > indexes[at - 1]);
    }""")


def test_the_list_is_gone_through_by_keys(opened: Tab) -> None:
    page = opened.page
    rows = page.locator(".table-row")
    page.keyboard.press("j")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    expect(rows.nth(2)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("x")
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("toolbar", name="With the selected ones")).to_contain_text("1 selected")
    page.keyboard.press("x")
    page.keyboard.press("End")
    last = page.locator(f"[aria-rowindex='{COUNT + 1}']")
    expect(last).to_be_focused()
    page.keyboard.press("Home")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("ArrowUp")
    words = page.get_by_role("searchbox", name="Filter workspaces")
    expect(words).to_be_focused()
    words.fill("asleep")
    expect(rows).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("checkbox", name="Select asleep")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/workspaces/ws-*")
    expect(page.locator(".workspace-cards").get_by_role("link", name="asleep")).to_be_focused()


def test_enter_in_the_filter_opens_what_it_has_found(opened: Tab) -> None:
    page = opened.page
    page.keyboard.press("/")
    page.keyboard.type("asleep")
    page.keyboard.press("Enter")
    page.wait_for_url("**/workspaces/ws-*")
    expect(page.get_by_role("heading", name="asleep")).to_be_visible()


def test_words_and_choices_of_the_filter_are_one(opened: Tab) -> None:
    page = opened.page
    words = page.get_by_role("searchbox", name="Filter workspaces")
    chips = page.get_by_role("group", name="Ready-made filters")
    words.fill("status:error web")
    expect(chips.get_by_role("button", name="Failing")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("No workspace matches the filter.")).to_be_visible()
    chips.get_by_role("button", name="Running").click()
    expect(words).to_have_value("status:running web")
    page.get_by_role("combobox", name="Template").select_option("minimal")
    expect(words).to_have_value("template:minimal status:running web")
    page.wait_for_url("**/workspaces?q=template%3Aminimal+status%3Arunning+web")
    chips.get_by_role("button", name="All").click()
    expect(words).to_have_value("template:minimal web")
    words.fill("")
    expect(page.get_by_role("combobox", name="Template")).to_have_value("")
    page.goto(f"{opened.url}/workspaces?status=stopped")
    expect(words).to_have_value("status:stopped")
    expect(page.locator(".table-row")).to_have_count(1)
    bottoms = [page.locator(one).evaluate("one => one.getBoundingClientRect().bottom") for one in (TABLE, ROW)]
    assert bottoms[0] - bottoms[1] < 2, "there is half an empty row below the only one"


def test_the_order_is_by_use_and_stands_in_the_address(opened: Tab) -> None:
    page = opened.page
    heads = page.get_by_role("columnheader")
    heads.filter(has_text="Name").get_by_role("button").click()
    page.wait_for_url("**/workspaces?sort=name")
    expect(page.locator(".table-row").first).to_have_accessible_name("asleep")
    heads.filter(has_text="CPU").get_by_role("button").click()
    page.wait_for_url("**/workspaces?sort=cpu")
    expect(page.locator(".table-row").first).not_to_have_accessible_name("asleep")
    heads.filter(has_text="CPU").get_by_role("button").click()
    page.wait_for_url("**/workspaces?sort=-cpu")
    expect(page.locator(".table-row").first).to_have_accessible_name("asleep")
    page.reload()
    expect(page.locator(".table-row").first).to_have_accessible_name("asleep")


def test_shared_cores_are_not_told_as_used_up(opened: Tab) -> None:
    page = opened.page
    expect(page.get_by_role("group", name="The machine")).to_contain_text(
        re.compile(rf"This machine: \d+ cores? shared by {COUNT - 1}")
    )
    page.get_by_role("link", name="New workspace").first.click()
    expect(page.get_by_role("dialog").get_by_text("shared by all workspaces")).to_be_visible()


@pytest.mark.parametrize("width", [768, 1024])
def test_list_or_workspace_but_not_both_where_there_is_no_room(browser: Browser, web: Web, width: int) -> None:
    with tab(browser, web.url, width=width) as opened:
        opened.sign_in(web.token)
        page = opened.page
        page.get_by_role("row", name="asleep").get_by_role("link", name="asleep").click()
        expect(page.get_by_role("heading", name="asleep")).to_be_visible()
        expect(page.locator(".workspace-list")).to_be_hidden()
        page.get_by_role("link", name="All workspaces").click()
        expect(page.get_by_role("row", name="asleep")).to_be_visible()
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0


def test_what_is_done_with_many_is_done_from_one_bar(opened: Tab) -> None:
    page = opened.page
    page.get_by_role("searchbox", name="Filter workspaces").fill("data-0")
    expect(page.locator(".table-row")).to_have_count(5)
    page.get_by_role("checkbox", name="Select data-01").check()
    page.get_by_role("checkbox", name="Select data-09").click(modifiers=["Shift"])
    bar = page.get_by_role("toolbar", name="With the selected ones")
    expect(bar).to_contain_text("5 selected")
    expect(bar.get_by_role("button", name="Start")).to_have_attribute("aria-disabled", "true")
    bar.get_by_role("button", name="Stop").click()
    expect(page.locator(".table-row .status-stopped")).to_have_count(5)
    bar.get_by_role("button", name="Start").click()
    expect(page.locator(".table-row .status-running")).to_have_count(5)
    bar.get_by_role("button", name="Clear selection").click()
    expect(page.get_by_role("group", name="Ready-made filters")).to_be_visible()


def test_an_empty_list_offers_templates_that_make_one_with_one_click(browser: Browser, tmp_path: Path) -> None:
    with running_web(tmp_path, fake_services) as web, tab(browser, web.url, for_axe=True) as opened:
        opened.sign_in(web.token)
        page = opened.page
        expect(page.get_by_role("heading", name="Make your first workspace")).to_be_visible()
        expect(page.get_by_role("searchbox")).to_have_count(0)
        assert opened.violations() == []
        page.get_by_role("button", name="Python").click()
        page.wait_for_url("**/workspaces/ws-*")
        expect(page.get_by_role("heading", name="python", exact=True)).to_be_visible()
        expect(page.get_by_role("heading", name=re.compile("^Ready in"))).to_be_visible(timeout=30_000)
        expect(page.locator(".detail-body").get_by_role("link", name="Open a terminal")).to_be_visible()
        with web.http() as http:
            (made,) = http.get("/api/nixos/workspaces").json()["workspaces"]
        assert (made["name"], made["template"]) == ("python", "python")


def test_creating_keeps_its_room_until_it_is_ready(browser: Browser, tmp_path: Path) -> None:
    """Nothing below jumps when the work is done: the panel is as tall as before."""
    with running_web(tmp_path, fake_services) as web, tab(browser, web.url) as opened:
        opened.sign_in(web.token)
        page = opened.page
        expect(page.get_by_role("heading", name="Make your first workspace")).to_be_visible()
        page.evaluate(
            """() => {
              window.heights = [];
              const look = () => {
                const panel = document.querySelector(".phases")?.closest(".panel");
                if (panel) window.heights.push(panel.getBoundingClientRect().height);
                requestAnimationFrame(look);
              };
              look();
            }"""
        )
        page.get_by_role("button", name="Minimal").click()
        expect(page.get_by_role("heading", name=re.compile("^Ready in"))).to_be_visible(timeout=30_000)
        heights = json.loads(page.evaluate("JSON.stringify(window.heights)"))
        assert heights
        assert max(heights) - min(heights) <= 40, heights
