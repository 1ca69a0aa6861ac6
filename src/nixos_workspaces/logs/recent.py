"""The last lines that were logged, for a support bundle."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Sequence

from typing_extensions import override

from nixos_workspaces.logs.form import JsonLines

ACCESS = "nixos_workspaces.access"
"""The logger of requests, of which there are too many to be kept."""
_MOST = 200
_LONGEST = 2000


class RecentLines(logging.Handler):
    """Keeps the last lines, and apart from them the last that warn: many of the others do not push those out."""

    def __init__(self) -> None:
        """Keep none yet."""
        super().__init__()
        self.setFormatter(JsonLines())
        self._all: deque[str] = deque(maxlen=_MOST)
        self._warnings: deque[str] = deque(maxlen=_MOST)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.name == ACCESS:
            return
        line = self.format(record)
        if len(line) > _LONGEST:
            line = _shortened(line)
        (self._warnings if record.levelno >= logging.WARNING else self._all).append(line)

    def lines(self) -> Sequence[str]:
        """Return them, the oldest first."""
        return sorted([*self._all, *self._warnings], key=_time_of)


def _shortened(line: str) -> str:
    """Return a line whose texts are cut off, and which is JSON still."""
    told = json.loads(line)
    return json.dumps({name: one[:_LONGEST] if isinstance(one, str) else one for name, one in told.items()})


def _time_of(line: str) -> str:
    """Return what orders lines: each begins with its time."""
    return line[: len('{"time": "2026-01-01T00:00:00.000+00:00"')]


RECENT = RecentLines()
"""The last lines of this process; a handler of the log while a service is open."""
