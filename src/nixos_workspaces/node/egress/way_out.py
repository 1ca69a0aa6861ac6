"""The way out of all workspaces of a node: uplink, rules and resolver, made, watched and taken away together."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

from nixos_workspaces.model.network import EgressRules
from nixos_workspaces.node.egress.addresses import Addresses
from nixos_workspaces.node.egress.enforcement import Enforcement
from nixos_workspaces.node.egress.names.judging import Judging
from nixos_workspaces.node.egress.reports import Packet, Reported, packet_of
from nixos_workspaces.node.egress.router import Router
from nixos_workspaces.node.egress.rules import DENIED, OBSERVED
from nixos_workspaces.node.egress.uplink import NAMESPACE_SETTING, Uplink
from nixos_workspaces.node.kernel.netlink import IPRoute
from nixos_workspaces.node.kernel.nfnetlink import packet_log, packets

if TYPE_CHECKING:
    from nixos_workspaces.node.egress.names.resolver import Resolver

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 2.0
_PAUSE_SECONDS = 1.0
_MOST_REPORTS_AT_ONCE = 256
_GROUPS = range(20_000, 60_000)
_NAME_SERVERS = Path("/etc/resolv.conf")
_MOST_NAME_SERVERS = 3


class WayOut:
    """One node's; ``open`` and ``close`` block and may be called from any thread."""

    def __init__(self, addresses: Addresses, setting: str, name_servers: Sequence[str], live: Path) -> None:
        """Lead out by the setting ``uplink``; raises ``InvalidInput`` for one that is none."""
        self.rules = Enforcement(addresses)
        self.reported = Reported()
        self._judging = Judging(addresses, self.rules, self.reported)
        self._addresses = addresses
        self._setting = setting
        self._name_servers = tuple(name_servers)
        self._router = Router(addresses, live)
        self._uplink = Uplink(setting, addresses, live / "uplink.json", self._router.ready)
        self._threads = ThreadPoolExecutor(2, "report")
        self._resolver: Resolver | None = None
        self._resolver_port = 0
        self._reports: socket.socket | None = None
        self._report_group = 0
        self._pending = 0

    @property
    def wanted(self) -> bool:
        """Whether workspaces are to have a way out."""
        return self._uplink.wanted

    @property
    def facts(self) -> tuple[str, str]:
        """The link that leads out, with its kind, and why there is none although one is wanted; both may be empty."""
        way, trouble = self._uplink.way, self._uplink.trouble
        if way is not None and not self._resolver_port:
            trouble = "the resolver of workspaces gets no port"
        return ("" if way is None else f"{way.link} ({way.kind})"), trouble

    def load(self, members: Mapping[int, EgressRules]) -> None:
        """Put the rules of the given workspaces in force, and nothing else."""
        self.rules.load(members)

    def open(self) -> None:
        """Lead out, where that is wanted; the gateway's address must be there."""
        if not self.wanted:
            self._uplink.close()  # of an earlier process, which had another setting
        else:
            self._open_reports()
            self._open_resolver()
            self._uplink.look()
        self._furnish()

    def release(self) -> None:
        """Leave what is not ours as it was; workspaces go on with what they have."""
        self._uplink.release()
        self._threads.shutdown()

    def close(self) -> None:
        """Take everything away; no workspace may run any more."""
        self._uplink.close()
        self._router.close()
        self.rules.remove()
        self._threads.shutdown()

    async def keep_running(self) -> None:
        """Answer questions, take reports, follow the uplink; ends only by cancellation."""
        if not self.wanted:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again(self._serve))
            tasks.create_task(self._again(self._read_reports))
            tasks.create_task(self._again(self._watch))
            tasks.create_task(self._again(self._end_parts))
            tasks.create_task(self._again(self._router.keep_running))

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception:  # noqa: BLE001 - workspaces go on with what they have
                _log.exception("a part of the way out failed; it is started again")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _serve(self) -> None:
        if not self._resolver_port:
            await asyncio.to_thread(self._open_resolver)
            await asyncio.to_thread(self._furnish)
        resolver = self._resolver
        if resolver is None or not self._resolver_port:
            return
        try:
            await resolver.serve()
        finally:
            resolver.close()
            self._resolver_port = 0

    async def _read_reports(self) -> None:
        reports = self._reports
        if reports is None:
            await asyncio.Event().wait()
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(reports, self._take_reports, reports)
        try:
            await asyncio.Event().wait()
        finally:
            loop.remove_reader(reports)

    def _take_reports(self, reports: socket.socket) -> None:
        for _ in range(16):
            try:
                received = reports.recv(1 << 16)
            except OSError:  # none is left, or too many came for the kernel to keep
                return
            for prefix, data in packets(received):
                packet = packet_of(data)
                if packet is not None and self._pending < _MOST_REPORTS_AT_ONCE:
                    self._pending += 1
                    done = asyncio.get_running_loop().run_in_executor(self._threads, self._report, prefix, packet)
                    done.add_done_callback(self._reported)

    def _report(self, prefix: str, packet: Packet) -> None:
        kind, number = prefix[:1], prefix[1:]
        member = self.rules.member(int(number)) if number.isdecimal() else None
        if kind in {DENIED, OBSERVED} and member is not None:
            name = member.resolved.name_of(packet.address)
            self.reported.take(int(number), packet, name, observed=kind == OBSERVED)

    def _reported(self, done: asyncio.Future[None]) -> None:
        self._pending -= 1
        if not done.cancelled() and done.exception() is not None:
            _log.error("a report could not be kept", exc_info=done.exception())

    async def _watch(self) -> None:
        while True:
            if await asyncio.to_thread(self._uplink.look):
                await asyncio.to_thread(self._furnish)
            self._judging.own = await asyncio.to_thread(_own_addresses)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _end_parts(self) -> None:
        """End entries and learning on time; whether a control plane runs makes no difference."""
        while True:
            seconds = self.rules.next_end()
            if seconds is not None and seconds <= 0:
                await asyncio.to_thread(self.rules.end_parts)
            else:
                await asyncio.sleep(_LOOK_SECONDS if seconds is None else min(seconds, _LOOK_SECONDS))

    def _open_resolver(self) -> None:
        """Take a port for the resolver; without one, workspaces are refused every name until it gets one."""
        # What reads and writes messages takes 4 MB, which a node without a way out is spared.
        from nixos_workspaces.node.egress.names.resolver import Resolver

        self._resolver = Resolver(self._judging, self._upstream, self._addresses.gateway, self._threads)
        try:
            self._resolver_port = self._resolver.bind()
        except OSError as failed:
            _log.warning("the resolver of workspaces gets no port yet: %s", failed)

    def _open_reports(self) -> None:
        """Take a group of the packet log that nobody reads."""
        if self._reports is not None:
            return
        first = self._addresses.number % len(_GROUPS)
        for offset in range(16):
            group = _GROUPS[(first + offset) % len(_GROUPS)]
            with suppress(OSError):
                self._reports = packet_log(group)
                self._report_group = group
                return
        _log.warning("this kernel gives no packet log: connections that are refused are not listed")

    def _furnish(self) -> None:
        self.rules.furnish(self._uplink.way, self._resolver_port, self._report_group)

    def _upstream(self) -> Sequence[str]:
        """Return the name servers to ask: those of the setting, of the namespace, or this machine's."""
        if self._name_servers:
            return self._name_servers
        of_namespace = Path("/etc/netns", self._setting.removeprefix(NAMESPACE_SETTING), "resolv.conf")
        is_namespace = self._setting.startswith(NAMESPACE_SETTING)
        path = of_namespace if is_namespace and of_namespace.exists() else _NAME_SERVERS
        return name_servers_in(path.read_text(errors="replace"))


def name_servers_in(text: str) -> tuple[str, ...]:
    """Return the IPv4 name servers that a ``resolv.conf`` names; source: resolv.conf(5)."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            with suppress(ValueError):
                found.append(str(IPv4Address(words[1])))
    return tuple(found[:_MOST_NAME_SERVERS])


def _own_addresses() -> frozenset[str]:
    with IPRoute() as netlink:
        return frozenset(str(one.get("address")) for one in netlink.get_addr(family=2))
