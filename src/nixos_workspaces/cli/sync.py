"""The verb sync: a local directory is sent to a workspace, and then every change of it.

The kernel tells when something below the directory changes (watchfiles); what has changed is found by comparing the
tree with what was sent, so that no order of events, and no name, can lead it astray.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from nixos_workspaces.cli.files import Remote, Where, calls_of, required_remote, send_tree, walk, warn_not_written
from nixos_workspaces.cli.target import err, target_of
from nixos_workspaces.errors import NotFound
from nixos_workspaces.model.paths import decoded

if TYPE_CHECKING:
    from nixos_workspaces.client.files import FileCalls

BEAT_SECONDS = 2.0
"""How often ``changes`` yields without a change: time to try again what was not written."""

_Seen = dict[bytes, tuple[int, int, int]]


def register(app: typer.Typer) -> None:
    """Add the verb to ``app``."""
    app.command()(sync)


def sync(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="A local directory.", exists=True, file_okay=False)],
    target: Where,
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Delete there what is deleted here.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Send everything once and end.")] = False,
) -> None:
    """Send a local directory to a workspace, and then every change of it, until Ctrl-C."""
    remote = required_remote(target)
    with target_of(context).client() as client:
        mirror = Mirror(calls_of(client, remote), source, remote, delete=delete)
        _tell(mirror.step())
        if once:
            return
        stopped = _stopped_by_interrupt()
        for changed in changes(source, stopped):
            if changed or not mirror.complete:
                _tell(mirror.step())
    raise KeyboardInterrupt


def _stopped_by_interrupt() -> threading.Event:
    """Return what Ctrl-C sets from now on, besides raising ``KeyboardInterrupt``.

    Python drops an exception that is raised while it runs a destructor or a callback: Ctrl-C must not be lost there.
    """
    stopped = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        stopped.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    return stopped


def _tell(counts: tuple[int, int]) -> None:
    if any(counts):
        err().print(f"{counts[0]} sent, {counts[1]} deleted")


def changes(directory: Path, stopped: threading.Event) -> Iterator[bool]:
    """Yield True when something below a directory has changed, False every ``BEAT_SECONDS`` without, until ``stopped``.

    The first is True: something may have changed before the kernel was asked to tell.
    """
    from watchfiles import watch

    while not stopped.is_set():
        began = False
        beats = watch(
            directory,
            watch_filter=None,
            rust_timeout=int(BEAT_SECONDS * 1000),
            yield_on_timeout=True,
            stop_event=stopped,
            ignore_permission_denied=True,
        )
        try:
            for found in beats:
                yield bool(found) or not began
                began = True
        except RuntimeError:
            # A name that is not UTF-8 has changed, which watchfiles cannot tell: it is a change all the same.
            yield True


class Mirror:
    """Sends what has changed in a directory since it looked last."""

    def __init__(self, calls: FileCalls, source: Path, target: Remote, *, delete: bool) -> None:
        self._calls = calls
        self._source = source
        self._target = target
        self._delete = delete
        self._seen: _Seen = {}
        self.complete = False
        """Whether everything that was found last is there."""

    def step(self) -> tuple[int, int]:
        """Send the changes; return how many files were sent and how many names were deleted."""
        present: _Seen = {}
        changed = []
        for local in walk(self._source):
            status = local.status
            present[local.name] = (status.st_mode, status.st_mtime_ns, status.st_size)
            if self._seen.get(local.name) != present[local.name]:
                changed.append(local)
        problems = send_tree(self._calls, changed, self._target.path, lambda _count: None)
        for problem in problems:
            warn_not_written(problem)
        gone = [name for name in self._seen if name not in present] if self._delete else []
        for name in gone:
            try:
                self._calls.remove(self._target.below(name).path, recursive=True)
            except NotFound:
                continue
        failed = {decoded(problem.path) for problem in problems if problem.path}
        self._seen = {name: seen for name, seen in present.items() if self._target.below(name).path not in failed}
        self.complete = not problems
        return len(changed) - len(problems), len(gone)
