"""Terminals of a real workspace in a real browser."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from system.browser import Tab, tab
from system.service import JSON, Service
from system.terminal_page import everything, screen, sees, start_anew, types
from waiting import until

pytestmark = pytest.mark.system

TITLE = r"\033]0;<img src=x onerror='document.body.dataset.run=1'>\007"
CLIPBOARD = r"\033]52;c;aGFja2Vk\007"
TITLE_REPORT = r"\033[21t"
LINK = r"\033]8;;javascript:document.body.dataset.run=1\007link\033]8;;\007\n"
HOSTILE = f'printf "{TITLE}{CLIPBOARD}{TITLE_REPORT}{LINK}"'


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("terminals-in-the-ui", memory=1, packages=["git", "vim"])
    yield made
    service.delete(made["id"])


@pytest.fixture
def ui(browser: Browser, service: Service, workspace: JSON) -> Iterator[Tab]:
    start_anew(service, workspace["id"])
    with tab(browser, service.url) as opened:
        opened.sign_in(service.token)
        opened.open(f"/workspaces/{workspace['id']}/terminal")
        sees(opened.page, "$")
        yield opened


def test_a_split_and_a_name_are_kept(ui: Tab) -> None:
    page = ui.page
    page.get_by_role("button", name="Split", exact=True).click()
    expect(page.locator(".split-pane:not([hidden])")).to_have_count(2)
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the terminal").fill("<b>second</b>")
    page.keyboard.press("Enter")
    expect(page.locator(".terminal-tab-name")).to_contain_text("<b>second</b>")
    page.reload()
    expect(page.locator(".split-pane:not([hidden])")).to_have_count(2)
    expect(page.locator(".terminal-tab-name")).to_contain_text("<b>second</b>")


def test_no_row_covers_the_underscores_of_the_one_above(ui: Tab) -> None:
    """A file called .bash_history has one: rows as high as the font's own idea of itself hid it."""
    types(ui.page, r"clear; printf '\n\n_____\n     \ndo''ne\n'; read hold")
    sees(ui.page, "done")
    rows = ui.page.locator(".split-pane:not([hidden]) .xterm-rows > div")
    assert rows.nth(2).screenshot() != rows.nth(3).screenshot()


def test_nothing_is_lost_when_the_service_dies(ui: Tab, service: Service) -> None:
    page = ui.page
    types(page, "i=0; while [ $i -lt 1500 ]; do i=$((i+1)); echo line-$i; sleep 0.004; done; echo end-of-''lines")
    sees(page, "line-")
    ui.is_cut_off = True
    os.kill(service.pid_of("serve"), signal.SIGKILL)
    expect(page.get_by_text("Disconnected. Trying again in")).to_be_visible()
    expect(page.get_by_text("Disconnected. Trying again in")).to_have_count(0, timeout=60_000)
    sees(page, "end-of-lines\n", 60)
    numbered = [line.strip() for line in everything(page) if line.startswith("line-")]
    assert numbered == [f"line-{number}" for number in range(1, 1501)]
    page.keyboard.press("Control+Shift+f")
    find = page.get_by_label("Find in the terminal")
    find.fill("line-750")
    expect(find).to_have_attribute("aria-invalid", "false")
    expect(page.get_by_text("1 of 1", exact=True)).to_be_visible()
    find.fill("line-1501")
    expect(page.get_by_text("Not found", exact=True)).to_be_visible()
    expect(page.get_by_text("of output is missing here")).to_have_count(0)


def test_several_pasted_lines_are_asked_about(ui: Tab) -> None:
    page = ui.page
    types(page, "bind 'set enable-bracketed-paste off'; echo re''ady; cat")
    sees(page, "ready")
    page.evaluate("navigator.clipboard.writeText('first\\nsecond\\n')")
    page.keyboard.press("Control+Shift+v")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("The shell may run each line at once.")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    assert "second" not in screen(page)
    page.keyboard.press("Control+Shift+v")
    dialog.get_by_role("button", name="Paste").click()
    sees(page, "second\nfirst\nsecond" if "second\nfirst" in screen(page) else "second")
    types(page, "c?j went to the terminal")
    sees(page, "c?j went to the terminal")
    page.keyboard.press("Control+c")


