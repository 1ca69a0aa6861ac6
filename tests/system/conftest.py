"""One service for all system tests: starting it is most of their time. And a browser for those of a module."""

from collections.abc import Iterator

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


@pytest.fixture
def ui(browser: Browser, service: Service) -> Iterator[Tab]:
    with tab(browser, service.url) as opened:
        opened.sign_in(service.token)
        yield opened
