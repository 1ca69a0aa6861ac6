"""How tests run side by side, and which of them need nothing but Python.

The tests of a module stay together on one worker, because most of them share dear fixtures. Tests marked ``alone`` run
when no other does: at the end, and under a lock that all others share.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from itertools import chain, zip_longest
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from leftovers import clean
from run_directory import RunDirectory, current
from typing_extensions import override
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).resolve().parent
REAL_PARTS = frozenset(
    {"free_network", "holder_fixture", "node_fixture", "playwright", "real_nix", "sshd_fixture", "system"}
)
"""Modules, and a library, that need a node, Nix, a compiler, an SSH server or a browser, and root for most of it."""
PREPARED_PROGRAMS = frozenset(
    {
        *("chromium", "crun", "ip", "losetup", "make", "mkfs.ext4", "mount", "nft", "nix", "nix-daemon"),
        *("nix-store", "nsenter", "runc", "sshd", "umount", "unshare"),
    }
)
"""Programs that only a prepared machine has, or that need root: no unit test may run one."""
_IMPORT = re.compile(r"^ *(?:import|from) (\w+)", re.MULTILINE)
"""An import's line: parsing every module in every worker would take a second of each. One module a line, says Ruff."""
_PR_SET_PDEATHSIG = 1
_EXIT_STATUS = pytest.StashKey[int]()
BROWSERS = "test_ui"
"""Begin of the names of modules that drive a browser; unit tests of the same name are spread with them."""
LONGEST_FIRST: tuple[str, ...] = (
    *("system/", "test_node", "contracts/test_runtime", "test_nix"),
    *("test_openapi", "test_policy_matrix", "test_reconciler", "test_orchestrator", "test_cli", "test_light"),
)
"""Beginnings of the modules that take longest: begun last, one of them would be waited for at the end."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin a run, or join the one whose worker this is."""
    if config.option.markexpr == "unit":
        sys.addaudithook(refuse_prepared_programs)
    if is_worker(config):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        RunDirectory(current()).hold()
        return
    signal.signal(signal.SIGTERM, _interrupt)
    run = RunDirectory.make()
    run.mark()
    if config.option.basetemp is None:
        config.option.basetemp = run.path / "t"


@pytest.hookimpl(trylast=True)  # once Hypothesis has begun, before workers do
def pytest_sessionstart() -> None:
    """Keep what takes long once, and how long a busy machine takes, out of what properties are judged by.

    The first strategy of text makes a table of all characters, which takes seconds where no earlier run has left it.
    """
    settings.register_profile("tests", deadline=None)
    settings.load_profile("tests")
    st.text().validate()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember whether the files of failed tests are to be kept until the next run."""
    session.config.stash[_EXIT_STATUS] = exitstatus


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what tests that were interrupted have left."""
    if not is_worker(config):
        clean(current(), keep_files=config.stash.get(_EXIT_STATUS, 1) != 0)


def refuse_prepared_programs(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise ``RuntimeError`` when a program of ``PREPARED_PROGRAMS`` is run by a test; an audit hook (PEP 578)."""
    if event in {"subprocess.Popen", "os.posix_spawn", "os.exec"} and "PYTEST_CURRENT_TEST" in os.environ:
        program = Path(os.fsdecode(arguments[0])).name
        if program in PREPARED_PROGRAMS:
            message = f"a unit test runs {program}, which a bare machine lacks: mark its module with `machine`"
            raise RuntimeError(message)


def is_worker(config: pytest.Config) -> bool:
    """Return whether pytest-xdist has started this process."""
    return hasattr(config, "workerinput")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as after Ctrl-C: fixtures are torn down, the summary is printed."""
    raise KeyboardInterrupt


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Keep tests and modules, which stay until the end, from being looked at whenever garbage is collected."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out of a unit run what has no unit test: importing it in every worker takes seconds."""
    is_module = collection_path.suffix == ".py" and TESTS in collection_path.parents
    return True if config.option.markexpr == "unit" and is_module and needs_machine(collection_path) else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Say whether a test is a unit test."""
    if not needs_machine(item.path) and item.get_closest_marker("machine") is None:
        item.add_marker(pytest.mark.unit)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests into the order in which they are begun; a worker tells the main process which ones run alone."""
    items.sort(key=_place)
    items[:] = _spread(items)
    if is_worker(config):
        written = _alone_file().with_suffix(f".{os.getpid()}")
        written.write_text("\n".join(item.nodeid for item in items if _is_alone(item)))
        written.replace(_alone_file())


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByModule:
    """Give whole modules to workers, in the order of collection."""
    config.option.loadscopereorder = False
    return ByModule(config, log)


class ByModule(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Keeps the tests of a module together on one worker, and those that run alone on another, at the end."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        return "alone" if nodeid in self._alone else nodeid.partition("::")[0]

    @cached_property
    def _alone(self) -> frozenset[str]:
        return frozenset(_alone_file().read_text().splitlines())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test beside others or alone; waiting for that is no part of the test's time."""
    with _admitted(alone=_is_alone(item)):
        return (yield)


def _is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


def _alone_file() -> Path:
    return current() / "alone"


def _spread(items: list[pytest.Item]) -> list[pytest.Item]:
    """Put another module between any two with a browser: three browsers at once starve each other on two cores."""
    alone = [item for item in items if _is_alone(item)]
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if not _is_alone(item):
            modules.setdefault(item.path, []).append(item)
    browsers = [found for path, found in modules.items() if path.name.startswith(BROWSERS)]
    others = [found for path, found in modules.items() if not path.name.startswith(BROWSERS)]
    spread = chain.from_iterable(chain.from_iterable(zip_longest(browsers, others, fillvalue=[])))
    return [*spread, *alone]


def _place(item: pytest.Item) -> tuple[bool, int]:
    name = str(item.path.relative_to(TESTS))
    places = [place for place, start in enumerate(LONGEST_FIRST) if name.startswith(start)]
    return _is_alone(item), places[0] if places else len(LONGEST_FIRST)


@contextmanager
def _admitted(*, alone: bool) -> Iterator[None]:
    """Hold the run's lock: shared, or exclusively, before all who come later."""
    with (current() / "turnstile").open("w") as turnstile, (current() / "tests").open("w") as tests:
        fcntl.flock(turnstile, fcntl.LOCK_EX)
        fcntl.flock(tests, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(turnstile, fcntl.LOCK_UN)
        yield


@cache
def needs_machine(path: Path) -> bool:
    """Return whether a module here imports real parts, itself or through other modules here."""
    seen, due = set[Path](), [path]
    while due:
        seen.add(one := due.pop())
        names = _imported(one)
        if names & REAL_PARTS:
            return True
        # Two may import each other.
        due += [module for name in names if (module := TESTS / f"{name}.py") not in seen and module.exists()]
    return False


@cache
def _imported(path: Path) -> set[str]:
    """Return the first words of all modules that one imports."""
    return set(_IMPORT.findall(path.read_text()))