def test_after_a_dialog_keys_go_to_the_terminal_again(ui: Tab) -> None:
    page = ui.page
    for name in ("Terminal settings", "Tasks"):
        page.get_by_role("button", name=name, exact=True).click()
        page.get_by_role("dialog").wait_for()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        if name == "Terminal settings":
            types(page, "echo c?j''k")
            sees(page, "c?jk")
        else:
            expect(page.get_by_role("button", name=name, exact=True)).to_be_focused()


def test_a_terminal_in_which_something_runs_is_closed_after_asking_only(ui: Tab) -> None:
    page = ui.page
    tabs = page.locator(".terminal-tab")
    types(page, "sleep 1000")
    expect(tabs.first.locator(".terminal-tab-name")).to_have_text("sleep")
    tabs.first.get_by_role("button", name="Close sleep").click()
    dialog = page.get_by_role("dialog", name="Close sleep? What runs in it ends.")
    expect(dialog).to_contain_text("sleep is running.")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="New terminal").click()
    expect(tabs).to_have_count(2)
    sees(page, "$")
    tabs.last.get_by_role("button", name="Close bash").click()
    expect(tabs).to_have_count(1)
    expect(page.get_by_role("dialog")).to_have_count(0)
    tabs.first.get_by_role("button", name="Close sleep").click()
    dialog.get_by_role("button", name="Close the terminal").click()
    expect(tabs).to_have_count(0)


def test_a_new_name_takes_the_place_of_the_old_one_and_names_the_page(ui: Tab, workspace: JSON) -> None:
    page = ui.page
    page.get_by_role("button", name="Rename").click()
    page.keyboard.type("logs")
    page.keyboard.press("Enter")
    expect(page.locator(".terminal-tab-name")).to_have_text("logs")
    expect(page).to_have_title(f"logs · {workspace['name']} · NixOS Workspaces")
    page.get_by_role("navigation").get_by_role("link", name="Overview").click()
    expect(page).to_have_title(f"{workspace['name']} · NixOS Workspaces")


def test_a_stop_keeps_tabs_names_and_widths_and_says_what_ended(ui: Tab) -> None:
    page = ui.page
    page.get_by_role("button", name="Rename").click()
    page.keyboard.type("first")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Split", exact=True).click()
    panes = page.locator(".split-pane:not([hidden])")
    expect(panes).to_have_count(2)
    sees(page, "$")
    types(page, "sleep 1000")
    expect(page.locator(".terminal-tab-name")).to_have_text("first | sleep")
    divider = page.get_by_role("separator", name="Divider")
    divider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    wide = divider.get_attribute("aria-valuenow")
    page.reload()
    expect(divider).to_have_attribute("aria-valuenow", wide or "")
    page.locator(".detail-head").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Ended with it: first, sleep.")).to_be_visible(timeout=30_000)
    expect(page.locator(".detail-head .status-stopped")).to_be_visible(timeout=30_000)
    page.locator(".detail-body").get_by_role("button", name="Start").click()
    expect(page.get_by_text("Last in it: sleep")).to_be_visible(timeout=60_000)
    expect(page.locator(".terminal-tab-name")).to_have_text("first | sleep")
    expect(divider).to_have_attribute("aria-valuenow", wide or "")
    page.get_by_role("button", name="Open all again").first.click()
    expect(page.locator(".terminal-ended")).to_have_count(0)
    sees(page, "$")
    expect(page.locator(".terminal-tab-name")).to_have_text(re.compile(r"^first \| "))
    expect(divider).to_have_attribute("aria-valuenow", wide or "")


IN_FRONT = """() => {
    const tabs = document.querySelector(".terminal-tabs ul");
    window.front = [];
    new MutationObserver((changes) => {
        if (changes.some((change) => [...change.addedNodes].some((node) => node.matches?.(".terminal-tab"))))
            window.front.push(tabs.lastElementChild.dataset.current);
    }).observe(tabs, { childList: true });
}"""
"""Notes of each tab that is added whether it is the one in front at that moment."""


