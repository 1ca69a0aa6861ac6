"""SFTP sessions of workspaces: kept for reuse, bounded in number, every request with a deadline.

A request that is not answered, or that its caller gives up, spoils its session: it is closed and never used again, so
that one stuck request (a pipe that was put in a file's place, a frozen server) holds up nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

import asyncssh

from nixos_workspaces.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Unavailable,
    WorkspacesError,
)
from nixos_workspaces.files.bulk import Bulk
from nixos_workspaces.model.paths import shown

OpenSftp = Callable[[str], AbstractAsyncContextManager[asyncssh.SFTPClient]]
"""Opens an SFTP channel to a workspace as user ``nixos``; raises ``WorkspacesError``, or asyncssh's errors.

It is left with ``TimeoutError`` when a request was not answered."""

T = TypeVar("T")

DEADLINE_SECONDS = 8.0
"""Within this a request is answered, or the workspace counts as stuck."""
PATIENCE_SECONDS = 120.0
"""How long reading, writing and syncing data may take while the workspace answers other requests."""
FRESH_SECONDS = 0.2
"""A session that was used so recently is taken to be whole: its end would have been noticed."""
IDLE_SECONDS = 30.0
"""How long an unused session is kept."""
CLOSE_SECONDS = 5.0
BLOCKS_UNDER_WAY = 32
"""Blocks of data that all transfers together have on their way, about 8 MiB, as long as each has ``FEWEST_BLOCKS``."""
FEWEST_BLOCKS = 2
"""With one block only the workspace would wait for the next while we wait for its answer."""


class Lane(StrEnum):
    """The purpose of a session: transfers may last, and never keep quick requests waiting."""

    QUICK = "quick"
    TRANSFER = "transfer"


class Session:
    """One SFTP channel, used by one caller at a time.

    Its methods translate failures into errors of ours, which name ``path``.
    """

    def __init__(
        self,
        sftp: asyncssh.SFTPClient,
        stack: AsyncExitStack,
        alive: Callable[[], Awaitable[None]],
        transfers: Callable[[], int],
    ) -> None:
        """``alive`` returns if the workspace answers others; ``transfers`` tells how many run now."""
        self.sftp = sftp
        self.bulk = Bulk(sftp)
        self.spoiled = False
        self.block_bytes = min(sftp.limits.max_read_len, sftp.limits.max_write_len, 255 * 1024)
        self._stack = stack
        self._alive = alive
        self._transfers = transfers
        self._home: bytes | None = None
        self._forgotten: set[asyncio.Future[object]] = set()
        self._ended = asyncio.create_task(sftp.wait_closed())

    @property
    def usable(self) -> bool:
        """Whether it can be used by the next caller."""
        return not self.spoiled and not self._ended.done()

    def depth(self, most: int) -> int:
        """Return how many blocks of a transfer may be on their way now, ``most`` where few transfers run."""
        return max(FEWEST_BLOCKS, min(most, self.share(BLOCKS_UNDER_WAY)))

    def share(self, amount: int) -> int:
        """Return one transfer's part of ``amount``, which all that run now share."""
        return amount // max(self._transfers(), 1)

    async def do(self, request: Awaitable[T], path: bytes = b"", *, seconds: float = DEADLINE_SECONDS) -> T:
        """Return the answer to a request that takes a moment; raise ``Unavailable`` after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                return await request
        except TimeoutError as late:
            self.spoiled = True
            raise stuck() from late
        except asyncio.CancelledError:
            self.spoiled = True
            raise
        except (asyncssh.Error, OSError) as error:
            raise translated(error, path) from error

    async def do_patiently(self, request: Coroutine[Any, Any, T] | asyncio.Future[T], path: bytes = b"") -> T:
        """Return the answer to a request that may take long (data, syncs) as long as the workspace answers others."""
        answer = asyncio.ensure_future(request)
        waited = 0.0
        try:
            while not answer.done() and not (await asyncio.wait({answer}, timeout=DEADLINE_SECONDS / 2))[0]:
                waited += DEADLINE_SECONDS / 2
                if waited > PATIENCE_SECONDS:
                    raise stuck()
                await self._alive()
            return answer.result()
        except (asyncssh.Error, OSError) as error:
            raise translated(error, path) from error
        finally:
            if not answer.done():
                self.spoiled = True
                answer.add_done_callback(_look_at)
                answer.cancel()

    def forget(self, request: Coroutine[Any, Any, object]) -> None:
        """Send a request without waiting for its answer."""
        answer = asyncio.ensure_future(request)
        self._forgotten.add(answer)
        answer.add_done_callback(self._forget)

    def _forget(self, answer: asyncio.Future[object]) -> None:
        self._forgotten.discard(answer)
        _look_at(answer)

    async def answers(self) -> bool:
        """Return whether it still answers: the end of one that lay idle may be on its way."""
        try:
            await self.do(self.sftp.realpath(b"/"), seconds=DEADLINE_SECONDS / 2)
        except WorkspacesError:
            return False
        return True

    async def home(self) -> bytes:
        """Return the home directory."""
        if self._home is None:
            self._home = await self.do(self.sftp.realpath(b"."))
        return self._home

    async def close(self) -> None:
        """End the channel; never raises, never waits long. Its opener is told if a request was not answered."""
        unanswered, self.spoiled = self.spoiled, True
        with contextlib.suppress(asyncssh.Error, OSError, TimeoutError, WorkspacesError):
            async with asyncio.timeout(CLOSE_SECONDS), self._stack:
                if unanswered:
                    raise TimeoutError
        self._ended.cancel()


def _look_at(answer: asyncio.Future[Any]) -> None:
    """Retrieve an error that no caller waits for any more, so that asyncio does not report it."""
    with contextlib.suppress(asyncio.CancelledError):
        answer.exception()


@dataclass(slots=True)
class _Lanes:
    """The sessions of one workspace."""

    free: dict[Lane, asyncio.Semaphore]
    idle: list[tuple[float, Session]] = field(default_factory=list)
    """Sessions that wait for the next caller, with the loop's time at which they were given back."""
    used: int = 0


