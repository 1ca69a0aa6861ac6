"""Connections to a TCP port of a running machine, made inside its own network.

They pass neither its firewall nor what it may reach outside, and find a program that listens on loopback only.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from nixos_workspaces.errors import Unavailable
from nixos_workspaces.node.kernel.listeners import listening_sockets
from nixos_workspaces.node.machines.runs import Run

_CONNECT_SECONDS = 5.0


async def connect_port(run: Run, port: int) -> socket.socket:
    """Return a connection to ``127.0.0.1``, else ``::1``, else to the address that a program listens on.

    Raises ``Unavailable`` (``port_closed``) when nothing answers, ``Conflict`` once the run is over.
    """
    for address in ("127.0.0.1", "::1"):
        if (connection := await _connected(run, address, port)) is not None:
            return connection
    for address in _own_addresses(run, port):
        if (connection := await _connected(run, address, port)) is not None:
            return connection
    message = f"Nothing answers on port {port} in the workspace; start the program that listens there."
    raise Unavailable(message, code="port_closed")


async def _connected(run: Run, address: str, port: int) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        connection = run.socket(family)
    except OSError:  # a kernel without IPv6
        return None
    try:
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(loop.sock_connect(connection, (address, port)), _CONNECT_SECONDS)
    except (OSError, TimeoutError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection


def _own_addresses(run: Run, port: int) -> list[str]:
    """Return the single addresses that programs listen on at a port, besides loopback's usual ones."""
    try:
        found = {one.address for one in listening_sockets(run.socket) if one.port == port}
    except OSError:
        return []
    single = (one for one in found if not ipaddress.ip_address(one).is_unspecified)
    return sorted(single)[:4]