def test_a_new_terminal_is_in_front_from_the_moment_its_tab_is_there(ui: Tab) -> None:
    """A name that is typed at once is that of the new one."""
    page = ui.page
    page.evaluate(IN_FRONT)
    for count in (2, 3):
        page.get_by_role("button", name="New terminal").click()
        expect(page.locator(".terminal-tab")).to_have_count(count)
    assert page.evaluate("front") == ["true", "true"]


def test_tabs_are_dragged_into_another_order_which_is_kept(ui: Tab) -> None:
    page = ui.page
    names = page.locator(".terminal-tab-name")
    for name in ("first", "second", "third"):
        if name != "first":
            page.get_by_role("button", name="New terminal").click()
            expect(names.last).to_have_text("bash")
        page.get_by_role("button", name="Rename").click()
        page.get_by_label("Name of the terminal").fill(name)
        page.keyboard.press("Enter")
        expect(names.last).to_have_text(name)
    box, last = names.first.bounding_box(), names.last.bounding_box()
    assert box is not None
    assert last is not None
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(last["x"] + last["width"], last["y"] + 10, steps=8)
    expect(names).to_have_text(["second", "third", "first"])
    page.mouse.up()
    expect(page.locator(".terminal-tab[data-current=true]")).to_have_text("first")
    page.reload()
    expect(names).to_have_text(["second", "third", "first"])
    names.last.focus()
    page.keyboard.press("Alt+ArrowLeft")
    expect(names).to_have_text(["second", "first", "third"])
    expect(names.nth(1)).to_be_focused()


def test_what_is_typed_while_disconnected_arrives_once(ui: Tab, service: Service, workspace: JSON) -> None:
    """Keys under way when the service is killed, and keys of the time without it: none is lost, none is doubled."""
    page = ui.page
    types(page, "cat > kept")
    page.keyboard.type("under way, ")
    ui.is_cut_off = True
    os.kill(service.pid_of("serve"), signal.SIGKILL)
    page.keyboard.type("at the very moment, ")
    expect(page.get_by_text("what you type is kept and sent then")).to_be_visible()
    types(page, "while it was away")
    expect(page.locator(".terminal-banner")).to_contain_text(re.compile("Typed since|Connecting"))
    expect(page.locator(".terminal-banner")).to_have_count(0, timeout=60_000)
    page.keyboard.press("Control+d")
    types(page, "echo wri''tten")
    sees(page, "written\n")
    assert service.ssh(workspace, "cat kept; rm kept") == "under way, at the very moment, while it was away"


def take_the_size(page: Page, other: Page) -> None:
    """Fit a terminal to its window, again if the other one was still being laid out and took the size back."""
    fit = page.get_by_role("button", name="Fit it to this one")

    def has_it() -> bool:
        if fit.is_visible():
            fit.click()
        return other.locator(".terminal-size").is_visible()

    until("the other window is told", has_it)


def test_a_size_that_another_window_gave_is_named_and_taken_over(browser: Browser, service: Service, ui: Tab) -> None:
    told = "Another window gave it this size"
    with tab(browser, service.url, width=700, height=600) as small:
        small.sign_in(service.token)
        small.open(ui.page.url.removeprefix(service.url))
        expect(ui.page.get_by_text(told)).to_be_visible()
        expect(small.page.get_by_text(told)).to_have_count(0)
        take_the_size(ui.page, small.page)
        expect(ui.page.get_by_text(told)).to_have_count(0)
        expect(small.page.get_by_text(told)).to_be_visible()
        types(ui.page, "echo $COLUMNS-he''re")
        sees(ui.page, "-here")


def test_a_touch_screen_has_the_keys_that_its_keyboard_lacks(browser: Browser, service: Service, ui: Tab) -> None:
    types(ui.page, "sleep 1000")
    with tab(browser, service.url, width=390, height=844) as small:
        small.sign_in(service.token)
        small.open(ui.page.url.removeprefix(service.url))
        take_the_size(ui.page, small.page)
        small.page.get_by_role("button", name="Up", exact=True).click(trial=True)
        small.page.get_by_role("button", name="Ctrl").click()
        small.page.locator(".xterm-screen").click()
        small.page.keyboard.type("c")
        sees(small.page, "^C")
        small.page.get_by_role("button", name="Up", exact=True).click()
        until("the last line is back", lambda: screen(small.page).count("sleep 1000") == 2)


