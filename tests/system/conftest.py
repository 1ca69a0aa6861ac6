"""One service for all system tests: starting it is most of their time."""

from collections.abc import Iterator

import pytest
from system.service import Service, running_service


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with running_service() as running:
        yield running
