"""Pictures of every view at five widths, in both themes and languages: ``python tests/system/screenshots.py OUT``.

Starts a service of its own with workspaces in every state: one runs, one is stopped, one is being built, one could
not be built. What a machine can tell of a picture (something wider than the window, two scrollbars beside each other,
texts that are cut off without a sign) goes into ``OUT/findings.txt``, what a page says in German into
``OUT/german.txt``; the rest is for looking at.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import Browser, Error, Page, expect
from system.browser import Tab, chromium, tab
from system.held_set import SAYS, write_held_set
from system.pictured import TERMINAL, VIEWS, Shot, shows_terminal
from system.seen import FINDINGS
from system.service import Service, running_service
from system.terminal_page import forget_layout
from system.words import Words
from waiting import until

WIDTHS = {390: 844, 768: 1024, 1024: 768, 1440: 900, 1920: 1080}
LOCALES = {"en": "en-GB", "de": "de-DE"}
SETTLED_MS = 350
"""How long fonts, figures and transitions have before a picture."""
SAMPLE = "{ pkgs, ... }:\n{\n  # What the workspace is made of\n  packages = with pkgs; [ git vim ];\n}\n"
NOTES = """# Notes

A *list* of `things`:

- one
- two

| Name | Size |
| --- | --- |
| a | 1 |