def test_hostile_output_runs_nothing(ui: Tab) -> None:
    page = ui.page
    page.evaluate("navigator.clipboard.writeText('mine')")
    types(page, HOSTILE)
    sees(page, "link\n")
    page.locator(".split-pane:not([hidden]) .xterm-rows").get_by_text("link").last.click(
        modifiers=["Control"], force=True
    )
    expect(page.locator(".terminal-tab-name").first).to_contain_text("<img src=x")
    assert page.evaluate("document.body.dataset.run ?? ''") == ""
    assert page.evaluate("navigator.clipboard.readText()") == "mine"
    types(page, "echo typ''ed-$?")
    sees(page, "typed-0\n")


def test_the_keyboard_gets_out_of_a_terminal(ui: Tab) -> None:
    page = ui.page
    page.keyboard.press("Control+F6")
    expect(page.get_by_role("button", name="New terminal")).to_be_focused()


def test_a_stopped_workspace_says_so_and_is_started_from_here(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    service.nixws("stop", workspace["name"])
    expect(page.get_by_text("A terminal needs a running workspace")).to_be_visible(timeout=30_000)
    page.locator(".detail-body").get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Open it again").click(timeout=60_000)
    sees(page, "$", 60)


def test_what_runs_is_named_within_half_a_second(ui: Tab) -> None:
    """Told with the terminal's stream: no request of the page asks for it."""
    page = ui.page
    name = page.locator(".terminal-tab-name").first
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    types(page, "sleep 1000")
    expect(name).to_have_text("sleep", timeout=500)
    page.keyboard.press("Control+c")
    expect(name).not_to_have_text("sleep", timeout=500)
    types(page, "cd /usr/lib")
    expect(name).to_have_attribute("title", re.compile("/usr/lib"), timeout=1000)
    page.wait_for_timeout(3000)
    assert len([url for url in asked if "/terminals" in url]) <= 6


def test_splits_go_both_ways_and_are_there_in_another_browser(browser: Browser, service: Service, ui: Tab) -> None:
    page = ui.page
    page.get_by_role("button", name="Split", exact=True).click()
    panes = page.locator(".split-pane:not([hidden])")
    expect(panes).to_have_count(2)
    sees(page, "$")
    page.get_by_role("button", name="Split downwards").click()
    expect(panes).to_have_count(3)
    sees(page, "$")
    boxes = [box for pane in panes.all() if (box := pane.bounding_box())]
    assert sorted(round(box["height"] / boxes[0]["height"], 1) for box in boxes) == [0.5, 0.5, 1.0]
    first = page.get_by_role("separator", name="Divider").first
    first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    wide = first.get_attribute("aria-valuenow")
    expect(page.get_by_role("separator")).to_have_count(2)
    path = f"/workspaces/{page.url.split('/')[4]}/terminal"
    until(
        "the service has it",
        lambda: len(service.api("GET", f"{path.removesuffix('/terminal')}/terminal-layout")["layout"]["tabs"]) == 1,
    )
    page.wait_for_timeout(1000)
    with tab(browser, service.url) as other:
        other.sign_in(service.token)
        other.open(path)
        expect(other.page.locator(".split-pane:not([hidden])")).to_have_count(3)
        expect(other.page.get_by_role("separator").first).to_have_attribute("aria-valuenow", wide or "")
        # What is arranged in one window is arranged in the other.
        page.get_by_role("button", name="Split downwards").click()
        expect(other.page.locator(".split-pane:not([hidden])")).to_have_count(4)


def test_commands_are_marked_jumped_to_and_copied(ui: Tab) -> None:
    page = ui.page
    types(page, "clear")
    types(page, "seq 1 200")
    sees(page, "200\n")
    types(page, "ls /no''where")
    marks = page.locator(".split-pane:not([hidden]) .command-mark")
    expect(marks.last).to_have_attribute("data-outcome", "failed")
    page.keyboard.press("Control+Shift+o")
    expect(page.get_by_text("The output of the last command is copied.")).to_be_visible()
    assert "No such file" in page.evaluate("navigator.clipboard.readText()")
    page.keyboard.press("Control+ArrowUp")
    page.keyboard.press("Control+ArrowUp")
    sees(page, "seq 1 200\n1\n2")
    marks.filter(visible=True).last.click()
    menu = page.get_by_role("dialog", name="seq 1 200")
    expect(menu).to_contain_text("Exit code 0")
    menu.get_by_role("button", name="Copy output").click()
    assert page.evaluate("navigator.clipboard.readText()") == "".join(f"{number}\n" for number in range(1, 201))
    page.keyboard.press("Control+ArrowDown")
    page.keyboard.press("Control+ArrowDown")
    sees(page, "No such file")


def ctrl_clicks(page: Page, text: str) -> None:
    """Click a link on the screen, once it is one, with Ctrl."""
    line = page.locator(".split-pane:not([hidden]) .xterm-rows > div").filter(has_text=text).last
    box = line.bounding_box()
    assert box is not None
    pointer = page.locator(".split-pane:not([hidden]) .xterm-cursor-pointer")

    def is_link() -> bool:
        page.mouse.move(box["x"] + 40, box["y"] + 60)
        page.mouse.move(box["x"] + 20, box["y"] + 8, steps=3)
        page.wait_for_timeout(200)
        return pointer.count() > 0

    until(f"{text} is a link", is_link)
    page.keyboard.down("Control")
    page.mouse.down()
    page.mouse.up()
    page.keyboard.up("Control")


def test_named_files_open_in_the_editor_and_local_links_in_a_preview(ui: Tab) -> None:
    page = ui.page
    types(page, "cd; mkdir -p src; printf '%s\\n' one two three > src/found.txt; clear")
    types(page, "echo; echo src/found.txt:3; echo; echo http://localhost:3000/x; echo do''ne")
    sees(page, "done\n")
    with page.context.expect_page() as beside:
        ctrl_clicks(page, "http://localhost:3000/x")
    expect(beside.value).to_have_url(re.compile(r"//3000--[a-z0-9-]+\.localhost:[0-9]+/x$"))
    expect(beside.value.get_by_role("heading", name="Nothing listens on port 3000 yet")).to_be_visible()
    beside.value.close()
    ctrl_clicks(page, "src/found.txt:3")
    expect(page).to_have_url(re.compile(r"/files\?.*found\.txt.*line=3"))
    expect(page.locator(".cm-content")).to_contain_text("three")


DROP = """
pane => {
  const data = new DataTransfer();
  data.items.add(new File(["dropped"], "it's here.txt"));
  for (const type of ["dragover", "drop"])
    pane.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
}
"""


def test_a_dropped_file_is_uploaded_to_where_the_shell_is_and_its_name_typed(ui: Tab) -> None:
    page = ui.page
    types(page, "mkdir -p ~/dropped; cd ~/dropped; clear")
    expect(page.locator(".terminal-tab-name").first).to_have_attribute("title", re.compile("/dropped"))
    page.keyboard.type("cat ")
    page.locator(".split-pane:not([hidden]) .terminal-pane").evaluate(DROP)
    sees(page, r"cat '/home/nixos/dropped/it'\''s here.txt'")
    page.wait_for_timeout(500)
    page.keyboard.type("; echo -do''ne")
    page.keyboard.press("Enter")
    sees(page, "dropped-done")


def test_an_emoji_takes_the_columns_that_it_is_drawn_in(ui: Tab) -> None:
    page = ui.page
    types(page, r"clear; printf '\u2744\ufe0f|\nab|\n'; read hold")
    sees(page, "ab|")
    rows = page.locator(".split-pane:not([hidden]) .xterm-rows > div")
    bars = (
        "row => { const range = document.createRange(); const walk = document.createTreeWalker(row, 4); let at; "
        "while (walk.nextNode()) { const x = walk.currentNode.data.indexOf('|'); if (x >= 0) { "
        "range.setStart(walk.currentNode, x); range.setEnd(walk.currentNode, x + 1); "
        "at = range.getBoundingClientRect().left; } } return Math.round(at); }"
    )
    assert abs(rows.nth(0).evaluate(bars) - rows.nth(1).evaluate(bars)) <= 2
