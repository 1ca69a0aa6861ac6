"""The default engine: a client of this machine's node (``nixos_workspaces.node``)."""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from nixos_workspaces.errors import InvalidInput, RuntimeFailed, Unavailable
from nixos_workspaces.logs.context import request_id
from nixos_workspaces.model.automation.activity import Activity
from nixos_workspaces.model.machine import Capabilities, MachineSpec, Observed, Resources, Usage
from nixos_workspaces.model.network import DeniedConnection, EgressRules
from nixos_workspaces.model.reach.ports import Listener
from nixos_workspaces.model.usage import Program
from nixos_workspaces.node import protocol
from nixos_workspaces.node.egress import wire

T = TypeVar("T")

_STRANGE = "The node's answer cannot be read: it is of another version than the service. Restart both."
_DESCRIPTOR = struct.Struct("=i")


class _Node:
    """Calls of this machine's node. Each has a connection of its own, so the node may restart between any two."""

    def __init__(self, path: Path, *, silence: float = protocol.SILENCE_SECONDS) -> None:
        """Call the node on a Unix socket and take it for dead after ``silence`` seconds without a sign of life."""
        self._path = path
        self._silence = silence

    async def _call(self, method: str, **parameters: Any) -> Any:
        result, _ = await self._exchange(method, parameters)
        return result

    async def _exchange(
        self, method: str, parameters: dict[str, Any], decode: Callable[[bytes], dict[str, Any]] = protocol.decode
    ) -> tuple[Any, socket.socket | None]:
        """Make one call; raises the error that the node answered, or ``Unavailable`` when it does not."""
        loop = asyncio.get_running_loop()
        with (
            ExitStack() as handed_over,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection,
        ):
            connection.setblocking(False)
            try:
                async with asyncio.timeout(self._silence):
                    await loop.sock_connect(connection, str(self._path))
                    request = {"method": method, "parameters": parameters, "request_id": request_id()}
                    await loop.sock_sendall(connection, protocol.encode(request))
                answer, received = await self._answer(connection, handed_over)
            except (OSError, TimeoutError, EOFError) as silent:
                message = "The node does not answer. Start it (nixws node), or look at its log."
                raise Unavailable(message, code="node_unavailable") from silent
            told = _read(lambda: decode(answer))
            if "error" in told:
                raise _read(lambda: protocol.error_from_wire(told["error"]))
            result = _read(lambda: told["result"])
            handed_over.pop_all()
            return result, received

    async def _answer(self, connection: socket.socket, handed_over: ExitStack) -> tuple[bytes, socket.socket | None]:
        """Return the first frame that holds something; the node's signs of life are empty ones.

        The socket that may come with it is closed with ``handed_over``.
        """
        received: socket.socket | None = None
        while True:
            async with asyncio.timeout(self._silence):
                header, descriptor = await _first(connection)
                if descriptor is not None:
                    received = handed_over.enter_context(descriptor)
                header += await _exactly(connection, protocol.HEADER.size - len(header))
                (length,) = protocol.HEADER.unpack(header)
                if length > protocol.MAX_ANSWER:
                    raise EOFError
                if length:
                    return await _exactly(connection, length), received


@dataclass(frozen=True, slots=True)
class _Page:
    """Some of the node's machines, with the answer that they were read from."""

    answer: bytes
    machines: tuple[Observed, ...]
    next: str | None
    """The id after which the next page begins; None on the last one."""


