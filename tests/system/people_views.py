"""Every page and state of what concerns several people: who there is, and what is done before one looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect
from system.words import Words

from nixos_workspaces.model.service import HealthItem, Sentence, severity_of
from nixos_workspaces.schemas.service import HealthItemAnswer

Api = Callable[..., Any]
"""Asks the service as its administrator: method, path, status, json=."""

LONG_HANDLE = "maximiliane.von-und-zu-hohenstein-adler"
LONG_TOKEN = "continuous integration of the department for embedded.systems"
ROLES = ("member", "admin", "auditor", "member")
PEOPLE = 14


@dataclass(frozen=True)
class Sight:
    """A page before which somebody sits, in one language."""

    page: Page
    say: Words
    api: Api

    def button(self, key: str, **fields: object) -> Locator:
        return self.page.get_by_role("button", name=self.say(key, **fields), exact=True).first

    def field(self, key: str) -> Locator:
        return self.page.get_by_label(self.say(key), exact=True).first


Act = Callable[[Sight], None]


def populate(api: Api, workspace: str) -> None:
    """Make users, groups, quotas, tokens and shares of one workspace; some have long names."""
    users = []
    for number in range(PEOPLE):
        handle = LONG_HANDLE if number == 3 else f"person.{number:02}"
        kind = "service_account" if number == 5 else "person"
        wanted = {"handle": handle, "role": ROLES[number % len(ROLES)], "kind": kind}
        if number == 4:
            wanted["display_name"] = "Dr. Theodora Wilhelmina Featherstonehaugh-Cholmondeley"
        users.append(api("POST", "/users", 201, json=wanted)["user"]["id"])
    api("PATCH", f"/users/{users[6]}", 200, json={"state": "suspended"})
    for name in ("everybody-in-the-department-of-embedded", "small", "empty"):
        group = api("POST", "/groups", 201, json={"name": name})["group"]["id"]
        members = {"small": users[:2], "empty": []}.get(name, users)
        for one in members:
            api("PUT", f"/groups/{group}/members/{one}", 200)
        if name != "empty":
            bounds = {"workspaces": 40, "running": 12, "cpu": 24, "memory": 96.5, "storage": 2000}
            api("PUT", f"/quotas/groups/{group}", 204, json=bounds)
    api("PUT", f"/quotas/users/{users[3]}", 204, json={"workspaces": 4})
    me = api("GET", "/me", 200)["user"]["id"]
    api("PUT", f"/quotas/users/{me}", 204, json={"workspaces": 200, "running": 100, "memory": 4000})
    scopes = ["workspaces:read", "workspaces:write", "terminals:attach", "files:read", "files:write", "secrets"]
    api("POST", "/tokens", 201, json={"name": LONG_TOKEN, "scopes": scopes})
    for number in range(3):
        api("POST", "/tokens", 201, json={"name": f"laptop {number}", "expires_in": "30d"})
    for one, access in ((LONG_HANDLE, "editor"), ("person.00", "viewer")):
        api("POST", f"/workspaces/{workspace}/shares", 201, json={"with": f"user:{one}", "access": access})
    api(
        "POST",
        f"/workspaces/{workspace}/shares",
        201,
        json={"with": "group:everybody-in-the-department-of-embedded", "files": True, "expires_in": 604_800},
    )

    prices = {"cpu_hour_reserved": "2", "memory_gb_hour_reserved": "0.5", "storage_gb_month": "400"}
    api("PUT", "/prices", 204, json={"currency": "EUR", "prices": [{"valid_from": "2020-01-01T00:00:00Z", **prices}]})
    for subject in (f"user:{LONG_HANDLE}", "group:everybody-in-the-department-of-embedded", f"workspace:{workspace}"):
        api("PUT", f"/budgets/{subject}", 204, json={"amount": "123456.78", "at_limit": "no_new"})


def nothing(sight: Sight) -> None:
    """The view is there as it is."""


def is_narrowed(sight: Sight) -> None:
    sight.page.get_by_text(sight.say("me.narrow")).click()


def makes_token(sight: Sight) -> None:
    sight.field("me.tokenName").fill("made while one looks")
    sight.button("me.newToken").click()
    sight.page.get_by_role("dialog").wait_for()


def revokes_token(sight: Sight) -> None:
    sight.button("me.revokeOne", name=LONG_TOKEN).click()


def has_poor_password(sight: Sight) -> None:
    sight.field("me.newPassword").fill("password")
    sight.button("me.setPassword").click()
    expect(sight.page.locator(".field-problem:not(:empty)")).to_have_count(1)


def has_wrong_name(sight: Sight) -> None:
    sight.field("people.handle").fill("person.00")
    sight.button("people.add").click()
    sight.page.locator("[role=alert], .field-problem:not(:empty), .toast").first.wait_for()


def suspends(sight: Sight) -> None:
    sight.button("people.suspendOne", name=LONG_HANDLE).click()


def makes_link(sight: Sight) -> None:
    sight.button("people.linkOne", name=LONG_HANDLE).click()
    sight.page.get_by_role("dialog").wait_for()


def is_at(selector: str) -> Act:
    def act(sight: Sight) -> None:
        sight.page.locator(selector).first.scroll_into_view_if_needed()
        sight.page.locator(selector).first.evaluate("one => one.scrollIntoView({block: 'start'})")

    return act


def sets_quota(sight: Sight) -> None:
    form = sight.page.get_by_role("form", name=sight.say("people.setQuota"))
    form.locator("select").select_option(label=LONG_HANDLE)
    form.evaluate("one => one.scrollIntoView({block: 'end'})")


def shows_days(sight: Sight) -> None:
    sight.field("usage.by").select_option("day")
    sight.page.get_by_role("table").first.wait_for()


def shows_entry(sight: Sight) -> None:
    summaries = sight.page.locator("summary")
    summaries.first.wait_for()
    for number in range(min(3, summaries.count())):
        summaries.nth(number).click()


def finds_no_entry(sight: Sight) -> None:
    sight.field("audit.actor").fill("nobody")
    sight.button("audit.show").click()
    sight.page.get_by_text(sight.say("audit.none")).wait_for()


WRONG = ("database.problem", "disk.full", "logins.bad", "way_out.not", "disk.short", "engine.unseen")


def is_wrong(sight: Sight) -> None:
    """Show a service of which much is wrong: every severity, with long words of others."""

    def answer(route: Route) -> None:
        told = route.fetch().json()
        values = dict.fromkeys(("path", "said", "told", "purpose"), "/a/path/of/someone/that-goes-on-and-on")
        values |= dict.fromkeys(("free", "total", "share", "count", "bad"), "12")
        for code in WRONG:
            said = Sentence(code, values)
            item = HealthItem(code.replace(".", "_"), severity_of(code) == "notice", said)
            told["items"].append(HealthItemAnswer.of(item).model_dump(mode="json"))
        route.fulfill(json=told | {"status": "degraded"})

    sight.page.route("**/api/nixos/health", answer)
    sight.page.reload()
    sight.page.get_by_role("table", name=sight.say("admin.severity.critical")).wait_for()
    sight.page.unroute("**/api/nixos/health")


def looks_why(sight: Sight) -> None:
    sight.page.locator(".detail-head .status-running").wait_for()
    panel, look = sight.page.get_by_role("region", name=sight.say("why.title")), sight.button("why.look")
    expect(panel.or_(look).first).to_be_visible()
    if look.is_visible():
        look.click()
    for part in ("why.seen", "why.checks"):
        panel.get_by_text(sight.say(part)).click()
    panel.locator("details[open] li").first.wait_for()


def opens_sharing(sight: Sight) -> None:
    sight.page.locator(".detail-head .status-running").wait_for()
    sight.page.locator(".detail-head button[aria-haspopup=menu]").last.click()
    sight.page.get_by_role("menuitem", name=sight.say("share.open")).click()
    sight.page.get_by_role("dialog").locator(".shares li").first.wait_for()


def shares_by_link(sight: Sight) -> None:
    opens_sharing(sight)
    sight.field("share.with").select_option("link")
    sight.page.get_by_role("checkbox").check()
    sight.button("share.do").click()
    sight.field("share.link").wait_for()


def shares_with_nobody(sight: Sight) -> None:
    opens_sharing(sight)
    sight.field("share.name").fill("no.such.person")
    sight.button("share.do").click()
    sight.page.locator(".field-problem:not(:empty)").wait_for()


def shares_a_port(sight: Sight) -> None:
    """No such port there is, which is said at once."""
    opens_sharing(sight)
    sight.field("share.what").select_option("port")
    sight.field("share.port").fill("70000")
    sight.page.locator(".field-problem:not(:empty)").wait_for()


def shares_a_terminal(sight: Sight) -> None:
    opens_sharing(sight)
    sight.field("share.what").select_option("terminal")
    sight.field("share.terminal").wait_for()


def asks_device(sight: Sight) -> None:
    code = sight.api("POST", "/device", 200, json={"name": "nixws at a-machine-with-a-long-name.example"})["user_code"]
    sight.field("device.code").fill(code)
    sight.button("device.look").click()
    sight.button("device.approve").wait_for()


def asks_unknown_device(sight: Sight) -> None:
    sight.field("device.code").fill("AAAA-BBBB")
    sight.button("device.look").click()
    sight.page.locator(".field-problem:not(:empty)").wait_for()


def approves_device(sight: Sight) -> None:
    asks_device(sight)
    sight.button("device.approve").click()
    sight.page.get_by_text(sight.say("device.approved")).wait_for()


def opens_creation(sight: Sight) -> None:
    sight.page.keyboard.press("c")
    sight.field("create.name").wait_for()


def views_of(workspace: str) -> dict[str, tuple[str, Act]]:
    """Return the views by the names of their pictures: address and act."""
    inside = f"/workspaces/{workspace}"
    return {
        "me": ("/me", nothing),
        "me-narrow": ("/me", is_narrowed),
        "me-token": ("/me", makes_token),
        "me-revoke": ("/me", revokes_token),
        "me-sessions": ("/me", is_at("form:has(input[type=password])")),
        "me-password": ("/me", has_poor_password),
        "me-keys": ("/ssh-keys", nothing),
        "me-profile": ("/profile", nothing),
        "users": ("/admin/users", nothing),
        "users-refused": ("/admin/users", has_wrong_name),
        "users-suspend": ("/admin/users", suspends),
        "users-link": ("/admin/users", makes_link),
        "groups": ("/admin/users", is_at(".page > section:nth-of-type(2)")),
        "quotas": ("/admin/users", is_at(".page > section:nth-of-type(3)")),
        "quota-form": ("/admin/users", sets_quota),
        "usage": ("/usage", nothing),
        "usage-days": ("/usage", shows_days),
        "audit": ("/admin/audit", nothing),
        "audit-entry": ("/admin/audit", shows_entry),
        "audit-none": ("/admin/audit", finds_no_entry),
        "admin": ("/admin/health", nothing),
        "admin-wrong": ("/admin/health", is_wrong),
        "why": (inside, looks_why),
        "sharing": (inside, opens_sharing),
        "sharing-link": (inside, shares_by_link),
        "sharing-port": (inside, shares_a_port),
        "sharing-terminal": (inside, shares_a_terminal),
        "sharing-refused": (inside, shares_with_nobody),
        "recordings": (f"{inside}/recordings", nothing),
        "device": ("/device", nothing),
        "device-asked": ("/device", asks_device),
        "device-unknown": ("/device", asks_unknown_device),
        "device-approved": ("/device", approves_device),
        "create-quota": ("/workspaces", opens_creation),
    }
