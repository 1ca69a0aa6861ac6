"""The only resolver that workspaces have: it answers the names that the rules of each allow, and opens their addresses.

The addresses of an answer are in the workspace's rules before it hears of them. A name that it may not ask for goes to
nobody, so that no message leaves in it. The packet filter bounds how often each asks; here is bounded how much is under
way.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Protocol

import dns.message

from nixos_workspaces.node.egress.names import messages
from nixos_workspaces.node.egress.names.messages import Found, Question

_log = logging.getLogger(__name__)
_ANSWER_SECONDS = 2.0
_MOST_AT_ONCE, _MOST_OF_ONE = 512, 64
_MOST_STREAMS_OF_ONE = 8
_STREAM_SECONDS = 5.0
_LENGTH = struct.Struct(">H")
_LONGEST_STREAMED = 65535
_DNS_PORT = 53
Address = tuple[str, int]


class Judge(Protocol):
    """Decides for the resolver."""

    def allows(self, source: str, name: str) -> bool:
        """Tell whether the workspace with an address may ask for a name."""

    def reaches_all(self, source: str) -> bool:
        """Tell whether a workspace may ask for records of every kind."""

    def permits(self, addresses: Sequence[str]) -> bool:
        """Tell whether no address is this machine's, a private one or another workspace's."""

    def open(self, source: str, name: str, addresses: Sequence[str], ttl: int) -> None:
        """Put a name's addresses into a workspace's rules before it hears of them."""

    def refused(self, source: Address, name: str, address: str) -> None:
        """Report a refused question, with the address that was the reason, if one was; it may block."""


class Resolver:
    """Answers on one address, by datagrams and streams."""

    def __init__(
        self, judge: Judge, upstream: Callable[[], Sequence[str]], bound: str, threads: ThreadPoolExecutor
    ) -> None:
        """Ask the name servers that ``upstream`` returns, from the address ``bound``; report in ``threads``."""
        self._judge = judge
        self._upstream = upstream
        self._bound = bound
        self._threads = threads
        self._sockets: list[socket.socket] = []
        self._busy: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def bind(self) -> int:
        """Take a port of the bound address for datagrams and streams, and return it; raises ``OSError``."""
        for _ in range(20):
            stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            self._sockets = [datagrams, stream]
            try:
                stream.bind((self._bound, 0))
                stream.listen(64)
                datagrams.bind(stream.getsockname())
            except OSError:
                self.close()
            else:
                return int(stream.getsockname()[1])
        raise OSError

    def close(self) -> None:
        """Let go of the port."""
        for one in self._sockets:
            one.close()
        self._sockets = []

    async def serve(self) -> None:
        """Answer until cancelled."""
        datagrams, stream = self._sockets
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._streamed, sock=stream, limit=1 << 12)
        loop.add_reader(datagrams, self._arrived, datagrams)
        try:
            await server.serve_forever()
        finally:
            loop.remove_reader(datagrams)
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _arrived(self, datagrams: socket.socket) -> None:
        for _ in range(32):
            try:
                data, source = datagrams.recvfrom(messages.LONGEST_QUESTION + 1)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as failed:
                _log.debug("a question could not be read: %s", failed)
                return
            if self._busy[source[0]] >= _MOST_OF_ONE or len(self._tasks) >= _MOST_AT_ONCE:
                continue  # it is asked again
            task = asyncio.create_task(self._datagram(datagrams, data, source))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _datagram(self, datagrams: socket.socket, data: bytes, source: Address) -> None:
        question = messages.question_of(data)
        if question is None:
            return
        answer = await self._counted(question, source, messages.room_for(question))
        with suppress(OSError):
            datagrams.sendto(answer, source)

    async def _streamed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source: Address = writer.get_extra_info("peername")[:2]
        self._streams[source[0]] += 1
        try:
            if self._streams[source[0]] <= _MOST_STREAMS_OF_ONE:
                await self._dialogue(reader, writer, source)
        except (OSError, EOFError, TimeoutError):
            pass
        finally:
            self._streams[source[0]] -= 1
            writer.close()

    async def _dialogue(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: Address) -> None:
        while True:
            async with asyncio.timeout(_STREAM_SECONDS):
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                question = messages.question_of(await reader.readexactly(min(length, messages.LONGEST_QUESTION + 1)))
            if question is None:
                return
            answer = await self._counted(question, source, _LONGEST_STREAMED)
            writer.write(_LENGTH.pack(len(answer)) + answer)
            async with asyncio.timeout(_STREAM_SECONDS):
                await writer.drain()

    async def _counted(self, question: Question, source: Address, longest: int) -> bytes:
        self._busy[source[0]] += 1
        try:
            return await self._answer(question, source, longest)
        except Exception:  # noqa: BLE001 - a strange message must not end the resolver
            _log.exception("a question could not be answered")
            return messages.failed(question, longest)
        finally:
            self._busy[source[0]] -= 1
            if not self._busy[source[0]]:
                del self._busy[source[0]]

    async def _answer(self, question: Question, source: Address, longest: int) -> bytes:
        workspace = source[0]
        if not self._judge.allows(workspace, question.name):
            await self._report(source, question.name, "")
            return messages.blocked(question, longest)
        passed_on = question.is_forwarded and self._judge.reaches_all(workspace)
        if not (question.is_for_addresses or passed_on):
            return messages.nothing(question, longest)
        found = await self._ask(question)
        if found is None:
            return messages.failed(question, longest)
        addresses = messages.addresses_in(found.records)
        if not self._judge.permits(addresses):
            await self._report(source, question.name, addresses[0])
            return messages.blocked(question, longest)
        if found.addresses:
            # The rules may have changed meanwhile: those of now count.
            self._judge.open(workspace, question.name, found.addresses, found.ttl)
        return messages.answered(question, found, longest)

    async def _report(self, source: Address, name: str, address: str) -> None:
        """Report before the answer: whoever asked still waits, and can be found."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._judge.refused, source, name, address)

    async def _ask(self, question: Question) -> Found | None:
        """Return the first answer of a name server; None if none answers in time."""
        asked = messages.asking(question)
        wire = asked.to_wire()
        for server in self._upstream():
            with suppress(OSError, TimeoutError, EOFError):
                async with asyncio.timeout(_ANSWER_SECONDS):
                    found = await self._by_datagram(asked, wire, server)
                    if found is not None:
                        return found
                    return await self._by_stream(asked, wire, server)
        return None

    async def _by_datagram(self, asked: dns.message.Message, wire: bytes, server: str) -> Found | None:
        """Ask by a datagram from a port of its own; None where the answer does not fit into one."""
        loop = asyncio.get_running_loop()
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with closing(socket.socket(socket.AF_INET, kind)) as asking:
            asking.bind((self._bound, 0))
            asking.connect((server, _DNS_PORT))
            await loop.sock_sendall(asking, wire)
            while True:
                data = await loop.sock_recv(asking, _LONGEST_STREAMED)
                if data[:2] != wire[:2]:
                    continue
                if messages.is_cut_off(data):
                    return None
                found = messages.found_of(asked, data)
                if found is not None:
                    return found

    async def _by_stream(self, asked: dns.message.Message, wire: bytes, server: str) -> Found | None:
        reader, writer = await asyncio.open_connection(server, _DNS_PORT, local_addr=(self._bound, 0))
        try:
            writer.write(_LENGTH.pack(len(wire)) + wire)
            (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            return messages.found_of(asked, await reader.readexactly(length))
        finally:
            writer.close()
