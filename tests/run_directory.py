"""The directory of one run of the tests: everything that the run makes lies below it or is named after it.

    /var/tmp/nixws-tests-UID/NAME/         made by pytest's main process
    /var/tmp/nixws-tests-UID/NAME/lock     locked (shared) by the main process and its workers as long as they live

A run whose lock nobody holds is dead: the kernel drops locks, also after SIGKILL. What it left on the machine is found
by the directory's path (``leftovers``) and removed by the next run.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from leftovers import clean

VARIABLE = "WORKSPACES_TEST_RUN"
"""Names the run's directory to the run's workers and, as a mark, in every process that they start."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The directory of a run that lives as long as this process."""

    path: Path

    @classmethod
    def make(cls, base: Path | None = None) -> Self:
        """Remove what dead runs left, and begin a run."""
        base = base or Path(f"/var/tmp/nixws-tests-{os.geteuid()}")
        base.mkdir(exist_ok=True)
        with _alone(base):
            for path in base.iterdir():
                if path.is_dir() and _is_dead(path):
                    clean(path)
            made = cls(Path(tempfile.mkdtemp(dir=base)))
            made.path.chmod(0o755)  # the service's unprivileged user reads below
            made.hold()
        return made

    def hold(self) -> None:
        """Let the run live as long as this process; no program that it starts inherits the descriptor."""
        lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_SH)

    def mark(self) -> None:
        """Let everything that this process starts be known by the run, and have its temporary files there."""
        temporary = self.path / "tmp"
        temporary.mkdir(exist_ok=True)
        temporary.chmod(0o1777)
        os.environ[VARIABLE] = str(self.path)
        os.environ["TMPDIR"] = str(temporary)
        tempfile.tempdir = None


def current() -> Path:
    """Return the directory of the run that this process belongs to; outside of pytest it begins one of its own."""
    if VARIABLE not in os.environ:
        run = RunDirectory.make()
        run.mark()
        atexit.register(clean, run.path)
    return Path(os.environ[VARIABLE])


@contextmanager
def _alone(base: Path) -> Iterator[None]:
    """Let no two processes begin or remove runs at once."""
    with (base / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_dead(run: Path) -> bool:
    """Return whether no process of a run lives; a directory without a lock was never begun."""
    with contextlib.suppress(FileNotFoundError), (run / "lock").open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
