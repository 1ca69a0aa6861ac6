"""Canaries of a whole run: planted as secrets in the services of system tests, searched for in all they wrote.

``system.service`` plants them and calls ``search`` before a service or a workspace goes; the first process that
plants some also looks at the arguments and environment of this machine's processes as long as the run lasts. What was
found is noted in the run's directory, so that it counts from every worker, and fails the run by name at its end.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from parallel import is_worker
from run_directory import current

_PREFIX = "zeisig-"
SAMPLE_SECONDS = 0.1
_LOOKS = 3
"""How often a process is looked at from when it is seen first: it may run another program soon."""
_AGAIN = 100
"""After so many rounds every process is looked at again."""
_OVERLAP = 256
_CHUNK = 1 << 22
_FOUND = pytest.StashKey[list[str]]()


def canary() -> str:
    """Return a new secret that ``search`` and the look at processes know, those of this run only."""
    _watch_processes()
    return f"{_of_this_run()}{secrets.token_hex(8)}"


@cache
def _of_this_run() -> str:
    """Return the beginning of this run's canaries: another run beside it, or within it, has its own."""
    return f"{_PREFIX}{hashlib.sha256(bytes(current())).hexdigest()[:8]}-"


@cache
def _pattern() -> re.Pattern[bytes]:
    """Return what matches every canary of this run, and no text that only speaks of them."""
    return re.compile(_of_this_run().encode() + rb"[0-9a-f]{16}")


def search(directory: Path, known: Iterable[str] = (), named: str = "*") -> None:
    """Note the files below a directory that hold a canary, or one of the secrets that are known by their text.

    The keys that the tests keep themselves are left out, and holes of images are not read.
    """
    needles = [one.encode() for one in known if one]
    for path in _files(directory):
        if path.match(named) and path.suffix != ".key" and _holds(path, needles):
            note(f"a file holds a secret in plain: {path.relative_to(directory)}")


def note(finding: str) -> None:
    """Have the run fail at its end."""
    with (current() / "secret-traces").open("a") as file:
        file.write(f"{finding}\n")


def _files(directory: Path) -> Iterator[Path]:
    """Yield the regular files below a directory, on its own file system."""
    device = directory.stat().st_dev
    for place, directories, names in os.walk(directory):
        here = Path(place)
        directories[:] = [one for one in directories if _is_on(here / one, device)]
        yield from (here / name for name in names if (here / name).is_file() and not (here / name).is_symlink())


def _is_on(path: Path, device: int) -> bool:
    with suppress(OSError):
        return path.lstat().st_dev == device
    return False


def _holds(path: Path, needles: list[bytes]) -> bool:
    """Tell whether a file holds a canary or one of the needles, by what of it is stored."""
    with suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
        rest = b""
        for chunk in _stored(file.fileno()):
            data = rest + chunk
            if (_of_this_run().encode() in data and _pattern().search(data)) or any(one in data for one in needles):
                return True
            rest = data[-_OVERLAP:]
    return False


def _stored(descriptor: int) -> Iterator[bytes]:
    """Yield what of a file is no hole."""
    end = 0
    while True:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        except OSError as over:
            if over.errno == errno.ENXIO:
                return
            raise
        while begin < end and (chunk := os.pread(descriptor, min(_CHUNK, end - begin), begin)):
            yield chunk
            begin += len(chunk)


@cache
def _watch_processes() -> None:
    """Begin to look at processes, unless another process of this run does; ends with this process."""
    with suppress(FileExistsError):
        (current() / "secrets-planted").touch(exist_ok=False)
    lock = os.open(current() / "secret-traces.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return
    threading.Thread(target=_look_for_ever, name="secret traces", daemon=True).start()


def _look_for_ever() -> None:
    """Look at every process of this machine that is in no workspace a few times, and now and then again."""
    ours, looked, found, over = Path("/proc/self/ns/pid").readlink(), Counter[int](), set[str](), threading.Event()
    rounds = 0
    while not over.wait(SAMPLE_SECONDS):
        rounds += 1
        alive = {int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()}
        looked = Counter({pid: looked[pid] for pid in alive if looked[pid]}) if rounds % _AGAIN else Counter()
        for pid in (one for one in alive if looked[one] < _LOOKS):
            looked[pid] += 1
            for finding in traces_of(pid, ours):
                if finding not in found:
                    found.add(finding)
                    note(finding)


def traces_of(pid: int, namespace: Path) -> Iterator[str]:
    """Yield the parts of a process that hold a canary; nothing for one that has ended or is in another namespace."""
    with suppress(OSError):
        process = Path("/proc", str(pid))
        if (process / "ns/pid").readlink() != namespace:
            return
        for part in ("cmdline", "environ"):
            if _pattern().search((process / part).read_bytes()):
                program = (process / "comm").read_text().strip()
                yield f"the {part} of a process holds a secret in plain: {program}"


def store_paths_with_canaries() -> list[str]:
    """Return the files of store paths made since the first canary was planted that hold one."""
    marker = current() / "secrets-planted"
    if not marker.exists():
        return []
    newer = ["find", "/nix/store", "-mindepth", "1", "-maxdepth", "1", "-cnewer", str(marker), "-print0"]
    made = subprocess.run(newer, capture_output=True, check=False).stdout.split(b"\0")[:-1]
    found: list[str] = []
    for first in range(0, len(made), 500):
        command = [b"grep", b"-rlaE", b"--devices=skip", _pattern().pattern, *made[first : first + 500]]
        found += subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a secret was found anywhere in plain."""
    if is_worker(session.config):
        return
    noted = current() / "secret-traces"
    found = noted.read_text().splitlines() if noted.exists() else []
    found += [f"a store path holds a secret in plain: {path}" for path in store_paths_with_canaries()]
    session.config.stash[_FOUND] = list(dict.fromkeys(found))
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell where."""
    if found := config.stash.get(_FOUND, []):
        terminalreporter.section("secrets in plain", red=True)
        for one in found:
            terminalreporter.line(one)
