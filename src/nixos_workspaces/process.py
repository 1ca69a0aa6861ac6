"""The one door to subprocesses.

Arguments are always a list, never a shell line; the environment is always given in full; secrets never go into
arguments (everybody on the machine can read them), only into ``stdin``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Completed:
    """What a finished command left."""

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

    ``env`` defaults to this process's own. With a descriptor as ``output``, everything that the command and what it
    leaves running print goes there, and its standard input is empty. Raises ``CommandFailed`` on a code other than 0
    (unless ``check`` is false) and after ``timeout`` seconds, when the command is killed; ``OSError`` if it cannot be
    started.
    """
    words = tuple(str(word) for word in argv)
    try:
        if output is None:
            done = subprocess.run(words, env=env, input=stdin, capture_output=True, timeout=timeout, check=False)
        else:
            silent = subprocess.DEVNULL
            done = subprocess.run(
                words, env=env, stdin=silent, stdout=output, stderr=output, timeout=timeout, check=False
            )
    except subprocess.TimeoutExpired as late:
        partial = Completed(words, -signal.SIGKILL, late.stdout or b"", late.stderr or b"")
        raise CommandFailed(partial, timed_out=True) from late
    completed = Completed(words, done.returncode, done.stdout or b"", done.stderr or b"")
    if check and completed.returncode:
        raise CommandFailed(completed)
    return completed


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
    async with _started(words, env) as child:
        try:
            async with asyncio.timeout(timeout):
                out, err = await child.communicate()
        except TimeoutError as late:
            raise CommandFailed(Completed(words, -signal.SIGKILL, b"", b""), timed_out=True) from late
        completed = Completed(words, child.returncode or 0, out, err)
    if check and completed.returncode:
        raise CommandFailed(completed)
    return completed


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
    """Run a command and hand over each line of its standard error as it comes.

    Standard output is collected. Lines longer than ``line_limit`` bytes are handed over in pieces. Cancelling kills
    the command's process group, after asking it to end (SIGTERM) and waiting ``grace`` seconds: for commands that
    must stop children outside their group. Raises like ``run``; the ``Completed`` carries no standard error, the
    caller has seen it.
    """
    words = tuple(str(word) for word in argv)
    async with _started(words, env, limit=line_limit, grace=grace) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        stderr = child.stderr

        async def follow() -> None:
            async for line in _lines(stderr):
                on_stderr_line(line)

        try:
            async with asyncio.timeout(timeout):
                out, _ = await asyncio.gather(child.stdout.read(), follow())
                await child.wait()
        except TimeoutError as late:
            raise CommandFailed(Completed(words, -signal.SIGKILL, b"", b""), timed_out=True) from late
        completed = Completed(words, child.returncode or 0, out, b"")
    if check and completed.returncode:
        raise CommandFailed(completed)
    return completed


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines without their newline; an over-long one in pieces."""
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.LimitOverrunError as over:
            yield await stream.readexactly(over.consumed)
        except asyncio.IncompleteReadError as end:
            if end.partial:
                yield end.partial
            return
        else:
            yield line[:-1]


@contextlib.asynccontextmanager
async def _started(
    words: tuple[str, ...], env: Mapping[str, str] | None, limit: int = 1 << 16, grace: float = 0.0
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a command in a process group of its own and make sure that the group is gone at the end.

    Its input is no pipe: uvloop fails with ``RuntimeError`` where even nothing is written to a pipe that the command
    has let go of by then.
    """
    child = await asyncio.create_subprocess_exec(
        *words,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        limit=limit,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            await asyncio.shield(_end(child, grace))


async def _end(child: asyncio.subprocess.Process, grace: float) -> None:
    """Stop a command's process group: asked first where it has ``grace`` seconds, then killed."""
    with contextlib.suppress(ProcessLookupError):
        if grace > 0:
            os.killpg(child.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await child.wait()
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
