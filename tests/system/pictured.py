"""Every view and state that the pictures show: its address, and what is done there before the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Locator, Page, expect
from system.browser import drop
from system.held_set import SAYS
from system.terminal_page import sees, types

if TYPE_CHECKING:
    from system.service import Service
    from system.words import Words

HOME = "/workspaces/pictured/files/home/nixos"
FILES = "/workspaces/pictured/files"
TERMINAL = "/workspaces/pictured/terminal"


@dataclass(frozen=True)
class Shot:
    """One window before one view."""

    service: Service
    page: Page
    say: Words
    things: Path
    """A directory with what is dropped."""
    take: Callable[[str], None]
    """Takes a further picture under a name."""

    def press(self, key: str, **fields: object) -> None:
        """Click the button that has this text."""
        self.button(key, **fields).click()

    def button(self, key: str, **fields: object) -> Locator:
        return self.page.get_by_role("button", name=self.say(key, **fields), exact=True).first

    def field(self, key: str) -> Locator:
        return self.page.get_by_label(self.say(key), exact=True).first


Act = Callable[[Shot], None]


def nothing(shot: Shot) -> None:
    """The view is there as it is."""


def presses(key: str, **fields: object) -> Act:
    return lambda shot: shot.press(key, **fields)


def strikes(key: str) -> Act:
    return lambda shot: shot.page.keyboard.press(key)


# The list and what is made there


def selects_all(shot: Shot) -> None:
    shot.page.get_by_role("checkbox", name=shot.say("list.selectAll"), exact=False).first.check()


def is_compact(shot: Shot) -> None:
    shot.press("list.view")
    shot.page.get_by_role("menuitemradio", name=shot.say("list.density.compact")).click()
    shot.page.keyboard.press("Escape")
    shot.take("list-compact")
    shot.press("list.view")
    shot.page.get_by_role("menuitemradio", name=shot.say("list.density.comfortable")).click()


def finds_packages(shot: Shot) -> None:
    shot.page.keyboard.press("c")
    shot.field("create.name").fill("Not a name")
    shot.page.get_by_role("combobox", name=shot.say("create.packages")).fill("python")
    shot.page.get_by_role("option").first.wait_for()


def is_refused(shot: Shot) -> None:
    shot.page.keyboard.press("c")
    shot.field("create.name").fill("pictured")
    box = shot.page.get_by_role("combobox", name=shot.say("create.packages"))
    box.fill("gti")
    box.press("Enter")
    shot.field("create.memory").fill("much")
    shot.press("create.submit")


def becomes_ready(shot: Shot) -> None:
    """Watches a workspace until it is there."""
    shot.service.create("fresh", wait=False)
    shot.page.goto(f"{shot.service.url}/workspaces/fresh")
    shot.page.locator(".detail-head .status-running").wait_for(timeout=120_000)


# Terminals


def shows_terminal(shot: Shot) -> None:
    sees(shot.page, "$")
    shot.page.locator(".xterm-screen").last.click()
    shot.page.keyboard.press("Control+c")
    types(shot.page, "clear; ls -la --color /etc | head -16; git --version")
    sees(shot.page, "git version")


def splits(shot: Shot) -> None:
    shows_terminal(shot)
    panes = shot.page.locator(".split-pane:not([hidden])")
    shot.press("terminal.split")
    expect(panes).to_have_count(2)
    shot.press("terminal.splitDown")
    expect(panes).to_have_count(3)


def finds_in_terminal(shot: Shot) -> None:
    shows_terminal(shot)
    shot.page.keyboard.press("Control+Shift+f")
    shot.page.get_by_role("searchbox", name=shot.say("terminal.find")).fill("root")


def is_asked_before_closing(shot: Shot) -> None:
    sees(shot.page, "$")
    shot.page.locator(".xterm-screen").last.click()
    types(shot.page, "sleep 1000")
    expect(shot.page.locator(".terminal-tab-name").first).to_have_text("sleep")
    shot.page.locator(".terminal-tab .icon-button").first.click()


def shows_paste(shot: Shot) -> None:
    page = shot.page
    sees(page, "$")
    page.evaluate("navigator.clipboard.writeText('cd /tmp\\nls\\n')")
    page.locator(".xterm-screen").last.click()
    page.keyboard.press("Control+c")
    types(page, "bind 'set enable-bracketed-paste off'; clear; cat")
    page.locator(".xterm-rows").last.get_by_text("bind").wait_for(state="detached")
    page.keyboard.press("Control+Shift+v")


def has_ended_terminals(shot: Shot) -> None:
    """Two terminals that ended with their workspace."""
    ended = {"name": "", "cwd": "/home/nixos", "ended": True}
    first, second = "a" * 16, "b" * 16
    two = {first: ended | {"process": "vim"}, second: ended | {"process": "bash", "name": "logs"}}
    path = "/workspaces/pictured/terminal-layout"
    layout = {
        "tabs": [{"terminal": one, "share": 1} for one in two],
        "front": first,
        "terminals": two,
        "boot": "2020-01-01T00:00:00Z",
    }
    version = shot.service.api("GET", path)["version"]
    shot.service.api("PUT", path, json={"version": version, "layout": layout})
    shot.page.goto(f"{shot.service.url}{TERMINAL}")
    shot.button("terminal.reopen").wait_for()


# Files


def opens_the_tree(shot: Shot) -> None:
    shot.page.get_by_role("link", name="sample.nix").wait_for()


def marks_some(shot: Shot) -> None:
    opens_the_tree(shot)
    for name in ("sample.nix", "notes.md"):
        shot.page.get_by_role("checkbox", name=shot.say("files.mark", name=name)).check()


def asks_of_entry(key: str) -> Act:
    def act(shot: Shot) -> None:
        opens_the_tree(shot)
        shot.press("action.more", name="sample.nix")
        if key:
            shot.page.get_by_role("menuitem", name=shot.say(key)).click()
            shot.page.get_by_role("dialog").wait_for()

    return act


def edits(shot: Shot) -> None:
    shot.page.locator(".cm-content").click()
    shot.page.keyboard.type("# more\n")


def is_shown(selector: str) -> Act:
    return lambda shot: shot.page.locator(selector).first.wait_for()


def opens_quickly(shot: Shot) -> None:
    opens_the_tree(shot)
    shot.press("files.quickOpen")
    shot.page.get_by_label(shot.say("files.quickName")).fill("sam")
    shot.page.get_by_role("option").first.wait_for()


def uploads(shot: Shot) -> None:
    """A conflict, then a list of uploads of which one waits for a decision."""
    opens_the_tree(shot)
    drop(shot.page, shot.things / "many", shot.things / "sample.nix")
    shot.page.get_by_role("dialog").wait_for()
    expect(shot.page.locator(".upload[data-state=done]")).to_have_count(12)
    shot.take("conflict")
    shot.press("files.skip")
    shot.take("uploads")
    shot.service.api("DELETE", f"{HOME}/many?recursive=1")


# The other parts


def adds_a_package(shot: Shot) -> None:
    box = shot.page.get_by_role("combobox", name=shot.say("create.packages"))
    box.fill("tree")
    shot.page.get_by_role("option").filter(has_text="tree").first.click()
    box.fill("nosuchpackage")
    box.press("Enter")
    shot.press("create.remove", name="vim")


def log_is_there(shot: Shot) -> None:
    expect(shot.page.locator(".log-lines")).to_contain_text(SAYS)


def reads_the_journal(shot: Shot) -> None:
    shot.press("logs.journal")
    expect(shot.page.locator(".log-lines")).to_contain_text("systemd")


def asks_to_restart(shot: Shot) -> None:
    shot.service.api("POST", "/workspaces/pictured/terminals", 201, json={"cols": 80, "rows": 24})
    shot.page.get_by_role("button", name=shot.say("settings.rebuild")).click()
    shot.page.get_by_role("dialog").wait_for()


def asks_to_delete(shot: Shot) -> None:
    shot.page.locator("#delete").get_by_role("button", name=shot.say("action.delete")).click()


def says_what_it_did(shot: Shot) -> None:
    shot.press("app.copy")
    shot.page.get_by_text(shot.say("app.copied")).last.wait_for()


def has_done_much(shot: Shot) -> None:
    """Tasks that ended well and one that failed."""
    page, head = shot.page, shot.page.locator(".detail-head")
    shot.press("action.more", name="pictured")
    page.get_by_role("menuitem", name=shot.say("action.pause")).click()
    head.locator(".status-paused").wait_for()
    head.get_by_role("button", name=shot.say("action.resume")).click()
    head.locator(".status-running").wait_for()
    page.goto(page.url.replace("pictured", "failed"))
    head.get_by_role("button", name=shot.say("action.start")).click()
    shot.press("tasks.open")
    page.locator(".task-failed").wait_for(timeout=60_000)


def goes_to_generations(shot: Shot) -> None:
    shot.page.locator(".generations, .generation").first.scroll_into_view_if_needed()


def goes_to(key: str) -> Act:
    """Scrolls to the part of a long page that has this heading."""

    def act(shot: Shot) -> None:
        heading = shot.page.get_by_role("heading", name=shot.say(key), exact=True).first
        heading.wait_for()
        shot.page.wait_for_load_state("networkidle")
        heading.evaluate("one => (one.closest('.panel, .card') ?? one).scrollIntoView()")

    return act


def has_budgets(shot: Shot) -> None:
    """One budget is there, another is being set."""
    shot.service.api("PUT", "/budgets/workspace:pictured", 204, json={"amount": "5", "at_limit": "stop"})
    shot.page.reload()
    goes_to("usage.budgets")(shot)


def has_hours(shot: Shot) -> None:
    """A workspace rests, and has hours of its own."""
    runs = [("start", "30 8 * * 1-5"), ("stop", "0 19 * * *")]
    wanted = [{"action": action, "cron": cron, "zone": "Europe/Berlin"} for action, cron in runs]
    shot.service.api("PUT", "/workspaces/pictured/schedule", json={"runs": wanted})
    shot.page.reload()
    goes_to("idle.title")(shot)


VIEWS: dict[str, tuple[str, Act]] = {
    "list": ("/workspaces", nothing),
    "list-cards": ("/workspaces?view=cards", nothing),
    "list-selected": ("/workspaces", selects_all),
    "list-compact": ("/workspaces", is_compact),
    "list-no-match": ("/workspaces?q=nothing-is-called-so", nothing),
    "list-menu": ("/workspaces", presses("list.view")),
    "list-actions": ("/workspaces", presses("action.more", name="pictured")),
    "create": ("/workspaces", strikes("c")),
    "create-packages": ("/workspaces", finds_packages),
    "create-refused": ("/workspaces", is_refused),
    "ready": ("/workspaces", becomes_ready),
    "building": ("/workspaces/building", log_is_there),
    "failed": ("/workspaces/failed", nothing),
    "stopped": ("/workspaces/asleep", nothing),
    "overview": ("/workspaces/pictured", nothing),
    "generations": ("/workspaces/pictured", goes_to_generations),
    "open-menu": ("/workspaces/pictured", presses("detail.openMore")),
    "toast": ("/workspaces/pictured", says_what_it_did),
    "tasks": ("/workspaces/pictured", has_done_much),
    "terminal": (TERMINAL, shows_terminal),
    "terminal-splits": (TERMINAL, splits),
    "terminal-find": (TERMINAL, finds_in_terminal),
    "terminal-ended": ("/workspaces", has_ended_terminals),
    "terminal-settings": (TERMINAL, presses("terminal.settings")),
    "terminal-close": (TERMINAL, is_asked_before_closing),
    "terminal-paste": (TERMINAL, shows_paste),
    "terminal-stopped": ("/workspaces/asleep/terminal", nothing),
    "files": (FILES, opens_the_tree),
    "files-marked": (FILES, marks_some),
    "files-menu": (FILES, asks_of_entry("")),
    "files-rename": (FILES, asks_of_entry("files.rename")),
    "files-mode": (FILES, asks_of_entry("files.chmod")),
    "files-move": (FILES, asks_of_entry("files.move")),
    "files-delete": (FILES, asks_of_entry("action.delete")),
    "files-new": (FILES, presses("files.newFile")),
    "files-quick": (FILES, opens_quickly),
    "files-search": (f"{FILES}?find=pkgs", is_shown("mark")),
    "files-empty": (f"{FILES}?path=%2Fhome%2Fnixos%2Fempty", nothing),
    "files-forbidden": (f"{FILES}?path=%2Froot", nothing),
    "files-stopped": ("/workspaces/asleep/files", nothing),
    "editor": (f"{FILES}?file=%2Fhome%2Fnixos%2Fsample.nix", edits),
    "editor-missing": (f"{FILES}?file=%2Fhome%2Fnixos%2Fmissing.txt", nothing),
    "preview": (f"{FILES}?file=%2Fhome%2Fnixos%2Fnotes.md&rendered=true", is_shown(".markdown")),
    "picture": (f"{FILES}?file=%2Fhome%2Fnixos%2Fsun.svg&rendered=true", is_shown("img")),
    "uploads": (FILES, uploads),
    "packages": ("/workspaces/pictured/packages", adds_a_package),
    "metrics": ("/workspaces/pictured/metrics?span=5m", nothing),
    "logs": ("/workspaces/pictured/logs", nothing),
    "journal": ("/workspaces/pictured/logs", reads_the_journal),
    "journal-stopped": ("/workspaces/asleep/logs", presses("logs.journal")),
    "settings": ("/workspaces/pictured/settings", nothing),
    "settings-sizes": ("/workspaces/pictured/settings", goes_to("scaling.title")),
    "settings-rest": ("/workspaces/pictured/settings", has_hours),
    "settings-hours": ("/workspaces/pictured/settings", goes_to("schedule.title")),
    "restart": ("/workspaces/pictured/settings", asks_to_restart),
    "delete": ("/workspaces/pictured/settings", asks_to_delete),
    "network": ("/workspaces/pictured/network", nothing),
    "ports": ("/workspaces/pictured/ports", nothing),
    "secrets": ("/workspaces/pictured/secrets", nothing),
    "templates": ("/templates", nothing),
    "usage": ("/usage", nothing),
    "usage-budgets": ("/usage", has_budgets),
    "health": ("/admin/health", nothing),
    "account": ("/me", nothing),
    "profile": ("/profile", nothing),
    "ssh-keys": ("/ssh-keys", nothing),
    "people": ("/admin/users", nothing),
    "audit": ("/admin/audit", nothing),
    "device": ("/device", nothing),
    "recordings": ("/workspaces/pictured/recordings", nothing),
    "palette": ("/workspaces/pictured", strikes("Control+k")),
    "keys": ("/workspaces/pictured", strikes("?")),
    "menu": ("/workspaces/pictured", presses("app.menu")),
    "nowhere": ("/nowhere", nothing),
    "no-part": ("/workspaces/pictured/nothing", nothing),
    "gone": ("/workspaces/nothing", nothing),
}
"""The views by the names of their pictures."""
