"""The one live channel of the UI: a page that is only looked at asks for nothing, and says so where it is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, WebSocketRoute, expect
from system.browser import Tab, tab
from web_service import Web, running_web

pytestmark = pytest.mark.system

ROWS = 30
MOST_A_MINUTE = 2


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A service whose machines are values: thirty run at once."""
    with running_web(Path(tmp_path_factory.mktemp("live"))) as started:
        for number in range(ROWS):
            started.create(f"row-{number:02}")
        yield started


@pytest.fixture
def opened(browser: Browser, web: Web) -> Iterator[Tab]:
    with tab(browser, web.url, width=1440) as one:
        yield one


def requests_within(page: Page, seconds: int) -> list[str]:
    """Let the page's time pass and return what it asked of the API.

    Parts of the program are not counted: each is fetched once, when the page has nothing else to do.
    """
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/assets/" not in request.url:
            asked.append(f"{request.method} {request.url}")

    page.on("request", note)
    for _ in range(seconds):
        page.clock.run_for(1000)
    page.remove_listener("request", note)
    return asked


def test_an_idle_list_asks_for_next_to_nothing(opened: Tab, web: Web) -> None:
    """Thirty rows with figures that go on: they come by themselves."""
    page = opened.page
    page.clock.install()
    opened.sign_in(web.token)
    row = page.get_by_role("row").nth(1)
    page.clock.run_for(2000)
    expect(row.get_by_role("meter", name="Memory")).to_have_attribute("aria-valuenow", "25")
    page.wait_for_load_state("networkidle")
    asked = requests_within(page, 60)
    assert len(asked) <= MOST_A_MINUTE, asked


def test_an_open_workspace_asks_for_next_to_nothing(opened: Tab, web: Web) -> None:
    page = opened.page
    page.clock.install()
    opened.sign_in(web.token)
    page.get_by_role("row").nth(1).get_by_role("link").click()
    page.clock.run_for(2000)
    expect(page.locator(".detail-body").get_by_text("25%").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    asked = requests_within(page, 60)
    assert len(asked) <= 2 * MOST_A_MINUTE, asked


def test_a_page_without_its_socket_says_so_asks_instead_and_takes_up_again(opened: Tab, web: Web) -> None:
    """A proxy that lets no WebSocket through: the service answers, and the page does not say that it is away."""
    page = opened.page
    through = False

    def route(socket: WebSocketRoute) -> None:
        if through:
            socket.connect_to_server()
        else:
            socket.close(code=1011)

    page.route_web_socket("**/ws/nixos/events", route)
    page.clock.install()
    opened.sign_in(web.token)
    banner = page.locator(".banner")
    expect(banner).to_contain_text("Live updates are cut off")
    asked = requests_within(page, 30)
    assert 2 <= len([one for one in asked if one.endswith("workspaces?limit=50")]) <= 4, asked
    through = True
    page.clock.run_for(60_000)
    expect(banner).to_have_count(0)
    expect(page.get_by_role("row").nth(1).get_by_role("meter", name="Memory")).to_have_attribute("aria-valuenow", "25")
