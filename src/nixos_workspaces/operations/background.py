"""The background tasks of the service, each supervised: one that dies is started again and shown in health."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime

from nixos_workspaces.errors import Said, WorkspacesError
from nixos_workspaces.logs.context import note_task
from nixos_workspaces.model.service import Sentence

log = logging.getLogger(__name__)

RESTART_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Waits before a task that has died is started again; the last one repeats. A success begins them anew."""
PATIENCE_SECONDS = 120.0
"""Time that one turn of a repeated task may take: one that hangs is cancelled and begun anew."""

Work = Callable[[Callable[[], None]], Coroutine[None, None, None]]
"""A task's work: runs for ever, and calls its argument after each success."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The reason for which a task has ended, in a sentence."""

    code: str
    """Of our error that ended it; empty for none."""
    message: str
    said: Said | None = None


@dataclass(frozen=True, slots=True)
class TaskReport:
    """The state of one background task."""

    name: str
    alive: bool
    last_success: datetime | None
    ended: Ended | None
    """The last failure; None once the task has succeeded since."""
    restarts: int

    @property
    def error(self) -> str:
        """The last failure in a sentence; empty once the task has succeeded since."""
        return "" if self.ended is None else self.ended.message


class BackgroundTasks:
    """Keeps tasks running until it is closed. Call it from one event loop."""

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Begin without tasks; ``clock`` tells when one has succeeded."""
        self._clock = clock
        self._tasks: dict[str, _Supervised] = {}

    def keep(self, name: str, work: Work) -> None:
        """Start ``work``, and start it again after a while whenever it ends, raises or is cancelled."""
        self._begin(_Supervised(name, work, self._clock))

    def repeat(
        self, name: str, once: Callable[[], Awaitable[object]], seconds: float, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        """Await ``once()`` now and then every ``seconds``, counted from its beginning; after a failure sooner.

        A turn that takes longer than ``patience`` seconds is cancelled, which is a failure.
        """

        async def for_ever(succeeded: Callable[[], None]) -> None:
            loop = asyncio.get_running_loop()
            due = loop.time()
            while True:
                async with asyncio.timeout(patience):
                    await once()
                succeeded()
                due = max(due + seconds, loop.time())
                await asyncio.sleep(due - loop.time())

        self._begin(_Supervised(name, for_ever, self._clock, seconds))

    def reports(self) -> tuple[TaskReport, ...]:
        """Return the state of every task, in the order in which they were given."""
        return tuple(one.report() for one in self._tasks.values())

    async def close(self) -> None:
        """End every task and wait until they have ended."""
        await asyncio.gather(*(one.close() for one in self._tasks.values()))

    def _begin(self, task: _Supervised) -> None:
        assert task.name not in self._tasks, "each task has a name of its own"
        self._tasks[task.name] = task
        task.start()


class _Supervised:
    """One task. No task watches it that could die in its place: the event loop tells when it has ended."""

    def __init__(self, name: str, work: Work, clock: Callable[[], datetime], period: float | None = None) -> None:
        self.name = name
        self._work = work
        self._clock = clock
        self._period = period
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_success: datetime | None = None
        self._error: Ended | None = None
        self._failures = 0
        self._restarts = 0
        self._closed = False

    def start(self) -> None:
        """Start the work."""
        self._timer = None
        context = copy_context()
        context.run(note_task, self.name)
        self._task = asyncio.create_task(self._work(self._succeeded), name=self.name, context=context)
        self._task.add_done_callback(self._ended)

    def report(self) -> TaskReport:
        """Return the task's state."""
        alive = self._task is not None and not self._task.done()
        return TaskReport(self.name, alive, self._last_success, self._error, self._restarts)

    async def close(self) -> None:
        """End the work for good."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    def _succeeded(self) -> None:
        self._last_success = self._clock()
        self._error = None
        self._failures = 0

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Note why the work has ended, and start it again after a while."""
        problem = None if task.cancelled() else task.exception()
        if self._closed:
            return
        delay = RESTART_SECONDS[min(self._failures, len(RESTART_SECONDS) - 1)]
        if self._period is not None:
            delay = min(delay, self._period)
        self._failures += 1
        self._restarts += 1
        self._error = _told(task, problem)
        expected = isinstance(problem, WorkspacesError)
        log.log(
            logging.WARNING if expected else logging.ERROR,
            "Background task %s: %s It is started again in %g s.",
            *(self.name, self._error.message, delay),
            exc_info=None if expected else problem,
        )
        self._timer = asyncio.get_running_loop().call_later(delay, self.start)


def _told(task: asyncio.Task[None], problem: BaseException | None) -> Ended:
    """Return the reason of an end in a sentence; texts of foreign errors stay in the log, they may hold anything."""
    if isinstance(problem, WorkspacesError):
        return Ended(problem.code, problem.message, problem.said)
    if task.cancelled():
        said = Sentence("task.cancelled")
    elif problem is None:
        said = Sentence("task.ended")
    elif isinstance(problem, TimeoutError):
        said = Sentence("task.slow")
    else:
        said = Sentence("task.unexpected", {"kind": type(problem).__name__})
    return Ended("", said.text, said)
