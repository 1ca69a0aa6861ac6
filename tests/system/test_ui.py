"""The web UI in use: a real browser, the real service, real workspaces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect  # noqa: A004
from system.browser import Tab, choose, tab
from system.service import JSON, Service
from waiting import until

pytestmark = pytest.mark.system

NOTES_WHEN_PHASES_GO = """
() => {
  window.gone = false;
  const look = () => (window.gone ||= document.querySelector(".phases") === null);
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}
"""


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("seen-in-the-ui")
    yield made
    service.delete(made["id"])


def views_of(workspace: JSON) -> list[str]:
    parts = ("", "/terminal", "/files", "/packages", "/metrics", "/logs", "/settings")
    return [
        "/workspaces",
        "/templates",
        "/admin/health",
        *(f"/workspaces/{workspace['id']}{part}" for part in parts),
        "/workspaces/nothing",
    ]


def form_of(page: Page) -> None:
    """Open the form for a new workspace."""
    page.get_by_role("link", name="New workspace").first.click()
    page.get_by_role("dialog").wait_for()


def test_only_who_has_a_code_or_token_gets_in(browser: Browser, service: Service) -> None:
    with tab(browser, service.url) as opened:
        page = opened.page
        page.goto(f"{service.url}/workspaces/some/logs?q=x")
        page.wait_for_url("**/sign-in?from=*")
        sign_in = page.get_by_role("button", name="Sign in", exact=True)
        sign_in.click()
        expect(page.get_by_text("Paste the code of a login link")).to_be_visible()
        page.get_by_label("Login code or API token").fill("<img src=x onerror=alert(1)>")
        sign_in.click()
        expect(page.get_by_text("This code or token is not valid")).to_be_visible()
        link = re.search(r"http\S+", service.nixws("login-link"))
        assert link is not None
        page.goto(link.group())
        page.wait_for_url("**/workspaces")
        page.goto(link.group())
        expect(page.get_by_text("used already or is too old")).to_be_visible()
        page.goto(f"{service.url}/workspaces")
        choose(page, "Menu", page.get_by_role("menuitem", name="Sign out"))
        page.wait_for_url("**/sign-in*")
        assert service.http.get(f"{service.url}/api/nixos/session").status_code == 200


def test_an_address_without_a_page_leads_on(ui: Tab, service: Service) -> None:
    page = ui.page
    answer = page.goto(f"{service.url}/nowhere/at-all?q=1")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_text("There is nothing at this address")).to_be_visible()
    page.get_by_role("main").get_by_role("link").first.click()
    page.wait_for_url("**/workspaces")
    told = service.http.get(f"{service.url}/nowhere")
    assert (told.status_code, told.json()["error"]["code"]) == (404, "no_such_route")


def test_wrong_values_in_the_form_are_named(ui: Tab, workspace: JSON) -> None:
    page = ui.page
    form_of(page)
    form = page.get_by_role("dialog")
    submit = form.get_by_role("button", name="Create workspace")
    name = form.get_by_role("textbox", name="Name")
    submit.click()
    expect(name).to_be_focused()
    for wrong in ("Upper", "a b", "-a", "123", "ws-x", "a_b", workspace["name"]):
        name.fill(wrong)
        expect(name).to_have_attribute("aria-invalid", "true")
    name.fill("not-to-be-made")
    expect(name).to_have_attribute("aria-invalid", "false")
    for label, wrong in (("CPU cores", "0"), ("Memory (GB)", "1e9"), ("Storage (GB)", "much")):
        form.get_by_label(label).fill(wrong)
        expect(form.get_by_label(label)).to_have_attribute("aria-invalid", "true")
        submit.click()
        form.get_by_label(label).fill("1")
    packages = form.get_by_role("combobox", name="Packages")
    packages.fill("not a name")
    packages.press("Enter")
    expect(form.get_by_text("This is not the name of a package.")).to_be_visible()
    packages.fill("nosuchpackage")
    packages.press("Enter")
    submit.click()
    expect(form.get_by_text("nosuchpackage").last).to_be_visible()
    expect(form).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("row", name="not-to-be-made")).to_have_count(0)


def test_wrong_sizes_and_ports_are_named_and_change_nothing(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/settings")
    before = service.show(workspace["id"])["config"]
    for label in ("CPU cores", "Memory (GB)", "Storage (GB)"):
        field = page.get_by_label(label)
        size = field.input_value()
        for wrong in ("0", "-1", "much", "1e9", ""):
            field.fill(wrong)
            expect(field).to_have_attribute("aria-invalid", "true")
            field.press("Enter")
        field.fill(size)
        expect(field).to_have_attribute("aria-invalid", "false")
    storage = page.get_by_label("Storage (GB)")
    storage.fill("0.1")  # less than there is
    expect(storage).to_have_attribute("aria-invalid", "true")
    ports = page.get_by_label("Open ports")
    for wrong in ("0", "65536", "eighty", "80.5", "8080-8090"):
        ports.fill(wrong)
        expect(page.get_by_text("Numbers from 1 to 65535")).to_be_visible()
        ports.press("Enter")
    assert service.show(workspace["id"])["config"] == before


def test_filter_and_sorting_live_in_the_address(ui: Tab, workspace: JSON) -> None:
    page = ui.page
    page.get_by_role("searchbox", name="Filter workspaces").fill("no such name")
    expect(page.get_by_text("No workspace matches the filter.")).to_be_visible()
    page.wait_for_url("**/workspaces?q=no*")
    page.reload()
    expect(page.get_by_role("searchbox", name="Filter workspaces")).to_have_value("no such name")
    page.get_by_role("link", name="Clear the filter").click()
    chip = page.get_by_role("group", name="Ready-made filters").get_by_role("button", name="Running")
    chip.click()
    page.wait_for_url("**/workspaces?q=status%3Arunning")
    page.get_by_role("columnheader", name="CPU").get_by_role("button").click()
    page.wait_for_url("**/workspaces?q=status%3Arunning&sort=cpu")
    page.get_by_role("link", name=workspace["name"]).click()
    page.wait_for_url("**/workspaces/ws-*?q=status%3Arunning&sort=cpu")
    page.go_back()
    page.wait_for_url("**/workspaces?q=status%3Arunning&sort=cpu")
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("columnheader", name="CPU")).to_have_attribute("aria-sort", "descending")


def test_a_package_is_added_with_its_difference_shown(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/packages")
    box = page.get_by_role("combobox", name="Packages")
    box.fill("tree")
    page.get_by_role("option").filter(has_text="tree").first.click()
    expect(page.get_by_text("+ tree (added)")).to_be_visible()
    page.get_by_role("button", name="Build and apply").click()
    page.get_by_role("dialog").get_by_role("button", name="Restart").click()
    expect(page.get_by_text("The new environment is being built.")).to_be_visible()
    expect(page.get_by_text("+ tree (added)")).to_have_count(0)
    assert service.show(workspace["id"])["config"]["packages"] == ["tree"]
    service.reaches(workspace["id"], "running", 120)


def test_axe_finds_nothing(browser: Browser, service: Service, workspace: JSON) -> None:
    found: dict[str, list[str]] = {}
    with tab(browser, service.url, for_axe=True) as opened:
        opened.page.goto(f"{service.url}/sign-in")
        opened.page.get_by_role("heading", level=1).wait_for()
        found["sign-in"] = opened.violations_of_both_themes()
        opened.sign_in(service.token)
        for view in views_of(workspace):
            opened.open(view)
            found[view] = opened.violations_of_both_themes()
        opened.open("/workspaces")
        form_of(opened.page)
        opened.page.get_by_role("textbox", name="Name").fill("Wrong")
        found["form"] = opened.violations_of_both_themes()
        opened.page.keyboard.press("Escape")
        for name, key in (("palette", "Control+k"), ("keys", "?")):
            opened.page.keyboard.press(key)
            opened.page.get_by_role("dialog").wait_for()
            found[name] = opened.violations_of_both_themes()
            opened.page.keyboard.press("Escape")
            expect(opened.page.get_by_role("dialog")).to_have_count(0)
        for view, name in (("/settings", "Delete"), ("/terminal", "Terminal settings"), ("", "Tasks")):
            opened.open(f"/workspaces/{workspace['id']}{view}")
            opened.page.get_by_role("button", name=name).last.click()
            opened.page.get_by_role("dialog").wait_for()
            found[name] = opened.violations_of_both_themes()
            opened.page.keyboard.press("Escape")
        root = f"/workspaces/{workspace['id']}"
        for view, name in (
            ("/workspaces", "Menu"),
            ("/workspaces", "View and columns"),
            ("/workspaces", f"More actions for {workspace['name']}"),
            (root, "Open something else"),
            (f"{root}/files?path=%2Fetc", "More actions for passwd"),
        ):
            opened.open(view)
            opened.page.get_by_role("button", name=name, exact=True).last.click()
            opened.page.get_by_role("menu").wait_for()
            found[name] = opened.violations_of_both_themes()
        opened.open(root)
        opened.page.keyboard.press("Control+k")
        for typed in ("term", "nothing is called so"):
            opened.page.get_by_role("combobox", name="Command palette").fill(typed)
            found[typed] = opened.violations_of_both_themes()
    assert {view: problems for view, problems in found.items() if problems} == {}


def test_the_keyboard_alone_is_enough(ui: Tab, workspace: JSON) -> None:
    page = ui.page
    page.get_by_role("row", name=workspace["name"]).wait_for()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Filter workspaces")).to_be_focused()
    page.keyboard.type(workspace["name"])
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Command palette")).to_be_focused()
    page.keyboard.type(f"go to {workspace['name']}")
    page.keyboard.press("Enter")
    page.wait_for_url("**/workspaces/ws-*")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Command palette")).to_be_focused()
    page.keyboard.type("new workspace")
    page.keyboard.press("Enter")
    name = page.get_by_role("textbox", name="Name")
    name.wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('[role=dialog]') !== null")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Settings").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings*")


def goes_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press a key until something has the focus."""
    for _ in range(120):
        if target.count() == 1 and target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    message = f"{key} does not lead to {target}"
    raise AssertionError(message)


