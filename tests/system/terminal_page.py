"""The terminal in front of a page: typed into and read as a person does."""

from __future__ import annotations

from playwright.sync_api import Page
from system.service import Service
from waiting import until

FRAMES = """
async () => {
  let worst = 0, last = performance.now();
  for (let frame = 0; frame < 90; frame++) {
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
  }
  return worst;
}
"""
"""Draws ninety frames and tells how long the slowest of them took, in milliseconds."""


def forget_layout(service: Service, workspace_id: str) -> None:
    """Leave nothing of how terminals were arranged before: what has ended would keep its place."""
    url = f"{service.url}/api/nixos/workspaces/{workspace_id}/terminal-layout"

    def is_forgotten() -> bool:
        # A page that was just closed may store its own meanwhile.
        version = service.http.get(url).json()["version"]
        answer = service.http.put(url, json={"version": version, "layout": {}})
        assert answer.status_code in {200, 409}, answer.text
        return answer.status_code == 200

    until("the layout is forgotten", is_forgotten)


def start_anew(service: Service, workspace_id: str) -> None:
    """Have a workspace run without terminals, in whatever state a test that failed has left it."""

    def settled() -> str | None:
        status: str = service.show(workspace_id)["status"]
        return status if status in {"running", "stopped", "error"} else None

    if until("the workspace has settled", settled, 180) != "running":
        service.api("POST", f"/workspaces/{workspace_id}/start", 202)
        service.reaches(workspace_id, "running", 180)
    for one in service.api("GET", f"/workspaces/{workspace_id}/terminals")["terminals"]:
        where = f"{service.url}/api/nixos/workspaces/{workspace_id}/terminals/{one['id']}"
        assert service.http.delete(where).status_code in {204, 404}, "it is there or has just ended"
    forget_layout(service, workspace_id)


def screen(page: Page) -> str:
    """Return what the terminal in front shows."""
    return page.locator(".split-pane:not([hidden]) .xterm-rows").last.inner_text().replace("\xa0", " ")


def sees(page: Page, text: str, seconds: float = 20) -> str:
    def probe() -> str | None:
        page.wait_for_timeout(20)
        shown = screen(page) if page.locator(".split-pane:not([hidden]) .xterm-rows").count() else ""
        return shown if text in shown else None

    return until(f"the terminal shows {text!r}", probe, seconds)


def everything(page: Page, pages: int = 200) -> list[str]:
    """Return every line of the terminal in front, by scrolling through it from its end to its beginning."""
    page.locator(".split-pane:not([hidden]) .xterm-screen").last.click()
    lines: list[str] = []
    before = ""
    for _ in range(pages):
        for _ in range(25):
            shown = screen(page)
            if shown != before:
                break
            page.wait_for_timeout(20)
        else:
            return lines
        new = shown.splitlines()
        # A page further up shows one line of the page before again, or more at the very top.
        overlap = next((size for size in range(len(new), 0, -1) if lines[:size] == new[-size:]), 0)
        lines = new[: len(new) - overlap] + lines
        before = shown
        page.keyboard.press("Shift+PageUp")
    message = f"more than {pages} pages"
    raise AssertionError(message)


def types(page: Page, line: str) -> None:
    page.keyboard.type(line)
    page.keyboard.press("Enter")
