"""Passkeys in a real browser with a virtual authenticator: registered, used by keyboard, refused, removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect
from system.browser import Tab, chromium, tab
from test_web_people import PASSWORD, call
from test_web_people import person as with_password
from test_web_rates import entries
from web_service import Web, running_web

pytestmark = pytest.mark.system
PASSKEYS = "Passkeys"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@dataclass
class Device:
    """The authenticator of a page."""

    session: CDPSession
    id: str

    @classmethod
    def of(cls, page: Page) -> Device:
        session = page.context.new_cdp_session(page)
        session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return cls(session, made["authenticatorId"])

    def send(self, method: str, **fields: Any) -> Any:
        return self.session.send(f"WebAuthn.{method}", {"authenticatorId": self.id, **fields})

    def is_touched(self, enabled: bool) -> None:  # noqa: FBT001
        """Tell whether a person is there who touches it."""
        self.send("setAutomaticPresenceSimulation", enabled=enabled)

    def verifies(self, verified: bool) -> None:  # noqa: FBT001
        """Tell whether the person is known to it."""
        self.send("setUserVerified", isUserVerified=verified)


def name_of(web: Web) -> str:
    """Return the service's address by name: for one in numbers there are no passkeys."""
    return f"http://localhost:{web.address[1]}"


def signed_in(ui: Tab, handle: str) -> None:
    """Sign in with handle and password, by keyboard alone."""
    page = ui.page
    page.goto(f"{ui.url}/sign-in")
    reach(page, page.get_by_role("button", name="Sign in with a password"))
    page.keyboard.press("Enter")
    reach(page, page.get_by_label("Handle"))
    page.keyboard.type(handle)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/workspaces")


def reach(page: Page, wanted: Any) -> None:
    """Go to an element by the tabulator."""
    wanted.wait_for()
    for _ in range(60):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("the tabulator does not lead there")


def sign_out(ui: Tab) -> None:
    """End the session; the page then leads to signing in."""
    ui.page.evaluate(
        """async () => {
            const { csrf_token } = await (await fetch('/api/nixos/session')).json();
            await fetch('/api/nixos/logout', { method: 'POST', headers: { 'X-CSRF-Token': csrf_token } });
        }"""
    )
    ui.page.goto(f"{ui.url}/sign-in")


def test_a_passkey_from_its_making_to_its_end_by_keyboard(web: Web, browser: Browser) -> None:
    user, _ = with_password(web, "keys")
    with tab(browser, name_of(web), for_axe=True) as ui:
        page = ui.page
        device = Device.of(page)
        signed_in(ui, "keys")
        ui.open("/me")
        section = page.get_by_role("region", name=PASSKEYS)
        reach(page, section.get_by_label("Name of the passkey"))
        page.keyboard.type("laptop")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(section.get_by_role("cell", name="laptop", exact=True)).to_be_visible()
        assert len(device.send("getCredentials")["credentials"]) == 1
        assert ui.violations() == []
        # The device has one already; it asks for another passkey's confirmation first, which is this one's.
        reach(page, section.get_by_label("Name of the passkey"))
        page.keyboard.type("again")
        page.keyboard.press("Enter")
        expect(section.get_by_text("This device has a passkey of yours already.")).to_be_visible()
        device.is_touched(False)
        sign_out(ui)
        button = page.get_by_role("button", name="Sign in with a passkey")
        expect(button).to_be_visible()
        assert ui.violations() == []
        device.is_touched(True)
        reach(page, button)
        page.keyboard.press("Enter")
        page.wait_for_url("**/workspaces")
        ui.open("/me")
        reach(page, section.get_by_role("button", name="Rename laptop"))
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        field = dialog.get_by_label("Name of the passkey")
        reach(page, field)
        page.keyboard.press("Control+a")
        page.keyboard.type("old laptop")
        page.keyboard.press("Enter")
        expect(section.get_by_role("cell", name="old laptop", exact=True)).to_be_visible()
        reach(page, section.get_by_role("button", name="Remove old laptop"))
        page.keyboard.press("Enter")
        reach(page, page.get_by_role("button", name="Remove", exact=True))
        page.keyboard.press("Enter")
        expect(section.get_by_text("You have no passkeys.")).to_be_visible()
    actions = [entry.outcome for entry in entries(web, "sign-in") if entry.detail and entry.actor == user]
    assert actions == ["accepted"]


def test_what_goes_wrong_is_said(web: Web, browser: Browser) -> None:
    """A passkey that was removed, a person whom the device does not know, and the last way to sign in."""
    with_password(web, "lost")
    _, other = with_password(web, "keeps")
    with tab(browser, name_of(web)) as ui:
        page = ui.page
        device = Device.of(page)
        signed_in(ui, "lost")
        ui.open("/me")
        section = page.get_by_role("region", name=PASSKEYS)
        form = section.get_by_role("form", name="Add a passkey")
        device.verifies(False)
        form.get_by_label("Name of the passkey").fill("phone")
        form.get_by_label("Password, to confirm").fill("wrong")
        form.get_by_role("button").click()
        expect(form.get_by_text("The current password is wrong.")).to_be_visible()
        form.get_by_label("Password, to confirm").fill(PASSWORD)
        form.get_by_role("button").click()
        expect(form.get_by_text("Nothing was done: the browser's question was closed")).to_be_visible()
        device.verifies(True)
        form.get_by_role("button").click()
        expect(section.get_by_role("cell", name="phone", exact=True)).to_be_visible()
        remove_all(web, "lost")
        stays(web, "keeps")
        device.is_touched(False)
        sign_out(ui)
        button = page.get_by_role("button", name="Sign in with a passkey")
        button.wait_for()
        device.is_touched(True)
        button.click()
        expect(page.get_by_text("This passkey is not known here")).to_be_visible()
        expect(button).to_be_enabled()
    assert other


def remove_all(web: Web, handle: str) -> None:
    async def work() -> None:
        async with web.services.database.transaction() as tx:
            user = await tx.users.find(handle)
            assert user is not None
            for one in await tx.passkeys.of_user(user.id):
                await tx.passkeys.remove(one.id, user.id)

    web.run(work())


def stays(web: Web, handle: str) -> None:
    """Give somebody else a passkey, so that the page offers passkeys still."""
    from datetime import UTC, datetime

    from nixos_workspaces.model.access.passkeys import Passkey

    async def work() -> None:
        async with web.services.database.transaction() as tx:
            user = await tx.users.find(handle)
            assert user is not None
            await tx.passkeys.add(Passkey("psk-other", user.id, "x", "AA", b"", 0, "localhost", datetime.now(UTC)))

    web.run(work())


def test_where_there_are_no_passkeys_the_page_says_so(web: Web, browser: Browser) -> None:
    """By an address in numbers; and on the page to sign in nothing is offered there."""
    _, session = with_password(web, "numbers")
    with tab(browser, web.url) as ui:
        Device.of(ui.page)
        ui.sign_in(session)
        ui.open("/me")
        section = ui.page.get_by_role("region", name=PASSKEYS)
        expect(section.get_by_text("Passkeys are made for a name")).to_be_visible()
        expect(section.get_by_role("form")).to_have_count(0)
        sign_out(ui)
        expect(ui.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
        expect(ui.page.get_by_role("button", name="Sign in with a passkey")).to_have_count(0)
    assert call(web, "GET", "users")["users"]
