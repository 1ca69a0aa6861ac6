"""Pictures of every view at three widths in both themes, to be looked at: ``python tests/system/screenshots.py OUT``.

Starts a service of its own, or takes a running one (``--url``, with an API token in NIXWS_TOKEN) and a workspace in it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import Page
from system.browser import Tab, chromium, tab
from system.service import running_service

WIDTHS = ((390, 844), (1024, 768), (1920, 1080))
SAMPLE = "{ pkgs, ... }:\n{\n  # What the workspace is made of\n  packages = with pkgs; [ git vim ];\n}\n"


def parts(workspace: str) -> dict[str, str]:
    """Return the address of every view."""
    here = f"/workspaces/{workspace}"
    return {
        "list": "/workspaces",
        "none": "/workspaces?q=nothing-is-called-so",
        "overview": here,
        "terminal": f"{here}/terminal",
        "files": f"{here}/files",
        "editor": f"{here}/files?file=%2Fhome%2Fnixos%2Fsample.nix",
        "packages": f"{here}/packages",
        "metrics": f"{here}/metrics?span=5m",
        "logs": f"{here}/logs",
        "settings": f"{here}/settings",
        "gone": "/workspaces/nothing",
    }


def search_packages(page: Page) -> None:
    page.keyboard.press("c")
    page.get_by_role("textbox", name="Name").fill("Not a name")
    page.get_by_role("combobox", name="Packages").fill("python")
    page.get_by_role("option").first.wait_for()


def show_paste(page: Page) -> None:
    page.evaluate("navigator.clipboard.writeText('cd /tmp\\nls\\n')")
    page.locator(".xterm-screen").last.click()
    page.keyboard.press("Control+c")
    page.keyboard.type("bind 'set enable-bracketed-paste off'; clear; cat\n")
    page.locator(".xterm-rows").last.get_by_text("bind").wait_for(state="detached")
    page.keyboard.press("Control+Shift+v")


OVERLAYS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "create": ("list", lambda page: page.keyboard.press("c")),
    "packages-found": ("list", search_packages),
    "palette": ("overview", lambda page: page.keyboard.press("Control+k")),
    "keys": ("overview", lambda page: page.keyboard.press("?")),
    "tasks": ("overview", lambda page: page.get_by_role("button", name="Tasks").click()),
    "menu": ("overview", lambda page: page.get_by_role("button", name="Menu").click()),
    "delete": ("settings", lambda page: page.locator("#delete").get_by_role("button", name="Delete").click()),
    "terminal-settings": ("terminal", lambda page: page.get_by_role("button", name="Terminal settings").click()),
    "paste": ("terminal", show_paste),
}
"""What opens over a view: the view, and how it is opened."""


def take(opened: Tab, out: Path, name: str) -> None:
    """Write one picture once fonts and images are there."""
    opened.page.evaluate("document.fonts.ready")
    opened.page.wait_for_timeout(400)
    opened.page.screenshot(path=out / f"{name}.png")


def all_pictures(opened: Tab, out: Path, token: str, workspace: str, only: set[str]) -> None:
    """Take every picture that is wanted with one window."""
    views = parts(workspace)
    opened.page.goto(f"{opened.url}/sign-in")
    if not only or "sign-in" in only:
        take(opened, out, "sign-in")
    opened.sign_in(token)
    for name, address in views.items():
        if only and name not in only:
            continue
        opened.open(address)
        opened.page.wait_for_timeout(600)
        if name == "terminal":
            opened.page.locator(".xterm-screen").last.click()
            opened.page.keyboard.press("Control+c")
            opened.page.keyboard.type("clear; git --version; ls -la --color /etc | head -20\n")
            opened.page.locator(".xterm-rows").last.get_by_text("services").last.wait_for()
        take(opened, out, name)
    for name, (view, show) in OVERLAYS.items():
        if only and name not in only:
            continue
        opened.open(views[view])
        opened.page.wait_for_timeout(300)
        show(opened.page)
        opened.page.locator("[role=dialog], [role=menu]").first.wait_for()
        take(opened, out, name)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--url", help="a running service; its API token stands in NIXWS_TOKEN")
    parser.add_argument("--workspace", default="pictured", help="id or name of a workspace that runs there")
    parser.add_argument("--only", nargs="*", default=[], help="names of views")
    parser.add_argument("--width", type=int, nargs="*", default=[], help="of the three widths")
    parser.add_argument("--theme", nargs="*", default=["light", "dark"])
    options = parser.parse_args()
    with ExitStack() as stack:
        if options.url:
            url, token = options.url, os.environ["NIXWS_TOKEN"]
        else:
            service = stack.enter_context(running_service())
            service.create(options.workspace, packages=["git", "vim"])
            url, token = service.url, service.token
        place = f"{url}/api/nixos/workspaces/{options.workspace}/files/home/nixos/sample.nix"
        httpx2.put(place, content=SAMPLE, headers={"Authorization": f"Bearer {token}"}).raise_for_status()
        browser = stack.enter_context(chromium())
        for width, height in WIDTHS:
            for theme in options.theme:
                if options.width and width not in options.width:
                    continue
                directory = options.out / f"{width}-{theme}"
                directory.mkdir(parents=True, exist_ok=True)
                with tab(browser, url, width=width, height=height, theme=theme) as opened:
                    all_pictures(opened, directory, token, options.workspace, set(options.only))


if __name__ == "__main__":
    main()