```nix
{ }
```
"""
SUN = '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="80"><circle cx="40" cy="40" r="30"/></svg>'


@dataclass(frozen=True)
class Window:
    """One size, theme and language."""

    width: int
    theme: str
    language: str

    @property
    def name(self) -> str:
        return f"{self.width}-{self.theme}-{self.language}"


@dataclass(frozen=True)
class Stage:
    """The subject of the pictures, and where they go."""

    service: Service
    browser: Browser
    things: Path
    out: Path
    only: frozenset[str]

    def wants(self, name: str) -> bool:
        return not self.only or name in self.only

    def note(self, file: str, *lines: str) -> None:
        with (self.out / file).open("a") as notes:
            notes.writelines(f"{line}\n" for line in lines)

    def take(self, page: Page, window: Window, name: str) -> None:
        """Write one picture, and what the machine sees in it."""
        page.evaluate("document.fonts.ready")
        page.wait_for_timeout(SETTLED_MS)
        directory = self.out / window.name
        directory.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=directory / f"{name}.png")
        self.note("findings.txt", *(f"{window.name}/{name}: {one}" for one in page.evaluate(FINDINGS)))
        if window.language == "de":
            self.note("german.txt", *page.locator("body").inner_text().splitlines())

    def shot(self, page: Page, window: Window) -> Shot:
        words = Words(window.language)
        return Shot(self.service, page, words, self.things, lambda name: self.take(page, window, name))

    def forget(self) -> None:
        """Leave no terminal and no workspace of an earlier picture."""
        for one in self.service.api("GET", "/workspaces/pictured/terminals")["terminals"]:
            self.service.http.delete(f"{self.service.url}/api/nixos/workspaces/pictured/terminals/{one['id']}")
        forget_layout(self.service, "pictured")
        if any(one["name"] == "fresh" for one in self.service.api("GET", "/workspaces")["workspaces"]):
            self.service.delete("fresh")


def sign_in(opened: Tab, service: Service) -> None:
    opened.page.goto(f"{service.url}/sign-in")
    opened.page.locator("input").fill(service.token)
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_url("**/workspaces")


def first_pictures(stage: Stage, opened: Tab, window: Window) -> None:
    """Before there is any workspace."""
    page, words = opened.page, Words(window.language)
    page.goto(f"{opened.url}/sign-in")
    page.get_by_role("button", name=words("signin.submit"), exact=True).wait_for()
    if stage.wants("sign-in"):
        stage.take(page, window, "sign-in")
    if stage.wants("sign-in-refused"):
        page.locator("input").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_text(words("signin.refused")).wait_for()
        stage.take(page, window, "sign-in-refused")
    if stage.wants("first-run"):
        sign_in(opened, stage.service)
        page.get_by_text(words("first.title")).wait_for()
        stage.take(page, window, "first-run")


def take_all(stage: Stage, opened: Tab, window: Window) -> None:
    """Take every picture that is wanted with one window."""
    sign_in(opened, stage.service)
    for name, (address, act) in VIEWS.items():
        if not stage.wants(name):
            continue
        try:
            stage.forget()
            opened.page.evaluate("sessionStorage.clear()")
            opened.open(address)
            act(stage.shot(opened.page, window))
            if name not in {"list-compact", "uploads"}:
                stage.take(opened.page, window, name)
        except (AssertionError, Error) as failure:  # the other pictures are worth having
            stage.note("findings.txt", f"{window.name}/{name}: no picture: {str(failure)[:300]!r}")
        opened.page.unroute_all()


def is_cut_off(stage: Stage, opened: Tab, window: Window) -> None:
    """The service is killed under an open terminal."""
    words = Words(window.language)
    page = opened.page
    sign_in(opened, stage.service)
    opened.open(TERMINAL)
    shows_terminal(stage.shot(page, window))
    os.kill(stage.service.pid_of("serve"), signal.SIGKILL)
    page.get_by_text(words("app.offline")).first.wait_for()
    page.locator(".terminal-banner").wait_for()
    page.screenshot(path=stage.out / window.name / "offline.png")  # it is back in a moment
    expect(page.get_by_text(words("app.offline"))).to_have_count(0, timeout=60_000)


def prepare(service: Service, things: Path) -> None:
    """Make a workspace in each state, and what is dropped."""
    running = service.create("pictured", packages=["git", "vim"])
    asleep = service.create("asleep", template="python")
    service.api("POST", f"/workspaces/{asleep['id']}/stop", 202)
    service.create("failed", wait=False, packages=["broken"])
    service.create("building", wait=False, packages=["held"])
    service.create("release-2-4-hotfix-branch-with-a-name-that-goes-on-and-on")
    service.reaches("failed", "error", 120)
    service.reaches("asleep", "stopped")
    until("the build has begun", lambda: SAYS in str(service.api("GET", "/workspaces/building/logs")))
    place = f"{service.url}/api/nixos/workspaces/{running['id']}/files/home/nixos"
    for name, text in {"sample.nix": SAMPLE, "notes.md": NOTES, "sun.svg": SUN}.items():
        headers = {"Authorization": f"Bearer {service.token}"}
        httpx2.put(f"{place}/{name}", content=text, headers=headers).raise_for_status()
    service.api("POST", "/workspaces/pictured/files/mkdir", 201, json={"path": "/home/nixos/empty"})
    (things / "many").mkdir()
    for number in range(12):
        (things / "many" / f"{number}.txt").write_text("one of many")
    (things / "sample.nix").write_text("{ }\n")


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="names of pictures")
    parser.add_argument("--width", type=int, nargs="*", default=list(WIDTHS), help="of the five widths")
    parser.add_argument("--theme", nargs="*", default=["light", "dark"])
    parser.add_argument("--language", nargs="*", default=list(LOCALES))
    parser.add_argument(
        "--window", nargs="*", default=[], help="instead of all combinations, of any width: 390-dark-de"
    )
    options = parser.parse_args()
    windows = [Window(*of) for of in product(options.width, options.theme, options.language)]
    if options.window:
        words = [one.split("-") for one in options.window]
        windows = [Window(int(width), theme, language) for width, theme, language in words]
    options.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        things = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nixws-pictures-", dir="/var/tmp")))
        service = stack.enter_context(running_service(NIXWS_DEBIAN_SET=write_held_set(things)))
        browser = stack.enter_context(chromium())
        stage = Stage(service, browser, things, options.out, frozenset(options.only))
        steps = [first_pictures, take_all] + ([is_cut_off] if stage.wants("offline") else [])
        for step in steps:
            if step is take_all:
                prepare(service, things)
            if step is is_cut_off:
                service.delete("building")  # its build would outlive a service that is killed
            for window in windows:
                with tab(
                    browser,
                    service.url,
                    width=window.width,
                    height=WIDTHS.get(window.width, 800),
                    theme=window.theme,
                    locale=LOCALES[window.language],
                ) as opened:
                    step(stage, replace(opened, is_cut_off=True), window)


if __name__ == "__main__":
    main()
