"""One client attached to one terminal, across lost connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from typing_extensions import override

from nixos_workspaces.errors import Conflict, Forbidden, InvalidInput, Unavailable, WorkspacesError
from nixos_workspaces.model.terminals import Start
from nixos_workspaces.terminals import protocol
from nixos_workspaces.terminals.input import Input
from nixos_workspaces.terminals.input_activity import InputActivity
from nixos_workspaces.terminals.link import Link, LinkOwner, error_of
from nixos_workspaces.terminals.output import (
    COURTEOUS_CREDIT_BYTES,
    CREDIT_BYTES,
    OBSERVER_CREDIT_BYTES,
    Control,
    Failed,
    Output,
    Received,
    TerminalClient,
)
from nixos_workspaces.terminals.people.companies import Calls, Seat
from nixos_workspaces.terminals.people.company import PresenceOf
from nixos_workspaces.terminals.watching.feed import REST_SECONDS, ROUND_BYTES, Feed, Observer
from nixos_workspaces.terminals.watching.turns import Waiting

ATTACH_SECONDS = 10.0
MOST_CELLS = 4096
"""Columns or rows of a terminal; the holder's own bound."""
RECONNECT_DELAYS = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)

OpenLink = Callable[[LinkOwner, bytes], Awaitable[Link]]


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How a client wants its output, and whether it repeats input."""

    text: bool
    """Output is cut between characters only, as far as it is UTF-8."""
    flow_control: bool
    """It is going to acknowledge; otherwise its first acknowledgement tells."""
    news: bool
    """It is told of ``News``."""
    token: int
    """The client's own number, or 0: its input is counted from session to session, and it gets ``Received``."""


