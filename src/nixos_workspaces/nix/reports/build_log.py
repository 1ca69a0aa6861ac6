"""Nix's ``--log-format internal-json``: events in, log lines and progress out. Pure.

An event that cannot be read is passed on as a line of the log: no output of Nix is lost, and none can make the reader
fail. The numbers of activities and results are those of Nix's ``logging.hh``.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Phase, Progress

TAIL_LINES = 10
"""Lines of each builder's output that are kept for an error message."""
_TAILS = 64
_OPEN_ACTIVITIES = 10_000
_LONGEST_NAME = 200
_SHOWN_LEVEL = 4
_ERROR_LEVEL = 0
_PREFIX = b"@nix "
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours and cursor movements
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles and links
    r"|\x1b[@-Z\\^_]?"
    r"|[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]"
)
_STORE_PATH = re.compile(r"/nix/store/[0-9a-z]{32}-(.+?)(?:\.drv)?")
_ORDER = (Phase.EVALUATE, Phase.FETCH, Phase.BUILD)


class Activity(IntEnum):
    """The kinds of activities that progress is read from."""

    COPY_PATH = 100
    FILE_TRANSFER = 101
    COPY_PATHS = 103
    BUILDS = 104
    BUILD = 105
    SUBSTITUTE = 108


class Result(IntEnum):
    """The kinds of results that progress and logs are read from."""

    LOG_LINE = 101
    PROGRESS = 105
    POST_BUILD_LOG_LINE = 107


@dataclass(frozen=True, slots=True)
class Reading:
    """The log lines and the progress in one line of Nix's output."""

    lines: tuple[str, ...] = ()
    """For people, without escape sequences and newlines."""
    progress: Progress | None = None
    """None when nothing changed."""


class BuildLog:
    """Reads the output of one command, line by line."""

    def __init__(self) -> None:
        """Begin in the phase ``EVALUATE``."""
        self._open: OrderedDict[int, tuple[int, str]] = OrderedDict()
        self._tails: OrderedDict[str, deque[str]] = OrderedDict()
        self._errors: list[str] = []
        self._progress = Progress(Phase.EVALUATE, None, Sentence("progress.evaluate"))
        self._latest = ""

    @property
    def errors(self) -> str:
        """Everything that Nix said as an error, and every line that was no event, without escape sequences."""
        return "\n".join(self._errors)

    @property
    def tails(self) -> Mapping[str, tuple[str, ...]]:
        """The last lines of each builder's output by the name of its derivation; of the last builders only."""
        return {name: tuple(lines) for name, lines in self._tails.items()}

    def feed(self, line: bytes) -> Reading:
        """Read one line (without its newline) and return its log lines and progress."""
        event = _event(line)
        if event is None:
            text = plain(line.decode(errors="replace"))
            self._note_error(text)
            return Reading((text,))
        match event.get("action"):
            case "msg":
                return Reading(tuple(self._message(event)))
            case "start":
                return self._start(event)
            case "stop":
                self._open.pop(_integer(event.get("id")), None)
                return Reading()
            case "result":
                return self._result(event)
            case _:
                return Reading((plain(line.decode(errors="replace")),))

    def _message(self, event: Mapping[str, Any]) -> Iterator[str]:
        """Yield the lines of a message; keep it if it is an error."""
        message = str(event.get("msg", ""))
        if event.get("level") == _ERROR_LEVEL:
            self._note_error("\n".join(map(plain, message.split("\n"))))
        yield from map(plain, message.split("\n"))

    def _note_error(self, text: str) -> None:
        """Keep an error's text; of very many the first and the last."""
        if len(self._errors) >= _TAILS:
            del self._errors[_TAILS // 2]
        self._errors.append(text)

    def _start(self, event: Mapping[str, Any]) -> Reading:
        """Take the beginning of an activity."""
        kind, text = _integer(event.get("type")), plain(str(event.get("text", "")))
        fields = _fields(event)
        name = store_name(str(fields[0])) if fields and kind in {Activity.BUILD, Activity.SUBSTITUTE} else ""
        self._open[_integer(event.get("id"))] = (kind, name)
        while len(self._open) > _OPEN_ACTIVITIES:
            self._open.popitem(last=False)
        progress = None
        match kind:
            case Activity.BUILD:
                self._latest = name
                progress = self._advance(Phase.BUILD, None)
            case Activity.SUBSTITUTE | Activity.COPY_PATH | Activity.FILE_TRANSFER:
                self._latest = name or text
                progress = self._advance(Phase.FETCH, None)
        shown = text and _integer(event.get("level")) <= _SHOWN_LEVEL
        return Reading((text,) if shown else (), progress)

    def _result(self, event: Mapping[str, Any]) -> Reading:
        """Take a line or a figure that an activity reports."""
        kind, name = self._open.get(_integer(event.get("id")), (-1, ""))
        fields = _fields(event)
        match _integer(event.get("type")):
            case Result.LOG_LINE | Result.POST_BUILD_LOG_LINE if fields:
                line = plain(str(fields[0]))
                self._tail(name).append(line)
                return Reading((f"{name}> {line}",))
            case Result.PROGRESS if kind in {Activity.BUILDS, Activity.COPY_PATHS} and len(fields) > 1:
                phase = Phase.BUILD if kind == Activity.BUILDS else Phase.FETCH
                return Reading(progress=self._advance(phase, (_integer(fields[0]), _integer(fields[1]))))
        return Reading()

    def _tail(self, name: str) -> deque[str]:
        """Return the last lines of the builder of ``name``."""
        tail = self._tails.setdefault(name, deque(maxlen=TAIL_LINES))
        self._tails.move_to_end(name)
        while len(self._tails) > _TAILS:
            self._tails.popitem(last=False)
        return tail

    def _advance(self, phase: Phase, count: tuple[int, int] | None) -> Progress | None:
        """Return the progress if it changed. It never goes back: neither the phase nor the fraction within one."""
        done, expected = count or (0, 0)
        if count is not None and expected <= 0:
            return None
        last = self._progress
        if _ORDER.index(phase) < _ORDER.index(last.phase):
            return None
        fraction = round(min(max(done / expected, 0.0), 1.0), 2) if count else None
        if phase is last.phase and last.fraction is not None:
            fraction = max(fraction or 0.0, last.fraction)
        code = "progress.build" if phase is Phase.BUILD else "progress.fetch"
        name = self._latest[:_LONGEST_NAME]
        said = Sentence(code, {"name": name}) if name else Sentence(f"{code}_all")
        self._progress = Progress(phase, fraction, said)
        return self._progress if self._progress != last else None


def plain(text: str) -> str:
    """Return ``text`` as one line without escape sequences and control characters (tabs stay)."""
    return _ESCAPES.sub("", text).rstrip("\n").replace("\n", " ")  # behind a line's end there may be sequences


def store_name(path: str) -> str:
    """Return the name in a store path: ``git-2.39`` for ``/nix/store/HASH-git-2.39.drv``."""
    found = _STORE_PATH.fullmatch(plain(path))
    return found[1] if found else plain(path)


def _event(line: bytes) -> dict[str, Any] | None:
    """Return the event that a line carries, if it does."""
    if not line.startswith(_PREFIX):
        return None
    try:
        event = json.loads(line[len(_PREFIX) :])
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _fields(event: Mapping[str, Any]) -> list[Any]:
    """Return the fields of an event; none where they are no list."""
    fields = event.get("fields")
    return fields if isinstance(fields, list) else []


def _integer(value: object) -> int:
    """Return a foreign value if it is an integer of a sane size, else -1."""
    return value if isinstance(value, int) and abs(value) < 1 << 64 else -1
