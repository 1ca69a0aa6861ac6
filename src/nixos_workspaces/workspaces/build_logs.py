"""The build logs of workspaces: one file per build, few of them, none without a limit."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

_log = logging.getLogger(__name__)

KEPT = 5
"""Builds whose logs are kept per workspace."""
MAX_BYTES = 16 << 20
"""Of one build's log; further lines are counted, not kept."""
MAX_READ = 1 << 20
_MARK = "\x1f"
"""Stands around the milliseconds of a line's time (ASCII unit separator)."""
_NEWLINE = "\n"
_TIMED = re.compile(r"\x1f(\d{1,15})\x1f")
_NAME = re.compile(r"build-(\d+)\.log")


@dataclass(frozen=True, slots=True)
class Position:
    """A reader's position in a workspace's build logs."""

    build: int = 0
    """0: begin with the newest build there is."""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a build's log; ``at`` is None for what was written without a time."""

    text: str
    at: datetime | None


class _Sink(Protocol):
    """An unbuffered binary file."""

    def write(self, data: bytes, /) -> int | None:
        """Take the bytes."""


class BuildLog:
    """The log of one build while it runs."""

    def __init__(self, file: _Sink | None, clock: Callable[[], datetime]) -> None:
        """Append to ``file``, each line with the time of ``clock``; None keeps nothing."""
        self._file = file
        self._clock = clock
        self._written = 0
        self._dropped = 0

    def write(self, line: str) -> None:
        """Append one line, whole, at once visible to readers."""
        written = int(self._clock().timestamp() * 1000)
        data = f"{_MARK}{written}{_MARK}{line.rstrip(_NEWLINE)}\n".encode(errors="replace")
        if self._file is None or self._written + len(data) > MAX_BYTES:
            self._dropped += 1
            return
        try:
            self._file.write(data)
        except OSError:
            # A full disk costs lines of the log, not the build.
            self._dropped += 1
        else:
            self._written += len(data)

    def close(self) -> None:
        """Append the number of lines that were left out, if any were."""
        if self._dropped and self._file is not None:
            with suppress(OSError):
                self._file.write(f"[{self._dropped} more lines are not kept]\n".encode())


class BuildLogs:
    """The build logs below ``DATA/logs``."""

    def __init__(self, directory: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Keep logs below ``directory``, each line with the time of ``clock``."""
        self._directory = directory
        self._clock = clock

    @contextmanager
    def writing(self, workspace_id: str) -> Iterator[BuildLog]:
        """Begin the log of a new build; the oldest ones go. Where it cannot be kept, nothing is."""
        try:
            descriptor = self._open(workspace_id)
        except OSError as refused:
            _log.warning("The log of a build of %s cannot be kept: %s", workspace_id, refused)
            yield BuildLog(None, self._clock)
            return
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            log = BuildLog(file, self._clock)
            try:
                yield log
            finally:
                log.close()

    def append(self, workspace_id: str, line: str) -> None:
        """Append a line to the log of the newest build; lost where there is none or where it is full already."""
        builds = self._builds(workspace_id)
        with suppress(OSError, IndexError):
            path = self._path(workspace_id, builds[-1])
            if path.stat().st_size < MAX_BYTES:
                with path.open("ab", buffering=0) as file:
                    BuildLog(file, self._clock).write(line)

    def _open(self, workspace_id: str) -> int:
        """Return a descriptor of the log of a new build, after the oldest ones have gone."""
        directory = self._directory / workspace_id
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory.chmod(0o700)
        directory.mkdir(mode=0o700, exist_ok=True)
        builds = self._builds(workspace_id)
        for old in builds[: max(0, len(builds) - KEPT + 1)]:
            with suppress(FileNotFoundError):
                self._path(workspace_id, old).unlink()
        number = builds[-1] + 1 if builds else 1
        return os.open(self._path(workspace_id, number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def read(self, workspace_id: str, position: Position) -> tuple[list[Line], Position]:
        """Return the lines that have come since ``position``, at most 1 MiB, and where to go on.

        Goes over to the next build when one is read to its end and there is a newer one.
        """
        builds = self._builds(workspace_id)
        if not builds:
            return [], position
        build = position.build or builds[-1]
        offset = position.offset if position.build else 0
        try:
            with self._path(workspace_id, build).open("rb") as file:
                file.seek(offset)
                data = file.read(MAX_READ)
        except FileNotFoundError:
            data = b""
        end = data.rfind(b"\n") + 1 or (len(data) if len(data) == MAX_READ else 0)
        newer = [number for number in builds if number > build]
        if not end and newer:
            return [], Position(newer[0], 0)
        lines = data[:end].decode(errors="replace").removesuffix("\n").split("\n") if end else []
        return [_line(one) for one in lines], Position(build, offset + end)

    def remove(self, workspace_id: str) -> None:
        """Remove all logs of a workspace; nothing happens if there are none."""
        shutil.rmtree(self._directory / workspace_id, ignore_errors=True)

    def _path(self, workspace_id: str, build: int) -> Path:
        """Return the file of one build."""
        return self._directory / workspace_id / f"build-{build}.log"

    def _builds(self, workspace_id: str) -> list[int]:
        """Return the numbers of the builds whose logs are there, oldest first."""
        try:
            names = [path.name for path in (self._directory / workspace_id).iterdir()]
        except FileNotFoundError:
            return []
        return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))


def _line(text: str) -> Line:
    """Part a line from its time."""
    timed = _TIMED.match(text)
    if timed is None:
        return Line(text, None)
    return Line(text[timed.end() :], datetime.fromtimestamp(int(timed[1]) / 1000, UTC))
