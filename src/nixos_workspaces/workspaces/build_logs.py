"""The build logs of workspaces: one file per build, few of them, none without a limit."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

KEPT = 5
"""Builds whose logs are kept per workspace."""
MAX_BYTES = 16 << 20
"""Of one build's log; further lines are counted, not kept."""
MAX_READ = 1 << 20
_NAME = re.compile(r"build-(\d+)\.log")


@dataclass(frozen=True, slots=True)
class Position:
    """A reader's position in a workspace's build logs."""

    build: int = 0
    """0: begin with the newest build there is."""
    offset: int = 0


class _Sink(Protocol):
    """An unbuffered binary file."""

    def write(self, data: bytes, /) -> int | None:
        """Take the bytes."""


class BuildLog:
    """The log of one build while it runs."""

    def __init__(self, file: _Sink) -> None:
        """Append to ``file``."""
        self._file = file
        self._written = 0
        self._dropped = 0

    def write(self, line: str) -> None:
        """Append one line, whole, at once visible to readers."""
        data = line.rstrip("\n").encode(errors="replace") + b"\n"
        if self._written + len(data) > MAX_BYTES:
            self._dropped += 1
            return
        self._file.write(data)
        self._written += len(data)

    def close(self) -> None:
        """Append the number of lines that were left out, if any were."""
        if self._dropped:
            self._file.write(f"[{self._dropped} more lines are not kept]\n".encode())


class BuildLogs:
    """The build logs below ``DATA/logs``."""

    def __init__(self, directory: Path) -> None:
        """Keep logs below ``directory``."""
        self._directory = directory

    @contextmanager
    def writing(self, workspace_id: str) -> Iterator[BuildLog]:
        """Begin the log of a new build; the oldest ones go."""
        directory = self._directory / workspace_id
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        builds = self._builds(workspace_id)
        for old in builds[: max(0, len(builds) - KEPT + 1)]:
            with suppress(FileNotFoundError):
                self._path(workspace_id, old).unlink()
        number = builds[-1] + 1 if builds else 1
        descriptor = os.open(self._path(workspace_id, number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            log = BuildLog(file)
            try:
                yield log
            finally:
                log.close()

    def read(self, workspace_id: str, position: Position) -> tuple[list[str], Position]:
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
        return lines, Position(build, offset + end)

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
