"""The default engine: a client of this machine's node (``nixos_workspaces.node``)."""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from nixos_workspaces.errors import InvalidInput, RuntimeFailed, Unavailable
from nixos_workspaces.model.machine import Capabilities, MachineSpec, Observed, Resources, Usage
from nixos_workspaces.node import protocol

T = TypeVar("T")

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

    async def _exchange(self, method: str, parameters: dict[str, Any]) -> tuple[Any, socket.socket | None]:
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
                    request = {"method": method, "parameters": parameters}
                    await loop.sock_sendall(connection, protocol.encode(request))
                answer, received = await self._answer(connection, handed_over)
            except (OSError, TimeoutError, EOFError) as silent:
                message = "The node does not answer. Start it (nixws node), or look at its log."
                raise Unavailable(message, code="node_unavailable") from silent
            told = _read(lambda: protocol.decode(answer))
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


class _LocalMachines(_Node):
    """``Machines`` of this machine's node."""

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
        answer = await self._call("list")
        return _read(lambda: [protocol.observed_from_wire(seen) for seen in answer])

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


class _LocalAccess(_Node):
    """``MachineAccess`` to the machines of this machine's node."""

    async def usage(self, workspace_id: str) -> Usage:
        """See ``MachineAccess``."""
        answer = await self._call("usage", workspace_id=workspace_id)
        return _read(lambda: Usage(**answer))

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

    async def boot_log(self, workspace_id: str, offset: int = 0) -> bytes:
        """See ``MachineAccess``."""
        answer = await self._call("boot_log", workspace_id=workspace_id, offset=offset)
        return _read(lambda: base64.b64decode(answer))

    async def close(self) -> None:
        """See ``MachineAccess``; there is nothing to release."""


class LocalRuntime(_LocalMachines, _LocalAccess):
    """A ``Runtime`` whose machines run on this machine's node."""


def _read(read: Callable[[], T]) -> T:
    """Parse the node's answer with ``read``; ``Unavailable`` where it does not have the expected form."""
    try:
        return read()
    except (InvalidInput, AttributeError, LookupError, TypeError, ValueError) as strange:
        raise Unavailable(
            "The node's answer cannot be read: it is of another version than the service. Restart both.",
            code="node_protocol",
        ) from strange


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