class SSHSession(Observer, Waiting):
    """A client's attachment to a terminal; made by ``SSHBridge``. Call it from the event loop's thread only.

    When its connection breaks it attaches again by itself for half a minute: the client notices a pause at most.
    """

    def __init__(
        self,
        session_id: str,
        workspace_id: str,
        client: TerminalClient,
        open_link: OpenLink,
        on_end: Callable[[SSHSession], None],
        on_news: Callable[[protocol.News], protocol.News],
        *,
        input_activity: InputActivity,
        options: ClientOptions,
    ) -> None:
        self.id = session_id
        self.workspace_id = workspace_id
        self.terminal_id = ""
        """The terminal's own id, for attaching again; empty until attached."""
        self.ended = False
        self.has_exited = False
        """The terminal's program has ended."""
        self.seat: Seat | None = None
        """Its place among the people at the terminal; None for what no person uses."""
        self.feed: Feed | None = None
        """The stream that it shares with other observers once its own has come as far."""
        self._is_fed = False
        self._alone_until = 0.0
        self._sent_to = 0
        """The offset at which the sent output ended when that was last to be reported."""
        self._size = (80, 24)
        self._readonly = False
        self._client = client
        self._open_link = open_link
        self._on_end = on_end
        self._on_news = on_news
        self._input_activity = input_activity
        self._output = Output(
            _LinkListener(client, self._exit), self._report, text=options.text, acknowledges=options.flow_control
        )
        self._input = Input(options.token)
        self._tells_received = options.token != 0
        self._tells_news = options.news
        self._link: Link | None = None
        self._news: protocol.News | None = None
        """The latest that the client was not told yet."""
        self._presence: PresenceOf | None = None
        self._quiet_until = 0.0
        """Loop time until which a guest is not to type."""
        self._is_paused = False
        self._attached: asyncio.Future[None] | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._owner = LinkOwner(self._on_data, self._on_frame, self._on_lost)

    @property
    def offset(self) -> int:
        """The offset at which the output sent to the client ends."""
        return self._output.offset

    async def open(self, start: Start) -> None:
        """Start a program on a new terminal and attach to it. Raises the errors of ``open_link`` and ``error_of``."""
        self._size = (start.cols, start.rows)
        await self._connect(protocol.open_terminal(start, token=self._input.token, credit=CREDIT_BYTES))

    async def attach(self, wanted: protocol.Attach) -> None:
        """Attach to a terminal. Raises ``NotFound``, ``Conflict`` (``bad_offset``), and the errors of ``open``."""
        self._size = (wanted.cols, wanted.rows)
        self._readonly = wanted.readonly
        self._output.credit_bytes = self._credit_bytes
        await self._connect(protocol.attach_terminal(wanted, token=self._input.token, credit=CREDIT_BYTES))

    def close(self) -> None:
        """Detach; the terminal lives on. May be called at any time, any number of times."""
        self._finish()

    def write(self, data: bytes) -> bool:
        """Type ``data``. False asks the client to wait for ``input_ready`` before typing more.

        Raises ``Forbidden`` when attached read-only or another has the keyboard (``Company.check_typing``), and
        ``Conflict`` when the session has ended.
        """
        if self._readonly:
            raise Forbidden("This terminal is attached read-only.", code="readonly")
        if self.ended:
            raise Conflict("The terminal session has ended.", code="session_ended")
        if self.seat is not None:
            self.seat.check_typing()
        self._input_activity.note(self)
        self._input.push(data)
        self._send_input()
        wait = 0.0 if self.seat is None else self.seat.note_typed(len(data))
        if wait:
            self._quiet_until = asyncio.get_running_loop().time() + wait
        elif not self._input.hold():
            return True
        self._output.input_is_held = True
        self._output.flush()
        return False

    async def input_ready(self) -> None:
        """Wait until more may be typed, or the session has ended."""
        if self._quiet_until:
            await asyncio.sleep(self._quiet_until - asyncio.get_running_loop().time())
        await self._input.room()
        if self._quiet_until:
            self._quiet_until = 0.0
            self._output.input_is_held = False

    def resize(self, cols: int, rows: int) -> None:
        """Tell the size of the client's window; the size of the client that was active last is in force.

        Raises ``InvalidInput``.
        """
        for field, cells in (("cols", cols), ("rows", rows)):
            if not 1 <= cells <= MOST_CELLS:
                raise InvalidInput(f"A terminal has 1 to {MOST_CELLS} {field}.", field=field)
        self._size = (cols, rows)
        if self._may_size():
            self._take_size()

    def _take_size(self) -> None:
        """Put the size of the client's window in force."""
        if self._link is not None and not self._readonly:
            self._link.write(protocol.resize(*self._size))

    def acknowledge(self, frames: int) -> None:
        """Say that ``frames`` more output frames were consumed; switches flow control on."""
        self._output.acknowledge(frames)
        self._flush()

    def pause_output(self) -> None:
        """Send nothing more to the client until ``resume_output``: its transport's buffer is full."""
        self._is_paused = True
        self._output.pause()

    def resume_output(self) -> None:
        """Go on."""
        self._is_paused = False
        self._tell_news()
        if self._presence is not None:
            self._tell_presence(self._presence)
        self._output.resume()
        self._flush()

    def notice(self, data: bytes) -> None:
        """Show the client something that the terminal did not print."""
        self._output.notice(data)

    @property
    def calls(self) -> Calls:
        """The calls on this session for its place among the people at the terminal."""
        return Calls(self._tell_presence, self._fail, self._take_size)

    # ---- connecting ----

    async def _connect(self, request: bytes) -> None:
        attached = self._attached = asyncio.get_running_loop().create_future()
        try:
            self._link = await self._open_link(self._owner, request)
            async with asyncio.timeout(ATTACH_SECONDS):
                await attached
        except BaseException as wrong:
            self._attached = None
            self._drop_link()
            if isinstance(wrong, TimeoutError):
                raise Unavailable(
                    "The workspace's terminal service gave no answer; try again.", code="holder_unavailable"
                ) from wrong
            raise
        self._attached = None
        if self.ended:
            self._drop_link()
        self._send_input()
        self.try_feed()

    async def _reconnect(self) -> None:
        """Attach again where the client's output ends. A final refusal by the workspace ends the session at once."""
        failure: WorkspacesError = Unavailable("The workspace does not answer; attach again later.", code="no_answer")
        for delay in RECONNECT_DELAYS:
            await asyncio.sleep(delay)
            self._output.restart(self.offset)
            wanted = protocol.Attach(self.terminal_id, self.offset, *self._size, self._readonly)
            try:
                await self._connect(protocol.attach_terminal(wanted, token=self._input.token, credit=CREDIT_BYTES))
            except Unavailable as error:
                failure = error
            except WorkspacesError as error:
                failure = error
                break
            else:
                if self._size != (wanted.cols, wanted.rows):  # it was told meanwhile
                    self.resize(*self._size)
                return
        self._fail(failure)

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _finish(self) -> None:
        if self.ended:
            return
        self.ended = True
        self._drop_link()
        self._output.pause()
        self._input.release(ended=True)
        if self.seat is not None:
            self.seat.leave()
        if self.feed is not None:
            self.feed.part(self)
            self.feed.turns.forget(self)
        if self._reconnecting is not None and self._reconnecting is not asyncio.current_task():
            self._reconnecting.cancel()
        self._on_end(self)

    def _exit(self) -> None:
        self.has_exited = True
        self._finish()

    def _fail(self, error: WorkspacesError) -> None:
        if not self.ended:
            self._client.send_control(Failed(error))
        self._finish()

    # ---- from the feed ----

    @override
    def take_feed(self, data: bytes, start: int) -> None:
        known = self._output.received - start
        if known < len(data):
            self._output.push_data(data[known:] if known else data)
        if self._output.held > CREDIT_BYTES:
            self._fall_behind()

    @override
    def take_feed_frame(self, frame: protocol.Frame) -> None:
        if isinstance(frame, protocol.Gap):
            self._skip_to(frame.end)
        else:
            self._on_frame(frame)

    @override
    def lose_feed(self, error: WorkspacesError) -> None:
        self._is_fed = False
        self._on_lost(error)

    @override
    def try_feed(self, *, skip: bool = False) -> None:
        if self.feed is None or self.feed.offset is None or not (self._is_fed or self._may_join()):
            return
        if skip:
            self._skip_to(self.feed.offset)
        if not self._is_fed and self._output.received >= self.feed.offset:
            self._is_fed = True
            self.feed.join(self)
            self._drop_link()

    def _may_join(self) -> bool:
        is_attached = self._attached is None and self._link is not None
        return is_attached and asyncio.get_running_loop().time() >= self._alone_until

    def _skip_to(self, end: int) -> None:
        """Go on with the output at ``end``, unless it has come as far."""
        if self._output.received < end:
            self._output.push_control(protocol.Gap(self._output.received, end))

    @override
    def take_turn(self) -> None:
        """Have a little sent to the client, and let the holder go on."""
        if self.ended:
            return
        if self._output.flush(1) and self.feed is not None:
            self.feed.turns.ask(self)
        self._send_report()

    def _fall_behind(self) -> None:
        """Go on with a stream of its own, as the client reads more slowly than the others; or skip, as many are so."""
        if self.feed is None or not self._is_fed:
            return
        if not self.feed.let_go(self):
            self._output.skip(ROUND_BYTES)
            return
        self._is_fed = False
        self._alone_until = asyncio.get_running_loop().time() + REST_SECONDS
        self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())

    # ---- from the holder ----

    def _on_data(self, data: bytes) -> None:
        self._output.push_data(data)
        if self.feed is not None:
            self.try_feed()

    def _on_frame(self, frame: protocol.Frame) -> None:
        match frame:
            case protocol.Attached():
                self._on_attached(frame)
            case protocol.Window():
                self._input.confirm(frame.received, frame.limit)
                if self._tells_received:
                    self._client.send_control(Received(frame.received))
                self._send_input()
            case protocol.Gap() | protocol.Resized() | protocol.Exited():
                self._output.push_control(frame)
            case protocol.News():
                news = self._on_news(frame)
                if self._tells_news:
                    self._news = news
                    self._tell_news()
            case protocol.Refused():
                self._on_refused(error_of(frame))
            case _:
                pass

    def _tell_news(self) -> None:
        """Tell the client, whose transport never holds more than its buffer and the latest news."""
        if self._news is not None and not self._is_paused:
            news, self._news = self._news, None
            self._client.send_control(news)

    def _tell_presence(self, presence: PresenceOf) -> None:
        """Tell the client who is here, the latest only."""
        self._presence = presence if self._is_paused else None
        if not self._is_paused and not self.ended and self.terminal_id:
            self._client.send_control(presence)

    def _may_size(self) -> bool:
        """Tell whether the client's window may decide the size: not while another has the keyboard."""
        try:
            if self.seat is not None:
                self.seat.check_typing()
        except Forbidden:
            return False
        return True

    def _on_attached(self, attached: protocol.Attached) -> None:
        first = not self.terminal_id
        self.terminal_id = attached.terminal_id
        self._output.restart(attached.offset)
        self._input.resume(attached.input_received, attached.input_limit)
        if first:
            self._client.send_control(attached)
        else:
            if self._tells_received:
                self._client.send_control(Received(attached.input_received))
            self._client.send_control(protocol.Resized(attached.cols, attached.rows))  # attaching may have changed it
        if self._attached is not None and not self._attached.done():
            self._attached.set_result(None)

    def _on_refused(self, error: WorkspacesError) -> None:
        if self._attached is None:
            self._fail(error)
        elif not self._attached.done():
            self._attached.set_exception(error)

    def _on_lost(self, error: WorkspacesError) -> None:
        self._link = None
        if self._attached is not None:
            if not self._attached.done():
                self._attached.set_exception(error)
        elif not self.ended:
            self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())

    @property
    def _credit_bytes(self) -> int:
        return CREDIT_BYTES if self.feed is None else OBSERVER_CREDIT_BYTES

    def _flush(self) -> None:
        """Send on to the client: one that only watches when it has a turn."""
        if self.feed is None:
            self._output.flush()
        elif not self._output.is_empty:
            self.feed.turns.ask(self)

    def _report(self, offset: int) -> None:
        """Let the holder go on; the stream of one that only watches when it has a turn."""
        self._sent_to = offset
        if self.feed is None:
            self._send_report()
        elif self._link is not None:
            self.feed.turns.ask(self)

    def _send_report(self) -> None:
        """Tell the holder of progress. It was given credit for good, so a smaller lead is reported as less."""
        if self._link is None or self._attached is not None:
            return
        credit_bytes = self._credit_bytes
        is_courteous = self._input_activity.others_than(self)
        self._output.credit_bytes = COURTEOUS_CREDIT_BYTES if is_courteous else credit_bytes
        withheld = credit_bytes - self._output.credit_bytes
        if self._sent_to > withheld:
            self._link.write(protocol.acknowledge(self._sent_to - withheld))

    def _send_input(self) -> None:
        if self._link is not None and self._attached is None:
            self._input.send(self._link.write)
            self._output.input_is_held = not self._input.release()


class _LinkListener:
    """The client, and the session's own interest in how its program ends."""

    def __init__(self, client: TerminalClient, on_exit: Callable[[], None]) -> None:
        self.send_output = client.send_output
        self._client = client
        self._on_exit = on_exit

    def send_control(self, message: Control) -> None:
        """Pass it on."""
        self._client.send_control(message)
        if isinstance(message, protocol.Exited):
            self._on_exit()
