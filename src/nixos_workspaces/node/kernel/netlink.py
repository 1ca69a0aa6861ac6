"""The kernel's links, addresses, routes and routing rules: one socket of pyroute2, loaded without the rest of it.

pyroute2's package loads all of its sockets and a database of networks, 6 MB which the node has no use for. So only the
modules named here are loaded, into the bare package. An import of ``pyroute2`` afterwards gets the whole of it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys

_PACKAGE = "pyroute2"


def _load_bare() -> None:
    """Load this module's parts of the package without what the package's own beginning loads."""
    if _PACKAGE in sys.modules:
        return
    found = importlib.util.find_spec(_PACKAGE)
    assert found is not None, "pyroute2 is not installed"
    sys.modules[_PACKAGE] = importlib.util.module_from_spec(found)
    try:
        for name in ("iproute.linux", "netlink.exceptions"):
            importlib.import_module(f"{_PACKAGE}.{name}")
    finally:
        del sys.modules[_PACKAGE]


_load_bare()

from pyroute2.iproute.linux import IPRoute  # noqa: E402 - as is loaded above
from pyroute2.netlink.exceptions import NetlinkError  # noqa: E402

__all__ = ["IPRoute", "NetlinkError"]
