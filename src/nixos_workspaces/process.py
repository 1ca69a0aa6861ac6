"""Running subprocesses; no other module starts any.

Arguments are always a list, never a shell line; the environment is always given in full; secrets never go into
arguments (everybody on the machine can read them), only into ``stdin``.

A command leads a process group of its own, which is killed as soon as the command has ended, however it ended. What it
prints goes to files in memory: a process that has left the group and keeps one open makes nobody wait, and there is
nothing to close late.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_STRAGGLERS_SECONDS = 1.0
"""How long the lines of processes that have left the group of a command are waited for once the command has ended."""
_MOST_READ = 1 << 16
_LONGEST_POLL = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Completed:
    """The outcome of a finished command."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes


class CommandFailed(Exception):
    """A command ended with a code other than 0, or was killed for taking too long.

    Callers translate it into an error of ``errors`` at their own boundary.
    """

    def __init__(self, completed: Completed, *, timed_out: bool = False) -> None:
        """Keep the whole outcome for the caller to translate."""
        tail = completed.stderr.decode(errors="replace").strip()[-2000:]
        what = "timed out" if timed_out else f"exit code {completed.returncode}"
        super().__init__(f"{completed.argv[0]}: {what}: {tail}")
        self.completed = completed
        self.timed_out = timed_out


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float = 60.0,
    check: bool = True,
    output: int | None = None,
) -> Completed:
    """Run a command to its end in this thread.

    ``env`` defaults to this process's own. With a descriptor as ``output``, everything goes there that the command
    and its children print, its standard input is empty, and children that it leaves running go on. Raises
    ``CommandFailed`` on a code other than 0 (unless ``check`` is false) and after ``timeout`` seconds, when the
    command's process group is killed; ``OSError`` if it cannot be started.
    """
    words = tuple(str(word) for word in argv)
    with _memory(stdin) as source, _memory() as out, _memory() as err:
        if output is None:
            child = _start(words, env, source, out, err)
        else:
            child = _start(words, env, subprocess.DEVNULL, output, output)
        timed_out = True
        try:
            timed_out = not _ends_within(child, timeout)
        finally:
            if timed_out or output is None:
                _signal_group(child, signal.SIGKILL)
            child.wait()
        return _outcome(words, child.returncode, _content(out), _content(err), check=check, timed_out=timed_out)


async def run_async(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    check: bool = True,
) -> Completed:
    """Do what ``run`` does without blocking the event loop; cancelling kills the command's process group.

    The command's standard input is empty.
    """
    words = tuple(str(word) for word in argv)
    with _memory() as out, _memory() as err:
        async with _started(words, env, out, err) as child:
            await asyncio.wait({child.ended}, timeout=timeout)
            timed_out = not child.ended.done()
        return _outcome(words, child.returncode, _content(out), _content(err), check=check, timed_out=timed_out)


async def run_streaming(
    argv: Sequence[str | Path],
    on_stderr_line: Callable[[bytes], None],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    check: bool = True,
    line_limit: int = 1 << 20,
    grace: float = 0.0,
) -> Completed:
    """Run a command and pass each line of its standard error to ``on_stderr_line`` as it comes.

    Standard output is collected. Lines longer than ``line_limit`` bytes are passed in pieces. Cancelling kills
    the command's process group, after asking it to end (SIGTERM) and waiting ``grace`` seconds: for commands that
    must stop children outside their group. Raises like ``run``, and the errors of ``on_stderr_line``; the ``Completed``
    carries no standard error, the caller has seen it.
    """
    words = tuple(str(word) for word in argv)
    with _memory() as out:
        lines = _Lines(on_stderr_line, line_limit)
        with contextlib.closing(lines):
            async with _started(words, env, out, lines.writer, grace) as child:
                lines.close_writer()
                first = asyncio.FIRST_COMPLETED
                await asyncio.wait({child.ended, lines.failed}, timeout=timeout, return_when=first)
                timed_out = not child.ended.done()
            await lines.finish()
        return _outcome(words, child.returncode, _content(out), b"", check=check, timed_out=timed_out)


def _outcome(
    words: tuple[str, ...], returncode: int, out: bytes, err: bytes, *, check: bool, timed_out: bool
) -> Completed:
    """Return how a command ended, or raise it."""
    if timed_out:
        raise CommandFailed(Completed(words, -signal.SIGKILL, out, err), timed_out=True)
    completed = Completed(words, returncode, out, err)
    if check and returncode:
        raise CommandFailed(completed)
    return completed


