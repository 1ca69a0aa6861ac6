"""One service for all system tests: starting it is most of their time. And a browser for those of a module."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from system.browser import Tab, chromium, tab
from system.service import Service, running_service


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with running_service(NIXWS_SIGN_IN_ATTEMPTS="1000000") as running:  # requests with wrong credentials are played
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def session() -> list[Any]:
    """The cookies of a session that the pages of a module share, as windows of a browser do; empty before the first."""
    return []


@pytest.fixture
def ui(browser: Browser, service: Service, session: list[Any]) -> Iterator[Tab]:
    """A page at the list of workspaces; the sign-in page is gone through once a module, and after a signing out."""
    with tab(browser, service.url) as opened:
        opened.page.context.add_cookies(session)
        if opened.page.request.get(f"{service.url}/api/nixos/session").ok:
            opened.open("/workspaces")
        else:
            opened.sign_in(service.token)
            session[:] = opened.page.context.cookies()
        yield opened