class Sessions:
    """The SFTP sessions of all workspaces. Everything runs on one event loop."""

    def __init__(self, open_sftp: OpenSftp, *, quick: int = 4, transfers: int = 16) -> None:
        self._open_sftp = open_sftp
        self._bounds = {Lane.QUICK: quick, Lane.TRANSFER: transfers}
        self._workspaces: dict[str, _Lanes] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._transfers = 0
        """How many run now."""

    @asynccontextmanager
    async def lease(self, workspace_id: str, lane: Lane = Lane.QUICK) -> AsyncIterator[Session]:
        """Yield a session for one caller.

        Raises ``LimitExceeded`` when all of the lane are busy, ``Unavailable`` when the workspace does not answer.
        """
        lanes = self._workspaces.get(workspace_id)
        if lanes is None:
            lanes = _Lanes({name: asyncio.Semaphore(bound) for name, bound in self._bounds.items()})
            self._workspaces[workspace_id] = lanes
        lanes.used += 1
        try:
            until = asyncio.get_running_loop().time() + DEADLINE_SECONDS
            await self._enter(lanes, lane, until)
            try:
                session = await self._session(workspace_id, lanes, until)
                self._transfers += lane is Lane.TRANSFER
                try:
                    yield session
                finally:
                    self._transfers -= lane is Lane.TRANSFER
                    self._give_back(workspace_id, lanes, session)
            finally:
                lanes.free[lane].release()
        finally:
            lanes.used -= 1
            self._forget_if_unused(workspace_id)

    async def close(self) -> None:
        """Close every session that is not in use, and wait for those that are being closed."""
        for lanes in self._workspaces.values():
            for _, session in lanes.idle:
                self._close_later(session)
            lanes.idle.clear()
        while self._closing:
            await asyncio.wait(self._closing)

    async def _enter(self, lanes: _Lanes, lane: Lane, until: float) -> None:
        """Take one of the lane's places."""
        try:
            async with asyncio.timeout_at(until):
                await lanes.free[lane].acquire()
        except TimeoutError as late:
            raise LimitExceeded(
                f"All {self._bounds[lane]} places for file {lane.value}s of this workspace are taken; try again later.",
                code="too_many_file_requests",
            ) from late

    async def _session(self, workspace_id: str, lanes: _Lanes, until: float) -> Session:
        """Return a session that was used before, or a new one."""
        loop = asyncio.get_running_loop()
        while lanes.idle:
            since, session = lanes.idle.pop()
            if session.usable and (loop.time() - since < FRESH_SECONDS or await session.answers()):
                return session
            self._close_later(session)
        stack = AsyncExitStack()
        try:
            async with asyncio.timeout_at(until):
                sftp = await stack.enter_async_context(self._open_sftp(workspace_id))
        except TimeoutError as late:
            raise stuck() from late
        except (asyncssh.Error, OSError) as error:
            raise translated(error) from error
        return Session(sftp, stack, lambda: self._probe(workspace_id), lambda: self._transfers)

    async def _probe(self, workspace_id: str) -> None:
        """Return if the workspace answers a request of another session; raise ``Unavailable`` otherwise."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS / 2), self.lease(workspace_id) as session:
                await session.do(session.sftp.realpath(b"/"))
        except (TimeoutError, LimitExceeded) as late:
            raise stuck() from late

    def _give_back(self, workspace_id: str, lanes: _Lanes, session: Session) -> None:
        """Keep a session for the next caller, if it is good for one."""
        if not session.usable:
            self._close_later(session)
            return
        loop = asyncio.get_running_loop()
        if not lanes.idle:
            loop.call_later(IDLE_SECONDS, self._expire, workspace_id, lanes)
        lanes.idle.append((loop.time(), session))

    def _expire(self, workspace_id: str, lanes: _Lanes) -> None:
        """Close the sessions that were not used for a while; check again when the next one is due."""
        loop = asyncio.get_running_loop()
        due = [pair for pair in lanes.idle if pair[0] + IDLE_SECONDS <= loop.time() + 0.001]
        for pair in due:
            lanes.idle.remove(pair)
            self._close_later(pair[1])
        if lanes.idle:
            loop.call_at(min(since for since, _ in lanes.idle) + IDLE_SECONDS, self._expire, workspace_id, lanes)
        self._forget_if_unused(workspace_id)

    def _close_later(self, session: Session) -> None:
        task = asyncio.create_task(session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _forget_if_unused(self, workspace_id: str) -> None:
        lanes = self._workspaces.get(workspace_id)
        if lanes is not None and not lanes.used and not lanes.idle:
            del self._workspaces[workspace_id]


def stuck() -> Unavailable:
    """Return the error for a workspace that does not answer in time."""
    return Unavailable(
        "The workspace does not answer requests for files; try again, or restart it.", code="workspace_not_answering"
    )


def translated(error: Exception, path: bytes = b"") -> WorkspacesError:
    """Return our error for one of asyncssh; ``path`` is the path of the request."""
    name = shown(path)
    match error:
        case asyncssh.SFTPNoConnection() | asyncssh.SFTPConnectionLost():
            return _gone()
        case asyncssh.SFTPNoSuchFile() | asyncssh.SFTPNoSuchPath():
            return NotFound(f"There is no {name!r} in the workspace.", code="file_not_found", field="path")
        case asyncssh.SFTPPermissionDenied() | asyncssh.SFTPWriteProtect():
            return Forbidden(
                f"The workspace's user 'nixos' may not do this to {name!r}; change its owner or mode.",
                code="permission_denied",
                field="path",
            )
        case asyncssh.SFTPBadMessage() | asyncssh.SFTPInvalidFilename():
            return InvalidInput(f"The workspace cannot use the path {name!r}.", code="invalid_path", field="path")
        case asyncssh.SFTPError():
            return Conflict(
                f"The workspace refused the operation on {name!r}: {error.reason}.", code="file_refused", field="path"
            )
        case _:
            return _gone()


def _gone() -> Unavailable:
    return Unavailable("The connection to the workspace broke; try again.", code="workspace_unreachable")