class _Child:
    """A running command, seen to its end by the event loop."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Follow the leader of a process group."""
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._watched = os.pidfd_open(process.pid)
        self._loop.add_reader(self._watched, self._reap)
        self.ended: asyncio.Future[None] = self._loop.create_future()

    @property
    def returncode(self) -> int:
        """The code of a command that has ended."""
        return self._process.returncode

    async def end(self, grace: float) -> None:
        """Stop the command's process group, where it still runs: asked first if it has ``grace``, then killed."""
        if grace > 0 and not self.ended.done():
            _signal_group(self._process, signal.SIGTERM)
            await asyncio.wait({self.ended}, timeout=grace)
        if not self.ended.done():
            _signal_group(self._process, signal.SIGKILL)
        await self.ended

    def _reap(self) -> None:
        """Kill the rest of the leader's group while no other group can have its number, then reap the leader."""
        self._loop.remove_reader(self._watched)
        os.close(self._watched)
        _signal_group(self._process, signal.SIGKILL)
        self._process.wait()
        self.ended.set_result(None)


class _Lines:
    """The lines out of a pipe, passed on without their newline; an over-long one in pieces."""

    def __init__(self, on_line: Callable[[bytes], None], limit: int) -> None:
        """Pass lines of up to ``limit`` bytes to ``on_line``."""
        self._loop = asyncio.get_running_loop()
        self._on_line = on_line
        self._limit = limit
        self._begun = bytearray()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self.failed: asyncio.Future[None] = self._loop.create_future()
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC)
        self._is_written_here = True
        os.set_blocking(self._reader, False)
        self._loop.add_reader(self._reader, self._read)

    def close_writer(self) -> None:
        """Close our writing end: the pipe ends with the processes that have it by now."""
        if self._is_written_here:
            self._is_written_here = False
            os.close(self.writer)

    async def finish(self) -> None:
        """Wait for the last lines, for a moment only; raises the error of the receiver of lines."""
        await asyncio.wait({self._ended, self.failed}, timeout=_STRAGGLERS_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            self.failed.result()

    def close(self) -> None:
        """Let go of the pipe at once."""
        self._loop.remove_reader(self._reader)
        os.close(self._reader)
        self.close_writer()

    def _read(self) -> None:
        try:
            data = os.read(self._reader, _MOST_READ)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._reader)
            self._hand_over([bytes(self._begun)] if self._begun else [])
            self._ended.set_result(None)
            return
        self._begun += data
        *lines, self._begun = self._begun.split(b"\n")
        self._hand_over(lines)
        while len(self._begun) > self._limit:
            self._hand_over([self._begun[: self._limit]])
            del self._begun[: self._limit]

    def _hand_over(self, lines: Iterable[bytes | bytearray]) -> None:
        if self.failed.done():
            return
        try:
            for line in lines:
                for start in range(0, len(line) or 1, self._limit):
                    self._on_line(bytes(line[start : start + self._limit]))
        except Exception as wrong:  # noqa: BLE001 - the caller gets it, the event loop could only log it
            self.failed.set_exception(wrong)


@contextlib.asynccontextmanager
async def _started(
    words: tuple[str, ...], env: Mapping[str, str] | None, out: int, err: int, grace: float = 0.0
) -> AsyncIterator[_Child]:
    """Start a command in a process group of its own and make sure that the group is gone at the end."""
    process = _start(words, env, subprocess.DEVNULL, out, err)
    try:
        child = _Child(process)
    except BaseException:
        _signal_group(process, signal.SIGKILL)
        process.wait()
        raise
    try:
        yield child
    finally:
        await asyncio.shield(child.end(grace))


def _start(
    words: tuple[str, ...], env: Mapping[str, str] | None, stdin: int, out: int, err: int
) -> subprocess.Popen[bytes]:
    """Start a command that leads a session, and so a process group, of its own."""
    return subprocess.Popen(words, env=env, stdin=stdin, stdout=out, stderr=err, start_new_session=True)


def _ends_within(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for a command without reaping it, so that its group keeps its number."""
    watched = os.pidfd_open(child.pid)
    try:
        poll = select.poll()
        poll.register(watched, select.POLLIN)
        return bool(poll.poll(min(seconds * 1000, _LONGEST_POLL)))
    finally:
        os.close(watched)


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to all that a command, not yet reaped, has in its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


@contextlib.contextmanager
def _memory(content: bytes = b"") -> Iterator[int]:
    """Yield a descriptor of a file in memory with a content, at its start."""
    descriptor = os.memfd_create("nixws-process")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _content(descriptor: int) -> bytes:
    """Return all that was written to a file in memory."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb", closefd=False) as file:
        return file.read()
