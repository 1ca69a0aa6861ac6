"""Pictures of every view at three widths in both themes, to be looked at: ``python tests/system/screenshots.py OUT``.

Starts a service of its own with workspaces in every state: one runs, one is stopped, one is being built, one could
not be built.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import Page, expect
from system.browser import Tab, chromium, drop, tab
from system.held_set import SAYS, write_held_set
from system.service import Service, running_service, until
from system.terminal_page import sees, types

WIDTHS = ((390, 844), (1024, 768), (1920, 1080))
SAMPLE = "{ pkgs, ... }:\n{\n  # What the workspace is made of\n  packages = with pkgs; [ git vim ];\n}\n"
GERMAN = ("list", "overview", "files", "metrics", "settings", "building", "stopped-terminal", "create", "keys")


@dataclass(frozen=True)
class Stage:
    """The subject of the pictures."""

    service: Service
    things: Path
    only: frozenset[str]


def shows_terminal(page: Page) -> None:
    sees(page, "$")
    page.locator(".xterm-screen").last.click()
    page.keyboard.press("Control+c")
    types(page, "clear; git --version; ls -la --color /etc | head -20")
    sees(page, "services")


def splits(page: Page) -> None:
    shows_terminal(page)
    page.get_by_role("button", name="Split").click()
    expect(page.locator(".split-panes:not([hidden]) .split-pane")).to_have_count(2)
    page.keyboard.press("Control+Shift+f")
    page.get_by_label("Find in the terminal").fill("etc")


def adds_a_package(page: Page) -> None:
    page.get_by_role("combobox", name="Packages").fill("tree")
    page.get_by_role("option").filter(has_text="tree").first.click()
    page.get_by_role("button", name="Remove vim").click()


def selects_all(page: Page) -> None:
    page.get_by_role("checkbox", name="Select all").check()


def opens_the_tree(page: Page) -> None:
    page.get_by_role("link", name="sample.nix").wait_for()


def edits(page: Page) -> None:
    page.get_by_role("textbox", name="Contents of").wait_for()


def log_is_there(page: Page) -> None:
    expect(page.locator(".log-lines")).to_contain_text(SAYS)


def nothing(page: Page) -> None:
    """The view is there as it is."""


VIEWS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "list": ("/workspaces", nothing),
    "selected": ("/workspaces", selects_all),
    "no-match": ("/workspaces?q=nothing-is-called-so", nothing),
    "overview": ("/workspaces/pictured", nothing),
    "terminal": ("/workspaces/pictured/terminal", shows_terminal),
    "split": ("/workspaces/pictured/terminal", splits),
    "files": ("/workspaces/pictured/files", opens_the_tree),
    "editor": ("/workspaces/pictured/files?file=%2Fhome%2Fnixos%2Fsample.nix", edits),
    "packages": ("/workspaces/pictured/packages", adds_a_package),
    "metrics": ("/workspaces/pictured/metrics?span=5m", nothing),
    "logs": ("/workspaces/pictured/logs", nothing),
    "settings": ("/workspaces/pictured/settings", nothing),
    "gone": ("/workspaces/nothing", nothing),
    "building": ("/workspaces/building", log_is_there),
    "failed": ("/workspaces/failed", nothing),
    "stopped": ("/workspaces/asleep", nothing),
    "stopped-terminal": ("/workspaces/asleep/terminal", nothing),
    "stopped-files": ("/workspaces/asleep/files", nothing),
}
"""The views: their addresses, and what is done there before the picture."""


def finds_packages(page: Page) -> None:
    page.keyboard.press("c")
    page.get_by_role("textbox", name="Name").fill("Not a name")
    page.get_by_role("combobox", name="Packages").fill("python")
    page.get_by_role("option").first.wait_for()


def is_refused(page: Page) -> None:
    page.keyboard.press("c")
    page.get_by_role("textbox", name="Name").fill("pictured")
    page.get_by_role("combobox", name="Packages").fill("gti")
    page.get_by_role("combobox", name="Packages").press("Enter")
    page.get_by_label("Memory (GB)").fill("much")
    page.get_by_role("button", name="Create workspace").click()


def shows_paste(page: Page) -> None:
    page.evaluate("navigator.clipboard.writeText('cd /tmp\\nls\\n')")
    page.locator(".xterm-screen").last.click()
    page.keyboard.press("Control+c")
    types(page, "bind 'set enable-bracketed-paste off'; clear; cat")
    page.locator(".xterm-rows").last.get_by_text("bind").wait_for(state="detached")
    page.keyboard.press("Control+Shift+v")


def has_done_much(page: Page) -> None:
    """Tasks that ended well and one that failed."""
    head = page.locator(".detail-head")
    head.get_by_role("button", name="Pause").click()
    head.get_by_role("button", name="Resume").click()
    head.locator(".status-running").wait_for()
    page.wait_for_timeout(1_000)
    page.goto(page.url.replace("pictured", "failed"))
    head.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Tasks").click()
    page.locator(".task-failed").wait_for(timeout=60_000)


def opens_the_card_menu(page: Page) -> None:
    page.get_by_role("button", name="More actions for pictured").click()


OVERLAYS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "create": ("/workspaces", lambda page: page.keyboard.press("c")),
    "packages-found": ("/workspaces", finds_packages),
    "refused": ("/workspaces", is_refused),
    "card-menu": ("/workspaces", opens_the_card_menu),
    "palette": ("/workspaces/pictured", lambda page: page.keyboard.press("Control+k")),
    "keys": ("/workspaces/pictured", lambda page: page.keyboard.press("?")),
    "menu": ("/workspaces/pictured", lambda page: page.get_by_role("button", name="Menu").click()),
    "delete": (
        "/workspaces/pictured/settings",
        lambda page: page.locator("#delete").get_by_role("button", name="Delete").click(),
    ),
    "terminal-settings": (
        "/workspaces/pictured/terminal",
        lambda page: page.locator(".terminal-tools button").last.click(),
    ),
    "paste": ("/workspaces/pictured/terminal", shows_paste),
    "tasks": ("/workspaces/pictured", has_done_much),
}
"""Dialogues over a view: the view, and how each is opened."""


class Camera:
    """One window of one theme, whose pictures go into one directory."""

    def __init__(self, stage: Stage, page: Page, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._stage = stage
        self._page = page
        self._directory = directory

    def wants(self, name: str) -> bool:
        return not self._stage.only or name in self._stage.only

    def take(self, name: str, milliseconds: float = 600) -> None:
        """Write one picture once fonts and figures are there."""
        self._page.evaluate("document.fonts.ready")
        self._page.wait_for_timeout(milliseconds)
        self._page.screenshot(path=self._directory / f"{name}.png")


def ends_terminals(stage: Stage) -> None:
    """Leave no terminal of an earlier picture."""
    place = f"{stage.service.url}/api/nixos/workspaces/pictured/terminals"
    for one in stage.service.http.get(place).json()["terminals"]:
        stage.service.http.delete(f"{place}/{one['id']}")


def uploads(stage: Stage, page: Page, camera: Camera) -> None:
    """A conflict, then a list of uploads of which one waits for a decision."""
    page.get_by_role("link", name="sample.nix").wait_for()
    drop(page, stage.things / "many", stage.things / "sample.nix")
    page.get_by_role("dialog").wait_for()
    expect(page.locator(".upload[data-state=done]")).to_have_count(12)
    camera.take("conflict")
    page.get_by_role("button", name="Skip").click()
    camera.take("uploads")
    stage.service.api("DELETE", "/workspaces/pictured/files/home/nixos/many?recursive=1")


SCENES: dict[str, tuple[str, Callable[[Stage, Page, Camera], None]]] = {
    "uploads": ("/workspaces/pictured/files", uploads),
}
"""Pictures that need more than the page."""


def is_cut_off(stage: Stage, opened: Tab, camera: Camera) -> None:
    """The service is killed under an open terminal."""
    if not camera.wants("offline"):
        return
    page = opened.page
    opened.open("/workspaces/pictured/terminal")
    shows_terminal(page)
    os.kill(stage.service.pid_of("serve"), signal.SIGKILL)
    page.get_by_text("The service does not answer.").first.wait_for()
    page.locator(".terminal-banner").wait_for()
    camera.take("offline", 0)  # it is back in a moment
    expect(page.get_by_text("The service does not answer.")).to_have_count(0, timeout=60_000)


def first_pictures(opened: Tab, camera: Camera, token: str) -> None:
    """Before there is any workspace."""
    page = opened.page
    page.goto(f"{opened.url}/sign-in")
    page.get_by_role("button", name="Sign in").wait_for()
    if camera.wants("sign-in"):
        camera.take("sign-in")
    if camera.wants("empty"):
        page.get_by_label("Login code or API token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("No workspace yet").wait_for()
        camera.take("empty")


def prepare(service: Service, things: Path) -> None:
    """Make a workspace in each state, and what is dropped."""
    running = service.create("pictured", packages=["git", "vim"])
    asleep = service.create("asleep", template="python")
    service.api("POST", f"/workspaces/{asleep['id']}/stop", 202)
    service.create("failed", wait=False, packages=["broken"])
    service.create("building", wait=False, packages=["held"])
    service.reaches("failed", "error", 120)
    service.reaches("asleep", "stopped")
    until("the build has begun", lambda: SAYS in str(service.api("GET", "/workspaces/building/logs")))
    place = f"{service.url}/api/nixos/workspaces/{running['id']}/files/home/nixos/sample.nix"
    httpx2.put(place, content=SAMPLE, headers={"Authorization": f"Bearer {service.token}"}).raise_for_status()
    (things / "many").mkdir()
    for number in range(12):
        (things / "many" / f"{number}.txt").write_text("one of many")
    (things / "sample.nix").write_text("{ }\n")


def take_all(stage: Stage, page: Page, camera: Camera, open_view: Callable[[str], None]) -> None:
    """Take every picture that is wanted with one window."""
    for name, (address, act) in VIEWS.items():
        if camera.wants(name):
            ends_terminals(stage)
            open_view(address)
            act(page)
            camera.take(name)
    for name, (address, act) in OVERLAYS.items():
        if camera.wants(name):
            open_view(address)
            act(page)
            page.locator("[role=dialog], [role=menu]").first.wait_for()
            camera.take(name)
    for name, (address, scene) in SCENES.items():
        if camera.wants(name):
            ends_terminals(stage)
            open_view(address)
            scene(stage, page, camera)


def take_german(page: Page, camera: Camera, open_view: Callable[[str], None]) -> None:
    """Take what the longer words of the other locale may break."""
    for name in GERMAN:
        if camera.wants(f"german-{name}"):
            address, act = (VIEWS | OVERLAYS)[name]
            open_view(address)
            act(page)
            camera.take(f"german-{name}")


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="names of pictures")
    parser.add_argument("--width", type=int, nargs="*", default=[], help="of the three widths")
    parser.add_argument("--theme", nargs="*", default=["light", "dark"])
    options = parser.parse_args()
    windows = [
        (width, height, theme)
        for width, height in WIDTHS
        for theme in options.theme
        if not options.width or width in options.width
    ]
    with ExitStack() as stack:
        things = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nixws-pictures-", dir="/var/tmp")))
        service = stack.enter_context(running_service(NIXWS_DEBIAN_SET=write_held_set(things)))
        browser = stack.enter_context(chromium())
        stage = Stage(service, things, frozenset(options.only))

        def window(width: int, height: int, theme: str, locale: str = "en-GB") -> tuple[Tab, Camera]:
            opened = stack.enter_context(
                tab(browser, service.url, width=width, height=height, theme=theme, locale=locale)
            )
            return opened, Camera(stage, opened.page, options.out / f"{width}-{theme}")

        for size in windows:
            first_pictures(*window(*size), service.token)
        prepare(service, things)
        for size in windows:
            opened, camera = window(*size)
            opened.sign_in(service.token)
            take_all(stage, opened.page, camera, opened.open)
            opened, camera = window(*size, locale="de-DE")
            opened.page.goto(f"{service.url}/sign-in")
            opened.page.locator("input").fill(service.token)
            opened.page.keyboard.press("Enter")
            opened.page.wait_for_url("**/workspaces")
            take_german(opened.page, camera, opened.open)
        service.delete("building")  # its build would outlive a service that is killed
        for size in windows:
            opened, camera = window(*size)
            opened.sign_in(service.token)
            is_cut_off(stage, opened, camera)


if __name__ == "__main__":
    main()