def signs_in_by_keys(page: Page, url: str, token: str) -> None:
    page.goto(f"{url}/sign-in")
    goes_to(page, page.get_by_label("Login code or API token"))
    page.keyboard.type(token)
    page.keyboard.press("Enter")
    page.wait_for_url("**/workspaces")
    page.get_by_role("heading", level=1).wait_for()


def creates_by_keys(page: Page, name: str) -> None:
    # Before the page is there nobody hears its keys.
    page.get_by_role("heading", level=1).wait_for()
    form = page.get_by_role("dialog", name="New workspace")

    def is_open() -> bool:
        if not form.is_visible():
            page.keyboard.press("c")
            with suppress(TimeoutError):
                form.wait_for(timeout=3_000)
        return form.is_visible()

    until("the form is open", is_open)
    expect(form.get_by_role("textbox", name="Name")).to_be_focused()
    page.keyboard.type(name)
    goes_to(page, form.locator("input[value=development]"))
    page.keyboard.press("ArrowDown")
    expect(form.locator("input[value=minimal]")).to_be_checked()
    for label, value in (("CPU cores", "1"), ("Memory (GB)", "0.5"), ("Storage (GB)", "0.5")):
        goes_to(page, form.get_by_label(label))
        page.keyboard.press("Control+a")
        page.keyboard.type(value)
    goes_to(page, form.get_by_role("combobox", name="Packages"))
    page.keyboard.type("tree")
    expect(form.get_by_role("option", name="tree").first).to_contain_text("MB")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    goes_to(page, form.get_by_role("button", name="Create workspace"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/workspaces/ws-*")


def uses_a_terminal_by_keys(page: Page) -> None:
    goes_to(page, page.get_by_role("navigation").get_by_role("link", name="Terminal"))
    page.keyboard.press("Enter")
    rows = page.locator(".xterm-rows")
    expect(rows).to_contain_text("$", timeout=30_000)
    expect(page.locator(".xterm-helper-textarea")).to_be_focused()
    page.keyboard.type("tree --version\n")
    expect(rows).to_contain_text("Steve Baker")
    page.keyboard.press("Control+F6")
    expect(page.get_by_role("button", name="New terminal")).to_be_focused()


def makes_a_folder_by_keys(page: Page) -> None:
    goes_to(page, page.get_by_role("navigation").get_by_role("link", name="Files"), "Shift+Tab")
    page.keyboard.press("Enter")
    goes_to(page, page.get_by_role("button", name="New folder"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    page.keyboard.type("made")
    page.keyboard.press("Enter")
    expect(page.locator(".files-main").get_by_role("link", name="made", exact=True)).to_be_visible()


def test_the_whole_way_by_keyboard_alone(browser: Browser, service: Service) -> None:
    """Log in, create, watch, use a terminal and leave it, files, stop, delete: the pointer is never touched."""
    with tab(browser, service.url) as opened:
        page = opened.page
        signs_in_by_keys(page, service.url, service.token)
        creates_by_keys(page, "by-keyboard")
        expect(page.locator(".detail-head .status-running")).to_be_visible(timeout=180_000)
        uses_a_terminal_by_keys(page)
        makes_a_folder_by_keys(page)
        goes_to(page, page.locator(".detail-head").get_by_role("button", name="Stop"), "Shift+Tab")
        page.keyboard.press("Enter")
        expect(page.locator(".detail-head .status-stopped")).to_be_visible(timeout=30_000)
        goes_to(page, page.get_by_role("navigation").get_by_role("link", name="Settings"))
        page.keyboard.press("Enter")
        goes_to(page, page.locator("#delete").get_by_role("button", name="Delete"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()
        page.keyboard.type("by-keyboard")
        page.keyboard.press("Enter")
        expect(page.get_by_text("by-keyboard is being deleted.")).to_be_visible()
        expect(page.get_by_role("row", name="by-keyboard")).to_have_count(0, timeout=30_000)
        assert page.url.endswith("/workspaces")


def test_what_was_used_is_shown_as_curves_and_as_a_table(ui: Tab, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/metrics")
    page.get_by_role("button", name="5 minutes").click()
    page.wait_for_url("**/metrics?span=5m")
    expect(page.get_by_role("img", name="CPU over time").locator(".chart-curve")).to_have_attribute(
        "d", re.compile("^M"), timeout=30_000
    )
    page.get_by_text("Figures as a table").click()
    expect(page.get_by_role("table").get_by_role("row")).not_to_have_count(1)
    page.reload()
    expect(page.get_by_role("button", name="5 minutes")).to_have_attribute("aria-pressed", "true")


def test_german_and_the_dark_theme_stay_chosen(ui: Tab) -> None:
    page = ui.page
    choose(page, "Menu", page.get_by_role("menuitemradio", name="Dark"))
    choose(page, "Menu", page.get_by_role("menuitemradio", name="Deutsch"))
    expect(page.get_by_role("link", name="Vorlagen")).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="Vorlagen")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_creation_is_seen_phase_by_phase_however_fast_it_is(ui: Tab, service: Service) -> None:
    page = ui.page
    form_of(page)
    form = page.get_by_role("dialog")
    form.get_by_role("textbox", name="Name").fill("seen-growing")
    form.get_by_text("Minimal", exact=True).click()
    for label in ("CPU cores", "Memory (GB)", "Storage (GB)"):
        form.get_by_label(label).fill("0.5")
    form.get_by_role("button", name="Create workspace").click()
    page.wait_for_url("**/workspaces/ws-*")
    workspace_id = page.url.rsplit("/", 1)[1]
    try:
        expect(page.locator(".phases")).to_be_visible()
        page.evaluate(NOTES_WHEN_PHASES_GO)
        expect(page.get_by_role("heading", name=re.compile(r"^Ready in [\d.]+s$"))).to_be_visible(timeout=180_000)
        assert page.evaluate("window.gone") is False
        phases = service.show(workspace_id)["phases"]
        names = [one["phase"] for one in phases]
        assert (names[0], names[-3:]) == ("evaluate", ["volume", "boot", "ready"])
        assert all(one["ended_at"] >= one["started_at"] for one in phases)
        expect(page.locator(".phase-done .phase-time")).to_have_count(len(phases) - 1)
        page.reload()
        expect(page.locator(".phase-done .phase-time")).to_have_count(len(phases) - 1)
        page.locator(".panel").get_by_role("link", name="Open a terminal").click()
        expect(page.locator(".xterm-rows")).to_contain_text("$", timeout=30_000)
    finally:
        service.delete(workspace_id)


def test_a_page_follows_what_happens_elsewhere(ui: Tab, service: Service, workspace: JSON) -> None:
    """Also where the address holds the name in the place of the id."""
    for address in (workspace["id"], workspace["name"]):
        ui.open(f"/workspaces/{address}")
        for verb, status in (("pause", "paused"), ("resume", "running")):
            service.nixws(verb, workspace["name"])
            expect(ui.page.locator(f".detail-head .status-{status}")).to_be_visible()
            expect(ui.page.locator(f".workspace-item .status-{status}").first).to_be_visible()


def test_a_refused_action_is_rolled_back_with_its_reason(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    row = page.get_by_role("row", name=workspace["name"])
    row.wait_for()
    refusal = '{"error": {"code": "conflict", "message": "It is too late.", "field": null, "request_id": "r-1"}}'
    page.route(
        f"**/workspaces/{workspace['id']}/stop",
        lambda route: route.fulfill(status=409, content_type="application/json", body=refusal),
    )
    row.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Stop").click()
    expect(page.get_by_text("It is too late.").first).to_be_visible()
    expect(row.locator(".status-running")).to_be_visible()
    assert service.show(workspace["id"])["status"] == "running"