class _LocalMachines(_Node):
    """``Machines`` of this machine's node."""

    _pages: Mapping[str, _Page] = MappingProxyType({})
    """The last list, by the id after which each page begins."""

    async def capabilities(self) -> Capabilities:
        """See ``Machines``."""
        answer = await self._call("info")
        return _read(lambda: Capabilities(**answer))

    async def create(self, spec: MachineSpec) -> None:
        """See ``Machines``."""
        await self._call("create", **protocol.spec_to_wire(spec))

    async def start(self, spec: MachineSpec) -> Observed:
        """See ``Machines``."""
        answer = await self._call("start", **protocol.spec_to_wire(spec))
        return _read(lambda: protocol.observed_from_wire(answer))

    async def stop(self, workspace_id: str, grace_seconds: float = 10.0) -> None:
        """See ``Machines``."""
        await self._call("stop", workspace_id=workspace_id, grace_seconds=grace_seconds)

    async def delete(self, workspace_id: str) -> None:
        """See ``Machines``."""
        await self._call("delete", workspace_id=workspace_id)

    async def observe(self, workspace_id: str) -> Observed:
        """See ``Machines``."""
        answer = await self._call("observe", workspace_id=workspace_id)
        return _read(lambda: protocol.observed_from_wire(answer))

    async def list(self) -> Sequence[Observed]:
        """See ``Machines``."""
        found: list[Observed] = []
        pages: dict[str, _Page] = {}
        after: str | None = ""
        while after is not None:
            told, _ = await self._exchange("list", {"after": after}, partial(self._read_page, after))
            page: _Page = told
            if page.next is not None and page.next <= after:
                raise Unavailable(_STRANGE, code="node_protocol")
            pages[after] = page
            found += page.machines
            after = page.next
        self._pages = pages
        return found

    def _read_page(self, after: str, answer: bytes) -> dict[str, Any]:
        """Return a page of machines; the last one again if it is the same to the letter, as most are."""
        before = self._pages.get(after)
        if before is not None and before.answer == answer:
            return {"result": before}
        told = protocol.decode(answer)
        if "error" in told:
            return told
        result = told["result"]
        machines = tuple(protocol.observed_from_wire(seen) for seen in result["machines"])
        return {"result": _Page(answer, machines, None if result["next"] is None else str(result["next"]))}

    async def resize(self, workspace_id: str, resources: Resources) -> None:
        """See ``Machines``."""
        wanted = protocol.resources_to_wire(resources)
        await self._call("resize", workspace_id=workspace_id, resources=wanted)

    async def pause(self, workspace_id: str) -> None:
        """See ``Machines``."""
        await self._call("pause", workspace_id=workspace_id)

    async def resume(self, workspace_id: str) -> None:
        """See ``Machines``."""
        await self._call("resume", workspace_id=workspace_id)


class _LocalFigures(_Node):
    """``MachineFigures`` of this machine's node."""

    async def usage(self, workspace_id: str) -> Usage:
        """See ``MachineFigures``."""
        answer = await self._call("usage", workspace_id=workspace_id)
        return _read(lambda: protocol.usage_from_wire(answer))

    async def usage_all(self) -> Mapping[str, Usage]:
        """See ``MachineFigures``."""
        found: dict[str, Usage] = {}
        after: str | None = ""
        while after is not None:
            told, _ = await self._exchange("usage_all", {"after": after}, _as_received)
            # In a thread: those of 500 machines take longer than a keystroke should wait.
            usages, last = await asyncio.to_thread(_read_usages, told)
            found |= usages
            if last is not None and last <= after:
                raise Unavailable(_STRANGE, code="node_protocol")
            after = last
        return found

    async def programs(self, workspace_id: str) -> Sequence[Program]:
        """See ``MachineFigures``."""
        answer = await self._call("programs", workspace_id=workspace_id)
        return _read(lambda: tuple(Program(**one) for one in answer))

    async def activity(self, workspace_id: str) -> Activity:
        """See ``MachineFigures``."""
        answer = await self._call("activity", workspace_id=workspace_id)
        return _read(lambda: protocol.activity_from_wire(answer))


