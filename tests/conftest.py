"""Fixtures that are dear to make, made once for all tests that ask for them."""

import os
from collections.abc import Iterator

import pytest
from node_fixture import Node, build_toplevel, running_node

pytest_plugins = ("parallel", "stalls", "secret_traces")
os.environ.setdefault("NIXWS_UPLINK", "none")


@pytest.fixture(scope="session")
def toplevel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A system that boots, out of this tree's Nix files."""
    return build_toplevel(tmp_path_factory.mktemp("toplevel"))


@pytest.fixture(scope="session")
def node(toplevel: str) -> Iterator[Node]:
    """One node for all tests; a test that makes a workspace deletes it."""
    with running_node(toplevel) as running:
        yield running
