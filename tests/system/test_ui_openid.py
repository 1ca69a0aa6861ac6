"""Sign-in by a real OpenID provider in a real browser: groups, logout from both sides, what goes wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fakes import fake_services
from playwright.sync_api import Browser, Page, Request, expect
from system.browser import Tab, tab
from system.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider, enter, leave, openid_provider
from system.service import free_port
from web_service import Web, running_web

from nixos_workspaces.settings import Settings, load

pytestmark = pytest.mark.system

PEOPLE = {
    "ada": {"name": "Ada Lovelace", "preferred_username": "ada", "groups": ["ops", "dev"]},
    "bob": {"name": "Bob", "preferred_username": "bob", "groups": ["dev"]},
    "cleo": {"name": "Cleo", "preferred_username": "cleo", "groups": []},
}
NAME = "Example ID"
FORGERIES = (
    *("alg none", "public key as secret", "wrong audience", "wrong issuer", "wrong nonce"),
    *("wrong key id", "wrong key", "expired", "of the future"),
)
"""Ways of ``ui/tests/openid/forgery.mjs``."""
_FONTS = "https://fonts.googleapis.com"


@dataclass
class Place:
    """A service and its provider."""

    web: Web
    provider: OpenIdProvider

    @contextmanager
    def tab(self, browser: Browser, **options: Any) -> Iterator[Tab]:
        """Yield a tab that may go to the provider, and nowhere else."""
        with tab(browser, self.web.url, **options) as opened:
            # The provider's own page wants a font from elsewhere.
            opened.page.context.route(f"{_FONTS}/**", lambda route: route.fulfill(content_type="text/css", body=""))
            yield opened
            known = (self.provider.url, _FONTS)
            opened.foreign[:] = [one for one in opened.foreign if not one.startswith(known)]

    def sign_in(self, page: Page, name: str, path: str = "/workspaces") -> None:
        page.goto(f"{self.web.url}{path}")
        page.get_by_role("link", name=f"Sign in with {NAME}").click()
        enter(page, name)


def _services(settings: Settings, data: Path) -> Any:
    return fake_services(data, settings=settings)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory, port = tmp_path_factory.mktemp("openid"), free_port()
    secret = directory / "secret"
    secret.write_text(CLIENT_SECRET)
    settings = load(
        {
            "data": directory / "data",
            "oidc_issuer": f"http://localhost:{port}",
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret_file": secret,
            "oidc_name": NAME,
            "oidc_scopes": "openid profile email groups",
            "oidc_roles": "ops=admin",
            "oidc_groups": "dev=developers",
            "oidc_new_users": "member",
        },
        {},
    )
    settings.data.mkdir()
    with running_web(settings.data, partial(_services, settings)) as web, openid_provider(port, web.url, PEOPLE) as one:
        yield Place(web, one)


def _note(seen: list[str], request: Request) -> None:
    seen.append(request.url)


def signed_in_as(page: Page, web: Web) -> dict[str, Any]:
    answer = page.context.request.get(f"{web.url}/api/nixos/session")
    return {name: one for name, one in answer.json().items() if name != "csrf_token"} if answer.ok else {}


def test_a_person_signs_in_and_their_groups_decide(place: Place, browser: Browser) -> None:
    with place.tab(browser) as one:
        place.sign_in(one.page, "ada", "/me")
        one.page.wait_for_url(f"{place.web.url}/me")
        expect(one.page.get_by_role("heading", name="Account", exact=True)).to_be_visible()
        assert signed_in_as(one.page, place.web) == {"name": "ada", "role": "admin"}
        expect(one.page.get_by_role("table", name=f"Sign-in with {NAME}")).to_contain_text("ada")
        with place.web.http() as admin:
            [group] = admin.get("/api/nixos/groups").json()["groups"]
            [user] = [one for one in admin.get("/api/nixos/users").json()["users"] if one["handle"] == "ada"]
        assert (group["name"], group["members"]) == ("developers", [user["id"]])
        assert user["display_name"] == "Ada Lovelace"
        place.provider.change({"ada": {**PEOPLE["ada"], "groups": []}})
        one.page.context.clear_cookies(name="nixws_session")
        one.page.goto(f"{place.web.url}/me")
        # The session at the provider goes on: one press is enough.
        one.page.get_by_role("link", name=f"Sign in with {NAME}").click()
        one.page.wait_for_url(f"{place.web.url}/me")
        assert signed_in_as(one.page, place.web) == {"name": "ada", "role": "member"}
        with place.web.http() as admin:
            assert [one["members"] for one in admin.get("/api/nixos/groups").json()["groups"]] == [[]]


def test_signing_out_here_leads_to_the_provider_and_back(place: Place, browser: Browser) -> None:
    with place.tab(browser) as one:
        place.sign_in(one.page, "bob")
        one.page.wait_for_url(f"{place.web.url}/workspaces")
        one.page.get_by_role("button", name="Menu").click()
        one.page.get_by_role("menuitem", name="Sign out").click()
        one.page.get_by_role("button", name="Yes, sign me out").click()
        one.page.wait_for_url(f"{place.web.url}/sign-in")
        assert signed_in_as(one.page, place.web) == {}
        one.page.get_by_role("link", name=f"Sign in with {NAME}").click()
        expect(one.page.get_by_placeholder("Enter any login")).to_be_visible()


def test_signing_out_at_the_provider_ends_every_session_here(place: Place, browser: Browser) -> None:
    with place.tab(browser) as one:
        place.sign_in(one.page, "cleo")
        one.page.wait_for_url(f"{place.web.url}/workspaces")
        other = one.page.context.new_page()
        began = time.monotonic()
        leave(other, place.provider)
        assert signed_in_as(one.page, place.web) == {}
        # The open page is told by its events socket, which ends with the session.
        one.page.wait_for_url("**/sign-in**")
        assert time.monotonic() - began < 20
        with place.web.http() as admin:
            entry = admin.get("/api/nixos/audit", params={"action": "sign-out"}).json()["entries"][0]
        assert (entry["actor"], entry["detail"]["by"]) == ("system", "openid")


def test_an_answer_that_is_replayed_is_told_of_in_both_languages(place: Place, browser: Browser) -> None:
    sentences = {
        "en-GB": "This sign-in was begun in another browser, was used already, or took too long. Begin again.",
        "de-DE": "Diese Anmeldung wurde in einem anderen Browser begonnen, schon benutzt oder hat zu lange gedauert. "
        "Beginnen Sie von vorn.",
    }
    for locale, sentence in sentences.items():
        with place.tab(browser, locale=locale, for_axe=True) as one:
            seen: list[str] = []
            one.page.on("request", partial(_note, seen))
            one.page.goto(f"{place.web.url}/oidc/sign-in?to=//evil.example/")
            enter(one.page, "bob")
            one.page.wait_for_url(f"{place.web.url}/workspaces")
            [callback] = [url for url in seen if "/oidc/callback?" in url]
            one.page.context.clear_cookies(name="nixws_session")
            one.page.goto(callback)
            expect(one.page.get_by_role("alert")).to_have_text(sentence)
            assert signed_in_as(one.page, place.web) == {}
            assert one.violations() == []


def test_a_forged_token_signs_nobody_in(place: Place, browser: Browser) -> None:
    """The provider is asked as ever, and knows the person; what it answers is not to be taken."""
    with place.tab(browser) as one:
        place.sign_in(one.page, "bob")
        one.page.wait_for_url(f"{place.web.url}/workspaces")
        taken = {}
        for how in FORGERIES:
            one.page.context.clear_cookies(name="nixws_session")
            place.provider.forge(how)
            one.page.goto(f"{place.web.url}/me")
            one.page.get_by_role("link", name=f"Sign in with {NAME}").click()
            one.page.wait_for_url("**/sign-in**")
            expect(one.page.get_by_role("alert")).to_contain_text("does not prove who you are")
            if who := signed_in_as(one.page, place.web):
                taken[how] = who
        assert taken == {}
        place.provider.forge(None)
        one.page.get_by_role("link", name=f"Sign in with {NAME}").click()
        one.page.wait_for_url(f"{place.web.url}/workspaces")


def test_a_provider_whose_clock_is_a_little_behind_is_trusted(place: Place, browser: Browser) -> None:
    with place.tab(browser) as one:
        place.provider.forge("clock skew")
        try:
            place.sign_in(one.page, "bob")
            one.page.wait_for_url(f"{place.web.url}/workspaces")
        finally:
            place.provider.forge(None)
        assert signed_in_as(one.page, place.web)["name"] == "bob"


def test_the_way_in_goes_by_the_keyboard_and_axe_finds_nothing(place: Place, browser: Browser) -> None:
    for theme in ("light", "dark"):
        with place.tab(browser, theme=theme, for_axe=True) as one:
            one.page.goto(f"{place.web.url}/sign-in")
            link = one.page.get_by_role("link", name=f"Sign in with {NAME}")
            expect(link).to_be_visible()
            assert one.violations() == []
            one.page.keyboard.press("Tab")
            expect(link).to_be_focused()
            one.page.keyboard.press("Enter")
            enter(one.page, "bob")
            one.page.wait_for_url(f"{place.web.url}/workspaces")
            one.open("/me")
            expect(one.page.get_by_role("table", name=f"Sign-in with {NAME}")).to_contain_text("bob")
            assert one.violations() == []


def test_a_local_user_connects_an_account(place: Place, browser: Browser) -> None:
    with place.web.http() as http:  # the last way to sign in would stay; a new password ends the sessions before it
        password = {"password": "four words that nobody says"}
        assert http.put("/api/nixos/me/password", json=password).is_success
    with place.tab(browser) as one, place.tab(browser) as other:
        one.sign_in(place.web.token)
        one.open("/me")
        one.page.get_by_role("button", name="Connect an account").click()
        enter(one.page, "dora")
        one.page.wait_for_url(f"{place.web.url}/me")
        expect(one.page.get_by_role("table", name=f"Sign-in with {NAME}")).to_contain_text("dora")
        place.sign_in(other.page, "dora")
        other.page.wait_for_url(f"{place.web.url}/workspaces")
        assert signed_in_as(other.page, place.web)["name"] == "admin"
        one.open("/me")
        one.page.get_by_role("button", name="Disconnect dora").click()
        expect(one.page.get_by_text("No account is connected.")).to_be_visible()
