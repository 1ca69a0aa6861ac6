"""A local terminal attached to one in a workspace, across lost connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from nixos_workspaces.client.terminals import TerminalCalls
from nixos_workspaces.errors import Unavailable, WorkspacesError
from nixos_workspaces.schemas.terminals import TerminalInfo

PREFIX = 0x1D
"""Ctrl-]: followed by ``d`` it detaches, followed by itself it is typed."""
REPLAY_BYTES = 1 << 18
"""Output of the past that is shown first."""
RETRY_SECONDS = 60.0
_READ_BYTES = 1 << 16
_OFFSET_BYTES = 8
_LOST = frozenset({1001, 1005, 1006, 1012, 4429, 4503})
"""Close codes after which another try may help."""


class Keys:
    """Finds the detach key in what is typed, wherever it is cut."""

    def __init__(self) -> None:
        self.detached = False
        self._after_prefix = False

    def typed(self, data: bytes) -> bytes:
        """Return what goes to the terminal; nothing does after the detach key."""
        sent = bytearray()
        for byte in data:
            if self._after_prefix:
                self._after_prefix = False
                if byte in b"dD":
                    self.detached = True
                    break
                sent += bytes((byte,)) if byte == PREFIX else bytes((PREFIX, byte))
            elif byte == PREFIX:
                self._after_prefix = True
            else:
                sent.append(byte)
        return bytes(sent)


class Attachment:
    """One local terminal at one remote one; the exit code of its program, or None when the user detaches."""

    def __init__(self, calls: TerminalCalls, terminal: TerminalInfo, *, readonly: bool) -> None:
        self._calls = calls
        self._id = terminal.id
        self._offset = max(terminal.start, terminal.end - REPLAY_BYTES)
        self._readonly = readonly
        self._keys = Keys()
        self._old_until = terminal.end
        self._socket: ClientConnection | None = None
        self._exit: int | None = None
        self._error: tuple[str, str] | None = None
        self._typed: asyncio.Queue[bytes] = asyncio.Queue()
        self._over = asyncio.Event()

    async def run(self) -> int | None:
        """Pass on in both directions until the program ends or the user detaches; standard input is in raw mode."""
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), self._read)
        loop.add_signal_handler(signal.SIGWINCH, self._typed.put_nowait, b"")
        try:
            following = asyncio.create_task(self._follow())
            over = asyncio.create_task(self._over.wait())
            await asyncio.wait({following, over}, return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            if following.done():
                following.result()
            following.cancel()
            await asyncio.wait({following})
        finally:
            loop.remove_reader(sys.stdin.fileno())
            loop.remove_signal_handler(signal.SIGWINCH)
        return self._exit

    def _read(self) -> None:
        data = os.read(sys.stdin.fileno(), _READ_BYTES)
        sent = self._keys.typed(data)
        # What a replayed program asks the terminal has been answered before: the answers must not be typed again.
        if sent and not self._readonly and self._offset >= self._old_until:
            self._typed.put_nowait(sent)
        if self._keys.detached or not data:
            self._over.set()

    async def _follow(self) -> None:
        """Attach, and attach again where the output ends when the connection is lost."""
        loop = asyncio.get_running_loop()
        deadline, wait = loop.time() + RETRY_SECONDS, 0.1
        while True:
            before = self._offset
            try:
                if await self._once():
                    return
                failure: WorkspacesError = Unavailable("The connection to the terminal was lost; attach again.")
            except Unavailable as silent:
                failure = silent
            if self._offset > before:
                deadline, wait = loop.time() + RETRY_SECONDS, 0.1
            if loop.time() > deadline:
                raise failure
            await asyncio.sleep(wait)
            wait = min(2 * wait, 2.0)

    async def _once(self) -> bool:
        """Attach once; tells whether the program has ended, else the connection was lost."""
        size = window_size()
        ticket = await asyncio.to_thread(self._calls.ticket)
        attached = self._calls.attached(
            self._id, self._offset, size.columns, size.lines, readonly=self._readonly, ticket=ticket
        )
        async with attached as socket:
            typing = asyncio.create_task(self._type(socket))
            try:
                async for message in socket:
                    await self._show(socket, message)
            except ConnectionClosed:
                pass
            finally:
                typing.cancel()
                await asyncio.wait({typing})
        if self._exit is not None:
            return True
        if socket.close_code not in _LOST:
            code, message = self._error or ("closed", f"The service closed the terminal: {socket.close_reason}.")
            raise WorkspacesError(message, code=code)
        return False

    async def _show(self, socket: ClientConnection, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self._offset = int.from_bytes(message[:_OFFSET_BYTES], "big")
            await asyncio.to_thread(_write, message[_OFFSET_BYTES:])
            with contextlib.suppress(ConnectionClosed):  # what came before the end is still to be read
                await socket.send('{"type":"ack","frames":1}')
            return
        said = orjson.loads(message)
        match said["type"]:
            case "exit":
                self._exit = int(said["code"])
            case "error":
                self._error = (str(said["code"]), str(said["message"]))
            case _:
                pass

    async def _type(self, socket: ClientConnection) -> None:
        """Send what is typed; an empty piece says that the window has another size."""
        while True:
            data = await self._typed.get()
            with contextlib.suppress(ConnectionClosed):
                if data:
                    await socket.send(data)
                elif not self._readonly:
                    size = window_size()
                    await socket.send(
                        orjson.dumps({"type": "resize", "cols": size.columns, "rows": size.lines}).decode()
                    )


def window_size() -> os.terminal_size:
    """Return the local window's size; 80 by 24 where nobody has set one."""
    size = os.get_terminal_size(sys.stdin.fileno())
    return os.terminal_size((size.columns or 80, size.lines or 24))


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]


@contextlib.contextmanager
def raw_mode() -> Iterator[None]:
    """Pass every key on untouched while the block runs."""
    before = termios.tcgetattr(sys.stdin.fileno())
    tty.setraw(sys.stdin.fileno())
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)
