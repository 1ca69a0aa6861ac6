"""A namespace of the node's own with ``pasta`` in it: a way out for which nothing of this machine's network changes.

Packets are forwarded and translated inside, and ``pasta`` makes ordinary sockets of them. Source: passt(1).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
from pathlib import Path

from nixos_workspaces.node.egress.addresses import Addresses
from nixos_workspaces.node.egress.uplink import forwarding, inside
from nixos_workspaces.node.kernel.firewall import Firewall
from nixos_workspaces.node.kernel.mounts import detach_all
from nixos_workspaces.node.kernel.namespaces import pin_network_namespace

_log = logging.getLogger(__name__)
_STOP_SECONDS = 2.0
_LOOK_SECONDS = 0.2
_LONGEST_PAUSE = 30.0
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""Ends it with the node, also with one that is killed."""
_OPTIONS = ("--foreground", "--quiet", "--config-net", "--no-map-gw", "-t", "none", "-u", "none", "-T", "none", "-U")
"""Nothing of this machine is reachable through it, and nobody reaches what is inside."""


class Router:
    """The namespace, made when it is asked for first."""

    def __init__(self, addresses: Addresses, live: Path) -> None:
        """Pin the namespace below ``live``."""
        self._addresses = addresses
        self._pin = live / "router"
        self._asked = False

    def ready(self) -> Path | None:
        """Return the namespace; None where this machine has no ``pasta``."""
        if shutil.which("pasta") is None:
            return None
        if not os.path.ismount(self._pin):
            self._pin.touch(mode=0o600)
            pin_network_namespace(self._pin)
        self._asked = True
        return self._pin

    async def keep_running(self) -> None:
        """Keep ``pasta`` running once the namespace was asked for; ends only by cancellation."""
        pause = 1.0
        while True:
            while not self._asked:  # noqa: ASYNC110 - it is told by another thread
                await asyncio.sleep(_LOOK_SECONDS)
            loop = asyncio.get_running_loop()
            began = loop.time()
            child = await asyncio.create_subprocess_exec(
                *(*_WITH_US, "pasta", *_OPTIONS, "none", "--netns-only", "--netns", str(self._pin), "--runas", "0"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                waiting = asyncio.create_task(child.wait())
                while not await asyncio.to_thread(self._furnish) and not waiting.done():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                code = await waiting
            finally:
                await _end(child)
            _log.warning("pasta ended with %s; it is started again", code)
            pause = 1.0 if loop.time() - began > _LONGEST_PAUSE else min(2 * pause, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    def close(self) -> None:
        """Remove the namespace."""
        if os.path.ismount(self._pin):
            detach_all(self._pin)
        self._pin.unlink(missing_ok=True)

    def _furnish(self) -> bool:
        """Forward and translate inside; return whether ``pasta`` has made its link."""
        there = os.open(self._pin, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with inside(there) as netlink:
                outer = [one.get("oif") for one in netlink.get_routes(family=2) if one["dst_len"] == 0]
                if not outer or outer[0] is None:
                    return False
                name = str(next(iter(netlink.get_links(outer[0]))).get("ifname"))
                forwarding(name).write_text("1")
                with contextlib.closing(Firewall()) as firewall:
                    firewall.run(_translation(self._addresses, name))
            return True
        finally:
            os.close(there)


def _translation(addresses: Addresses, link: str) -> list[dict[str, object]]:
    """Return the commands that give what leaves by a link the link's address, and another port.

    ``pasta`` takes the port of a datagram for its own socket, which the resolver's has already on this machine.
    """
    translated = {"masquerade": {"flags": "fully-random"}}
    table = {"family": "ip", "name": addresses.table}
    ours = {"family": "ip", "table": addresses.table}
    leaves = {"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": link}}
    place = {"name": "leave", "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}
    return [
        {"add": {"table": table}},
        {"delete": {"table": table}},
        {"add": {"table": table}},
        {"add": {"chain": ours | place}},
        {"add": {"rule": ours | {"chain": "leave", "expr": [leaves, translated]}}},
    ]


async def _end(child: asyncio.subprocess.Process) -> None:
    """End a program, by force if it does not end soon."""
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(child.wait(), _STOP_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
