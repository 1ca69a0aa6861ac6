"""A real browser at the real service: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect, sync_playwright  # noqa: A004
from waiting import until

# What is expected is expected of a busy machine too; how fast it is, benchmarks say.
expect.set_options(timeout=20_000)

CHROMIUM = "/usr/bin/chromium"
# The last switch of this name counts, so that those which Playwright turns off are named again.
TURNED_OFF = (
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable"),
    *("HttpsUpgrades", "LensOverlay", "MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding"),
    *("AvoidCorsURLLoaderRestartOnRedirect", "PreconnectToSearch", "ThirdPartyStoragePartitioning", "AimEnabled"),
    # The address bar's list as a page of its own: another renderer for each profile, 0.6 s of the processor's time.
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup"),
)
FLAGS = [
    f"--disable-features={','.join(TURNED_OFF)}",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
EXPECTED_STATUS = ("401", "403", "404", "409", "412", "422", "502", "503")
"""Refusals are part of what is tested; the browser writes each of them to its console."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser with a fresh profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """A page that is watched: what it complains about, and whom it asks."""

    page: Page
    url: str
    is_cut_off: bool = False
    """The test kills the service: what is being loaded then breaks off."""
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        own = urlsplit(self.url).netloc
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("request", lambda request: self._see(request.url, own))

    def _hear(self, kind: str, text: str) -> None:
        is_expected = any(f"status of {status}" in text for status in EXPECTED_STATUS)
        # Other tests' workspaces add links to this machine, for which Chromium drops what it is just loading.
        is_offline = any(
            word in text for word in ("ERR_CONNECTION", "ERR_NETWORK_CHANGED", "ERR_INTERNET", "WebSocket")
        )
        is_offline = is_offline or (self.is_cut_off and "ERR_CONTENT_LENGTH_MISMATCH" in text)
        if kind == "error" and not is_expected and not is_offline:
            self.complaints.append(text)

    def _see(self, url: str, own: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != own:
            self.foreign.append(url)

    def sign_in(self, token: str) -> None:
        """Paste an API token into the login page."""
        self.page.goto(f"{self.url}/sign-in")
        self.page.get_by_label("Login code or API token").fill(token)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.wait_for_url("**/workspaces")

    def open(self, path: str) -> None:
        """Go to a view and wait until it is there with what it asks the service for."""
        self.page.goto(f"{self.url}{path}")
        self.page.locator(".workspaces-view, .page, .empty-state, .lone-page").first.wait_for()
        expect(self.page.get_by_text(re.compile("^(Loading|Wird geladen)…$"))).to_have_count(0)

    def has_fetched(self, *parts: str) -> None:
        """Wait until parts of the program are there that the page fetches while it has nothing else to do."""
        asked = (
            "parts => parts.every(part => performance.getEntriesByType('resource').some(e => e.name.includes(part)))"
        )
        self.page.wait_for_function(asked, arg=parts)

    def violations(self) -> list[str]:
        """Return what axe finds wrong with the page as it is."""
        return self._violations({})

    def violations_of_both_themes(self) -> list[str]:
        """Return what axe finds wrong with the page, and with its colours in the other theme."""
        found = self.violations()
        is_dark = self.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        self.page.emulate_media(color_scheme="light" if is_dark else "dark")
        found += self._violations({"runOnly": ["color-contrast", "link-in-text-block"]})
        self.page.emulate_media(color_scheme="dark" if is_dark else "light")
        return found

    def _violations(self, options: dict[str, list[str]]) -> list[str]:
        found = Axe().run(self.page, options=options).response["violations"]
        return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


def choose(page: Page, menu: str, item: Locator) -> None:
    """Open a menu by its button and choose from it; a page that is being drawn may close what was opened too early."""

    def is_open() -> bool:
        if not item.is_visible():
            page.get_by_role("button", name=menu).click()
            with suppress(TimeoutError):
                item.wait_for(timeout=3_000)
        return item.is_visible()

    until(f"the menu {menu!r} is open", is_open)
    item.click()


def drop(page: Page, *paths: Path) -> None:
    """Drag files and folders of this machine over the files panel and let go of them, as a person does.

    The browser itself makes the DataTransfer: folders are folders in it, with everything that lies below them.
    """
    panel = page.locator(".files-panel")
    box = panel.bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)

    def send(kind: str) -> None:
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        session.send("Input.dispatchDragEvent", {"type": kind, "data": data} | place)

    def is_over() -> bool:
        # A pointer that rests says so again and again, also after the page drew itself anew under it.
        send("dragOver")
        return panel.get_attribute("data-over") == "true"

    send("dragEnter")
    until("the panel takes what is over it", is_over)

    def has_let_go() -> bool:
        if panel.get_attribute("data-over") == "true":  # a busy page may not have heard of it the first time
            for kind in ("dragOver", "drop"):
                send(kind)
        return panel.get_attribute("data-over") == "false"

    until("the panel has what was dropped", has_let_go, 20, 1.0)
    session.detach()


@contextmanager
def tab(
    browser: Browser,
    url: str,
    *,
    width: int = 1280,
    height: int = 900,
    theme: str = "light",
    locale: str = "en-GB",
    for_axe: bool = False,
    worker: bool = False,
) -> Iterator[Tab]:
    """Yield a tab of a new browser profile; it must have nothing to complain about at the end.

    ``for_axe`` lets the checker's own script past the content security policy. Without ``worker`` the page's service
    worker is kept away, past which a test could not play a service that is away.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        locale=locale,
        reduced_motion="reduce",
        bypass_csp=for_axe,
        service_workers="allow" if worker else "block",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(20_000)
    watched = Tab(context.new_page(), url)
    try:
        yield watched
        assert not watched.complaints, watched.complaints
        assert not watched.foreign, watched.foreign
    finally:
        context.close()
