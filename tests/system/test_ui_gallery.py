"""The gallery: every component in every state, as the development server shows it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import playwright.sync_api
import pytest
from axe_playwright_python.sync_playwright import Axe
from clients_fixture import NODE
from playwright.sync_api import Browser, Page, expect
from waiting import until

pytestmark = pytest.mark.system

UI = Path(__file__).resolve().parents[2] / "ui"


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the gallery on a development server of this module's own."""
    cache = tmp_path_factory.mktemp("vite")
    server = subprocess.Popen(
        [NODE, UI / "scripts" / "develop.mjs"],
        cwd=UI,
        env={"PATH": "/usr/bin:/bin", "NO_COLOR": "1", "PORT": "0", "NIXWS_VITE_CACHE": str(cache), "HOME": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout is not None
    try:
        lines: list[str] = []
        for line in server.stdout:
            lines.append(line)
            if "http://127.0.0.1:" in line:
                yield "http://127.0.0.1:" + line.split("http://127.0.0.1:")[1].split("/")[0] + "/gallery"
                break
        else:
            raise AssertionError("".join(lines))
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


@pytest.fixture(scope="module")
def loaded(browser: Browser, gallery: str) -> Iterator[Page]:
    """The gallery in one profile: a development server sends hundreds of modules, which a profile keeps."""
    with browser.new_context(locale="en-GB", reduced_motion="reduce") as context:
        page = context.new_page()

        def is_shown() -> bool:
            with suppress(playwright.sync_api.Error):
                page.goto(gallery, wait_until="commit")
                page.get_by_role("heading", name="Gallery").wait_for(timeout=30_000)
                return True
            return False

        # The development server bundles what is asked for when it is first asked, and Chromium drops what it is just
        # loading whenever another test's workspace adds a link to this machine: what has come once is kept.
        until("the gallery is shown", is_shown, 240)
        yield page


def opened(page: Page, *, width: int, theme: Literal["light", "dark"], forced: bool = False) -> Page:
    """Draw the gallery anew in a window of that width."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=theme, forced_colors="active" if forced else "none")
    page.reload()
    expect(page.get_by_role("heading", name="Gallery")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("region", name="Workspaces").get_by_role("article")).to_have_count(8)
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(loaded: Page, theme: Literal["light", "dark"]) -> None:
    page = opened(loaded, width=1280, theme=theme)
    found = {"page": violations(page)}
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("dialog", name="End it?")).to_be_visible()
    found["dialog"] = violations(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Error", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="It went wrong.")).to_be_visible()
    found["toast"] = violations(page)
    assert {state: problems for state, problems in found.items() if problems} == {}


@pytest.mark.parametrize("width", [320, 390, 768, 1920, 2560])
def test_nothing_is_wider_than_the_window(loaded: Page, width: int) -> None:
    page = opened(loaded, width=width, theme="light")
    over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert over <= 0


def test_what_cannot_be_pressed_says_why_and_does_nothing(loaded: Page) -> None:
    page = opened(loaded, width=1280, theme="light")
    button = page.get_by_role("button", name="with a reason").first
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description("It does not run.")
    button.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(button).to_be_focused()
    expect(page.locator(".tooltip")).to_have_text("It does not run.")
    page.keyboard.press("Escape")
    expect(page.locator(".tooltip")).to_have_count(0)


def test_forced_colours_leave_nothing_to_guess(loaded: Page) -> None:
    """Where the system decides the colours, a pressed chip and a chosen state still differ by more than colour."""
    page = opened(loaded, width=1280, theme="light", forced=True)
    borders = "(one) => getComputedStyle(one).borderTopStyle + getComputedStyle(one).borderTopWidth"
    pressed = page.get_by_role("button", name="pressed 3", exact=True)
    other = page.get_by_role("button", name="not pressed 12")
    assert pressed.evaluate(borders) != other.evaluate(borders)


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]
