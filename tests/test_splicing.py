"""Bodies that the kernel passes on: whole, in turns of few threads, and to an end that leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from waiting import until

from nixos_workspaces.web.previews import splicing
from nixos_workspaces.web.previews.splicing import EndedEarlyError, splice

BYTES = 20_000_000


@contextmanager
def joined() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    with near, far:
        yield near, far


class Body:
    """A program that sends, the two sockets of the service, and a browser."""

    def __init__(self, stack: ExitStack) -> None:
        self.program, self.source = stack.enter_context(joined())
        self.sink, self.browser = stack.enter_context(joined())
        for one in (self.source, self.sink):
            one.setblocking(False)

    def splice(self, count: int) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(splice(self.source.fileno(), self.sink.fileno(), count))

    def sends(self, content: bytes) -> None:
        """Send beside the test, as long as it is read."""

        def send() -> None:
            try:
                self.program.sendall(content)
            except OSError:
                return

        threading.Thread(target=send, daemon=True).start()

    async def read(self, count: int) -> bytes:
        """Return so many bytes that the browser gets."""
        return await asyncio.to_thread(self.browser.recv, count, socket.MSG_WAITALL)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.mark.parametrize("turn", [splicing.TURN_SECONDS, 0.0001])
async def test_a_body_comes_whole_in_however_many_turns(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, turn: float
) -> None:
    monkeypatch.setattr(splicing, "TURN_SECONDS", turn)
    content, body = os.urandom(BYTES), Body(stack)
    body.sends(content + b"the next answer")
    task = body.splice(BYTES)
    assert await body.read(BYTES) == content
    await task
    assert body.source.recv(100, socket.MSG_PEEK) == b"the next answer"


async def test_who_does_not_read_or_send_holds_no_thread(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splicing, "_THREADS", stack.enter_context(ThreadPoolExecutor(1)))
    unread, silent = [Body(stack) for _ in range(3)], [Body(stack) for _ in range(3)]
    for one in unread:
        one.sends(bytes(BYTES))
    tasks = [one.splice(BYTES) for one in (*unread, *silent)]
    content, body = os.urandom(BYTES), Body(stack)
    body.sends(content)
    tasks.append(body.splice(BYTES))
    assert await body.read(BYTES) == content
    await tasks.pop()
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_browser_that_takes_nothing_is_given_up(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splicing, "UNREAD_SECONDS", 0.05)
    body = Body(stack)
    body.sends(bytes(BYTES))
    with pytest.raises(TimeoutError):
        await body.splice(BYTES)


async def test_either_end_that_goes_is_told(stack: ExitStack) -> None:
    body = Body(stack)
    task = body.splice(BYTES)
    body.program.sendall(b"short")
    body.program.close()
    with pytest.raises(EndedEarlyError):
        await task
    assert await body.read(5) == b"short"
    body = Body(stack)
    body.sends(bytes(BYTES))
    task = body.splice(BYTES)
    assert await body.read(1000) == bytes(1000)
    body.browser.close()
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        await task


async def test_a_body_that_is_given_up_stops_at_once_and_leaves_nothing_open(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even in the middle of a turn, which would last for as long as the body."""
    monkeypatch.setattr(splicing, "TURN_SECONDS", 1000)
    monkeypatch.setattr(splicing, "MOMENT_MS", 10)
    body = Body(stack)
    # The threads and what they need are there from now on.
    body.sends(bytes(1000))
    await body.splice(1000)
    assert await body.read(1000) == bytes(1000)
    before = _open()
    ends = threading.Event()

    def go_on() -> None:
        while not ends.is_set():
            try:
                body.program.sendall(bytes(1 << 16))
            except OSError:
                return

    sender = threading.Thread(target=go_on)
    sender.start()
    task = body.splice(1 << 40)
    assert await body.read(BYTES) == bytes(BYTES)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await asyncio.to_thread(until, "all is closed", lambda: _open() == before)
    body.sink.close()
    rest = await asyncio.to_thread(_rest, body.browser)
    assert rest < 64 << 20, "it ends with what was on its way"
    ends.set()
    body.source.close()
    sender.join(20)
    assert not sender.is_alive()


def _open() -> int:
    """Return how many files this process has open."""
    return len([*Path("/proc/self/fd").iterdir()])


def _rest(browser: socket.socket) -> int:
    """Return how many bytes come until the end."""
    count, buffer = 0, bytearray(1 << 20)
    while got := browser.recv_into(buffer):
        count += got
    return count
