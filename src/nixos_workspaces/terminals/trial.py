"""A terminal that the service opens for itself, to see whether a workspace's terminals answer."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

from nixos_workspaces.errors import LimitExceeded, Unavailable, WorkspacesError
from nixos_workspaces.model.terminals import Start, Terminal
from nixos_workspaces.terminals import protocol
from nixos_workspaces.terminals.link import Link, LinkOwner, Route, error_of, open_link

COMMAND = "TMOUT=30; read -r nixws_trial"
"""By this command, for which nobody has a use, a terminal of a trial is known: it is listed to nobody.

It ends by itself should the service be killed.
"""

_CREDIT = 1 << 16
_LEFT_AFTER = timedelta(minutes=1)
"""Age at which a trial's terminal counts as left by a service that was killed."""


async def try_terminal(route: Route, workspace_id: str) -> None:
    """Open a terminal, type a word, see it echoed, and close it again; raise an error of ours where that fails.

    Answers are waited for until the caller cancels: the terminal is closed then too.
    It is the kernel of the workspace that echoes: neither the user's shell nor its start-up files need be well. A
    workspace that has all the terminals it may have has answered. Terminals that an earlier trial left are closed.
    """
    trial = _Trial()
    begin = protocol.list_terminals() + protocol.open_terminal(Start(80, 24, COMMAND), token=0, credit=_CREDIT)
    try:
        trial.link = await open_link(route, workspace_id, trial.owner, first=begin)
        await trial.echoed()
        await trial.close()
    except LimitExceeded:
        return
    finally:
        trial.end()


class _Trial:
    """The terminal of one trial."""

    def __init__(self) -> None:
        self.owner = LinkOwner(self._on_data, self._on_frame, self._fail)
        self.link: Link | None = None
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._word = secrets.token_hex(8).encode()
        self._open: list[str] = []
        """Terminals that are to be closed: this trial's, and those that earlier ones left."""
        self._has_echoed = False
        self._closing = 0
        """Answers that are due to requests to close."""
        self._received = 0
        self._last = b""

    async def echoed(self) -> None:
        """Wait until what was typed came back."""
        await self._answer
        self._has_echoed = True

    async def close(self) -> None:
        """Close the terminals, and return once the holder has said so."""
        self._answer = asyncio.get_running_loop().create_future()
        self._closing = len(self._open)
        while self._open:
            self._write(protocol.close(self._open.pop()))
        await self._answer

    def end(self) -> None:
        """Close what is still open, without waiting, and let go of the link."""
        if self._answer.done() and not self._answer.cancelled():
            self._answer.exception()
        self._answer.cancel()
        for terminal_id in self._open:
            self._write(protocol.close(terminal_id))
        if self.link is not None:
            self.link.close()

    def _write(self, frame: bytes) -> None:
        if self.link is not None:
            self.link.write(frame)

    def _on_data(self, data: bytes) -> None:
        self._received += len(data)
        self._write(protocol.acknowledge(self._received))
        self._last = (self._last + data)[-len(self._word) - len(data) :]
        if self._word in self._last and not self._has_echoed:
            self._succeed()

    def _on_frame(self, frame: protocol.Frame) -> None:
        match frame:
            case Terminal():
                if frame.command == COMMAND and datetime.now(UTC) - frame.created_at > _LEFT_AFTER:
                    self._open.append(frame.id)
            case protocol.Attached():
                self._open.append(frame.terminal_id)
                self._write(protocol.input_bytes(0, self._word))
            case protocol.Done() | protocol.Refused(reason=protocol.Refusal.NO_TERMINAL) if self._closing:
                self._closing -= 1
                if not self._closing:
                    self._succeed()
            case protocol.Exited() if not self._has_echoed:
                self._fail(Unavailable("Its program ended at once.", code="terminal_ended"))
            case protocol.Refused():
                self._fail(error_of(frame))
            case _:
                pass

    def _succeed(self) -> None:
        if not self._answer.done():
            self._answer.set_result(None)

    def _fail(self, error: WorkspacesError) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)