class _LocalAccess(_Node):
    """``MachineAccess`` to the machines of this machine's node."""

    async def connect(self, workspace_id: str, port: int) -> socket.socket:
        """See ``MachineAccess``."""
        _, received = await self._exchange("connect", {"workspace_id": workspace_id, "port": port})
        if received is None:
            raise RuntimeFailed("The node handed no connection over.", code="node_protocol")
        received.setblocking(False)
        return received

    async def connect_holder(self, workspace_id: str) -> socket.socket | None:
        """See ``MachineAccess``."""
        _, received = await self._exchange("connect_holder", {"workspace_id": workspace_id})
        if received is not None:
            received.setblocking(False)
        return received

    async def listening(self, workspace_id: str) -> Sequence[Listener]:
        """See ``MachineAccess``."""
        answer = await self._call("listening", workspace_id=workspace_id)
        return _read(lambda: tuple(protocol.listener_from_wire(one) for one in answer))

    async def open_ports(self, workspace_id: str, ports: Sequence[int]) -> None:
        """See ``MachineAccess``."""
        await self._call("open_ports", workspace_id=workspace_id, ports=[*ports])

    async def authorise(self, workspace_id: str, keys: Sequence[str], host_certificate: str) -> None:
        """See ``MachineAccess``."""
        told = {"authorized_keys": [*keys], "host_certificate": host_certificate}
        await self._call("authorise", workspace_id=workspace_id, **told)

    async def boot_log(self, workspace_id: str, offset: int = 0) -> bytes:
        """See ``MachineAccess``."""
        answer = await self._call("boot_log", workspace_id=workspace_id, offset=offset)
        return _read(lambda: base64.b64decode(answer))

    async def log(self) -> Sequence[str]:
        """See ``MachineAccess``."""
        answer = await self._call("log")
        return _read(lambda: [str(line) for line in answer])

    async def close(self) -> None:
        """See ``MachineAccess``; there is nothing to release."""


class _LocalEgress(_Node):
    """``Egress`` of this machine's node."""

    async def set_egress(self, workspace_id: str, rules: EgressRules) -> None:
        """See ``Egress``."""
        await self._call("set_egress", workspace_id=workspace_id, rules=wire.rules_to_wire(rules))

    async def denied(self, workspace_id: str, since: datetime | None = None) -> Sequence[DeniedConnection]:
        """See ``Egress``."""
        return await self._reports("denied", workspace_id, since)

    async def observed(self, workspace_id: str, since: datetime | None = None) -> Sequence[DeniedConnection]:
        """See ``Egress``."""
        return await self._reports("observed", workspace_id, since)

    async def _reports(self, verb: str, workspace_id: str, since: datetime | None) -> Sequence[DeniedConnection]:
        moment = None if since is None else since.isoformat()
        answer = await self._call(verb, workspace_id=workspace_id, since=moment)
        return _read(lambda: wire.reports_from_wire(answer))


class LocalRuntime(_LocalMachines, _LocalFigures, _LocalAccess, _LocalEgress):
    """A ``Runtime`` whose machines run on this machine's node."""


def _as_received(answer: bytes) -> dict[str, Any]:
    return {"result": answer}


def _read_usages(answer: bytes) -> tuple[dict[str, Usage], str | None]:
    """Return the figures of one page, and the id after which the next one begins."""
    told = _read(lambda: protocol.decode(answer))
    if "error" in told:
        raise _read(lambda: protocol.error_from_wire(told["error"]))
    result = _read(lambda: told["result"])
    usages = _read(lambda: {one: protocol.usage_from_wire(usage) for one, usage in result["usage"].items()})
    return usages, _read(lambda: None if result["next"] is None else str(result["next"]))


def _read(read: Callable[[], T]) -> T:
    """Parse the node's answer with ``read``; ``Unavailable`` where it does not have the expected form."""
    try:
        return read()
    except (InvalidInput, AttributeError, LookupError, TypeError, ValueError) as strange:
        raise Unavailable(_STRANGE, code="node_protocol") from strange


async def _first(connection: socket.socket) -> tuple[bytes, socket.socket | None]:
    """Read a frame's first byte and the descriptor that may lie beside it."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    # Not socket.recv_fds: before Python 3.13 it drops the flag, and children would inherit the connection.
    data, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_LEN(_DESCRIPTOR.size), socket.MSG_CMSG_CLOEXEC)
    if not data:
        raise EOFError
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            return data, socket.socket(fileno=_DESCRIPTOR.unpack(content)[0])
    return data, None


async def _exactly(connection: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = bytearray()
    while len(data) < count:
        chunk = await loop.sock_recv(connection, count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)
