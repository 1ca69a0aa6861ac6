"""Steps of a set-up: run side by side where none waits for another, with their state and their time told.

What a step's commands print goes into its log (``.dev/NAME.log``); people see one line of all that is under way, and
one line with the time of each step that took more than a moment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

_MOMENT = 0.5
_TERMINAL_SECONDS = 0.2
_PLAIN_SECONDS = 2.0
"""How often the state is told on a terminal, where it replaces itself, and elsewhere, where it is a line."""
_LOOK_SECONDS = 0.1
_LAST_LINES = 40

Read = Callable[[str], str | None]
"""Returns what a line of a command's output says about the step's progress; None if nothing."""


class StepFailed(Exception):
    """A step cannot be done; the message is for people."""


def verbatim(line: str) -> str | None:
    """Return a line as it is."""
    return line.strip() or None


@dataclass
class Task:
    """One step under way."""

    log: Path
    held: Sequence[int]
    """Descriptors that the commands keep open: the set-up's lock, which so outlives a killed set-up until they end."""
    note: str = ""

    def run(
        self, *argv: str | Path, read: Read = verbatim, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Run a command to its end; raises ``StepFailed`` with the end of its output if it fails."""
        words = [str(word) for word in argv]
        lines: list[str] = []
        with (
            self.log.open("a") as log,
            subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, **(env or {})},
                cwd=cwd,
                pass_fds=self.held,
            ) as child,
        ):
            assert child.stdout is not None
            for line in child.stdout:
                log.write(line)
                lines = [*lines[1 - _LAST_LINES :], line]
                self.note = read(line) or self.note
        if child.returncode:
            said = "".join(lines).rstrip()
            raise StepFailed(f"failed with exit code {child.returncode}: {' '.join(words)}\n{said}")


@dataclass
class Step:
    """A piece of work with a name; it begins when the steps that it names in ``after`` have been done."""

    name: str
    work: Callable[[Task], object]
    after: Sequence[str] = ()
    done: threading.Event = field(default_factory=threading.Event)
    failure: BaseException | None = None
    began: float | None = None
    seconds: float = 0.0


class _Screen:
    """Tells what is under way: in place on a terminal, as lines elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._told = time.monotonic()
        self._last = ""
        self.pause = _TERMINAL_SECONDS if self._terminal else _PLAIN_SECONDS

    def state(self, text: str) -> None:
        now = time.monotonic()
        if now - self._told < self.pause or text == self._last:
            return
        self._told, self._last = now, text
        if self._terminal:
            width = os.get_terminal_size(self._out.fileno()).columns - 1
            self._out.write(f"\r\x1b[K{text[:width]}")
        else:
            self._out.write(f"{text}\n")
        self._out.flush()

    def line(self, text: str) -> None:
        self._out.write(f"\r\x1b[K{text}\n" if self._terminal else f"{text}\n")
        self._out.flush()


def run_steps(steps: Sequence[Step], logs: Path, *, held: Sequence[int] = (), out: TextIO = sys.stdout) -> None:
    """Do every step; raises ``StepFailed`` after all that had begun have ended, and begins no other after a failure."""
    began = time.monotonic()
    failed = threading.Event()
    screen = _Screen(out)
    tasks = {step.name: Task(logs / f"{step.name}.log", held) for step in steps}
    for step in steps:
        before = [other.done for other in steps if other.name in step.after]
        threading.Thread(target=_work, args=(step, tasks[step.name], before, failed), daemon=True).start()
    waiting = list(steps)
    while waiting:
        waiting[0].done.wait(_LOOK_SECONDS)
        for step in [step for step in waiting if step.done.is_set()]:
            waiting.remove(step)
            if step.seconds > _MOMENT:
                screen.line(f"dev: {step.name} {'failed after' if step.failure else 'done in'} {step.seconds:.1f} s")
        under_way = [(step.name, tasks[step.name].note) for step in waiting if step.began and not step.done.is_set()]
        if under_way:
            notes = " · ".join(f"{name}: {note}" if note else name for name, note in under_way)
            screen.state(f"dev: {time.monotonic() - began:3.0f} s  {notes}")
    for step in steps:
        if isinstance(step.failure, StepFailed | OSError):
            raise StepFailed(f"{step.name}: {step.failure}") from step.failure
        if step.failure is not None:
            raise step.failure


def _work(step: Step, task: Task, before: Sequence[threading.Event], failed: threading.Event) -> None:
    """Do one step in a thread of its own, once those before it have been done."""
    for done in before:
        done.wait()
    if not failed.is_set():
        step.began = time.monotonic()
        try:
            task.log.write_text("")
            step.work(task)
        except BaseException as problem:  # noqa: BLE001 - raised again by the main thread
            step.failure = problem
            failed.set()
        step.seconds = time.monotonic() - step.began
    step.done.set()
