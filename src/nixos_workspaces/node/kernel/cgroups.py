"""Control groups, version 1, 2 or both: found, read with descriptors that stay open, frozen, handed over, removed.

The container engine makes them and sets limits; the node reads what they count. Reading an open descriptor is
hundreds of times cheaper than asking the engine.
"""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nixos_workspaces.errors import Conflict, RuntimeFailed
from nixos_workspaces.node.kernel.group_trees import Removal, remove_tree

MOST_DEPTH, MOST_DESCENDANTS = 64, 4096
"""Bounds on the groups that a workspace makes below its own, where the kernel can limit them: in version 2."""
_FREEZE_SECONDS = 5.0
_STUCK_SECONDS = 5.0
_REMOVE_SECONDS = 60.0
_PERIOD = 100_000
_RECLAIMS = 8
_WEIGHING = ("blkio.weight", "blkio.bfq.io_service_bytes")
_WEIGHED = ("io.weight", "io.bfq.weight")
_READ_SIZE = 16384
_KEPT_PART = 2
"""The part of the process's files that may be kept open: connections and boots need the rest."""
_DELEGATED = ("", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks", "cgroup.clone_children")


class _Budget:
    """The number of descriptors that all together keep."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept = 0

    def take(self) -> bool:
        """Take one, if the process may have so many; returns whether it may."""
        with self._lock:
            if self._kept >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _KEPT_PART:
                return False
            self._kept += 1
            return True

    def give_back(self, count: int) -> None:
        """Give back as many."""
        with self._lock:
            self._kept -= count


_budget = _Budget()


class KeptFiles:
    """The files of one machine. Reading an open descriptor costs a fifth of opening the file anew.

    Where the process may have few open files, those that come last are opened for each reading.
    """

    def __init__(self) -> None:
        """Have none open."""
        self._open: dict[str, int] = {}
        self._missing: set[str] = set()

    def read(self, path: str) -> bytes:
        """Return a file's beginning, 16 KiB at most; raises ``OSError``."""
        descriptor = self._open.get(path)
        if descriptor is not None:
            return os.pread(descriptor, _READ_SIZE, 0)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if _budget.take():
            self._open[path] = descriptor
            return os.pread(descriptor, _READ_SIZE, 0)
        try:
            return os.pread(descriptor, _READ_SIZE, 0)
        finally:
            os.close(descriptor)

    def read_if_any(self, path: str) -> bytes:
        """Return a file's beginning; nothing where there is no such file, or it cannot be read. Looks once."""
        if path in self._missing:
            return b""
        try:
            return self.read(path)
        except OSError:
            if path not in self._open:
                self._missing.add(path)
            return b""

    def close(self) -> None:
        """Close the descriptors; reading opens them again."""
        self._missing.clear()
        _budget.give_back(len(self._open))
        while self._open:
            os.close(self._open.popitem()[1])


def figure(text: bytes, name: bytes) -> int:
    """Return the number that stands after a name at the beginning of a line; 0 where there is none."""
    word = name + b" "
    at = 0 if text.startswith(word) else text.find(b"\n" + word) + 1
    if not text.startswith(word, at):
        return 0
    return number(text[at + len(word) :].partition(b"\n")[0])


def number(text: bytes) -> int:
    """Return a number that is not negative; 0 for anything else."""
    text = text.strip()
    return int(text) if text.isdigit() and len(text) <= 20 else 0  # noqa: PLR2004 - as many digits as 64 bits have


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Where this machine's control groups are."""

    controllers: dict[str, Path]
    """Version 1: name of a controller (``memory``, ``name=systemd``) to the root of its hierarchy."""
    unified: Path | None
    """Version 2, if it is mounted."""

    @property
    def hybrid(self) -> bool:
        """Whether there are both versions."""
        return bool(self.controllers) and self.unified is not None

    @property
    def limits_swap(self) -> bool:
        """Whether swap can be limited."""
        if "memory" in self.controllers:
            return (self.controllers["memory"] / "memory.memsw.limit_in_bytes").exists()
        return Path("/proc/swaps").exists()

    @property
    def weighs_io(self) -> bool:
        """Whether groups can have weights for input and output to disks."""
        if self.controllers:
            blkio = self.controllers.get("blkio")
            return blkio is not None and any((blkio / name).exists() for name in _WEIGHING)
        return self.unified is not None and any(any(self.unified.glob(f"*/{name}")) for name in _WEIGHED)

    def roots(self) -> list[Path]:
        """Return the root of every hierarchy, each once."""
        found = [*self.controllers.values(), *([self.unified] if self.unified else [])]
        return list(dict.fromkeys(found))

    def below(self, parent: str) -> list[str]:
        """Return the names of all groups right below a group."""
        found: set[str] = set()
        for root in self.roots():
            with contextlib.suppress(FileNotFoundError):
                found |= {entry.name for entry in os.scandir(f"{root}{parent}") if entry.is_dir()}
        return sorted(found)


def parse_mountinfo(text: str) -> Hierarchies:
    """Return the hierarchies that a ``/proc/PID/mountinfo`` shows."""
    controllers: dict[str, Path] = {}
    unified = None
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        place = Path(before.split(" ")[4])
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            unified = unified or place
        elif kind == "cgroup":
            names = {option for option in options.split(" ")[-1].split(",") if option not in {"rw", "ro"}}
            for name in names:
                controllers.setdefault(name, place)
    return Hierarchies(controllers, unified)


def hierarchies() -> Hierarchies:
    """Return this machine's; raises ``RuntimeFailed`` when there is none with limits of memory."""
    found = parse_mountinfo(Path("/proc/self/mountinfo").read_text())
    if "memory" in found.controllers:
        return found
    if found.unified and "memory" in (found.unified / "cgroup.controllers").read_text().split():
        return Hierarchies({}, found.unified)
    message = "No control group can limit memory: mount cgroup2, or the controllers of version 1, at /sys/fs/cgroup."
    raise RuntimeFailed(message, code="cgroups_missing")


class ControlGroup:
    """The group of one container, in every hierarchy."""

    def __init__(self, machine: Hierarchies, path: str) -> None:
        """Name the group by its path below each hierarchy's root."""
        self._machine = machine
        self._path = path
        self.is_version_1 = bool(machine.controllers)
        """Whether controllers of version 1 limit and count."""
        self.files = KeptFiles()
        """Files that are read again and again; its other files may be among them."""

    def hand_over(self, owner: int) -> None:
        """Let a user id (and group id) manage the group's inside, which a system manager in it needs.

        That is the hierarchy of version 2 where there is one, because only that bounds the trees made in it.
        """
        root = self._machine.unified or self._machine.controllers.get("name=systemd")
        if root is None:
            return
        self._limit_tree()
        for name in _DELEGATED:
            with contextlib.suppress(FileNotFoundError):
                os.chown(f"{root}{self._path}/{name}", owner, owner)

    @property
    def unified(self) -> Path | None:
        """Its directory where version 2 limits memory; None where version 1 does."""
        return None if self._machine.controllers else Path(f"{self._machine.unified}{self._path}")

    def read(self, controller: str, name: str) -> bytes:
        """Return a file of the group as the controller's hierarchy has it; raises ``OSError``."""
        return self.files.read(self._path_of(controller, name))

    def read_if_any(self, controller: str | None, name: str) -> bytes:
        """Return a file of the group, None: in the hierarchy of version 2; nothing where this machine has none."""
        if controller is None:
            root = self._machine.unified
            return b"" if root is None else self.files.read_if_any(f"{root}{self._path}/{name}")
        if self.is_version_1 and controller not in self._machine.controllers:
            return b""
        return self.files.read_if_any(self._path_of(controller, name))

    def oom_kills(self) -> int:
        """Return how many processes the kernel killed because the memory limit was reached."""
        name = "memory.oom_control" if self._machine.controllers else "memory.events"
        return figure(self.read("memory", name), b"oom_kill")

    def frozen(self) -> bool:
        """Return whether the group's processes are frozen."""
        if self._machine.controllers:
            return self.read("freezer", "freezer.state").strip() == b"FROZEN"
        return figure(self.read("", "cgroup.events"), b"frozen") == 1

    def freeze(self, *, frozen: bool) -> None:
        """Freeze or thaw every process of the group; raises ``RuntimeFailed`` when it takes too long."""
        file, freezing, thawed = self._freezer()
        word = freezing if frozen else thawed
        deadline = time.monotonic() + _FREEZE_SECONDS
        file.write_text(word)
        while self.frozen() is not frozen:
            if time.monotonic() > deadline:
                file.write_text(thawed)
                raise RuntimeFailed("The workspace's processes could not be frozen or thawed.", code="freezer")
            time.sleep(0.001)
            file.write_text(word)

    def thaw(self) -> None:
        """Let processes that are to end do so: neither frozen nor short of CPU time; does not wait for it.

        Does nothing when the group has gone.
        """
        file, _, thawed = self._freezer()
        version1 = bool(self._machine.controllers)
        quota = self._file("cpu", "cpu.cfs_quota_us" if version1 else "cpu.max")
        for place, word in ((file, thawed), (quota, "-1" if version1 else "max")):
            with contextlib.suppress(OSError):
                place.write_text(word)

    @property
    def crowded(self) -> bool:
        """Whether the group has so many processes that it can hardly start another one."""
        with contextlib.suppress(OSError, ValueError):
            present, most = (int(self._file("pids", f"pids.{name}").read_text()) for name in ("current", "max"))
            return present >= most - max(8, most // 64)
        return False

    def kill(self) -> None:
        """Kill every process of the group and remove the group; does nothing when there is none.

        Raises ``RuntimeFailed`` when that takes longer than a minute, or comes no further for five seconds.
        """
        self.close()
        self.thaw()
        began = advanced = time.monotonic()
        for root in self._machine.roots():
            while (outcome := remove_tree(f"{root}{self._path}", began + _REMOVE_SECONDS)) is not Removal.DONE:
                now = time.monotonic()
                if outcome is Removal.ADVANCED:
                    advanced = now
                if now > min(advanced + _STUCK_SECONDS, began + _REMOVE_SECONDS):
                    raise RuntimeFailed(f"Processes in {self._path} do not end.", code="processes_left")
                time.sleep(0.002)

    def close(self) -> None:
        """Close the descriptors; reading opens them again."""
        self.files.close()

    def _limit_tree(self) -> None:
        """Bound the groups that may be made below this one; does nothing where the kernel cannot."""
        if self._machine.unified is None:
            return
        for name, most in (("cgroup.max.depth", MOST_DEPTH), ("cgroup.max.descendants", MOST_DESCENDANTS)):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self._machine.unified}{self._path}/{name}").write_text(str(most))

    def _freezer(self) -> tuple[Path, str, str]:
        """Return the file that freezes the group and its two words."""
        if self._machine.controllers:
            return self._file("freezer", "freezer.state"), "FROZEN", "THAWED"
        return self._file("", "cgroup.freeze"), "1", "0"

    def _file(self, controller: str, name: str) -> Path:
        return Path(self._path_of(controller, name))

    def _path_of(self, controller: str, name: str) -> str:
        root = self._machine.controllers[controller] if self._machine.controllers else self._machine.unified
        return f"{root}{self._path}/{name}"


@contextlib.contextmanager
def reclaimed(directory: Path | None, memory_bytes: int) -> Iterator[None]:
    """Have no more memory than so much in use within the block, which is to set that limit.

    In version 2 a limit below what is in use would kill processes: here the group in ``directory`` is slowed and its
    memory taken back first. Version 1 (None) takes back by itself and refuses where it cannot. Raises
    ``Conflict`` (memory) where more is in use that cannot be given back.
    """
    if directory is None:
        yield
        return
    current, high = directory / "memory.current", directory / "memory.high"
    before = high.read_text()
    high.write_text(str(memory_bytes))
    try:
        for _ in range(_RECLAIMS):
            excess = int(current.read_text()) - memory_bytes
            if excess <= 0:
                break
            with contextlib.suppress(OSError):  # it could not take back all, or the kernel is older than 5.19
                (directory / "memory.reclaim").write_text(str(excess))
        if int(current.read_text()) > memory_bytes:
            message = "The workspace uses more memory than the new limit; stop something in it, or restart it."
            raise Conflict(message, code="memory_in_use", field="memory")
        yield
    finally:
        high.write_text(before)


def confine(machine: Hierarchies, path: str, pid: int, memory_bytes: int, cores: int) -> None:
    """Move a process into a group with limits, as far as this machine has them; the group may be there already."""
    if machine.controllers:
        roots = [machine.unified, *(machine.controllers.get(name) for name in ("name=systemd", "memory", "cpu"))]
        limits = {
            "memory.limit_in_bytes": str(memory_bytes),
            "cpu.cfs_period_us": str(_PERIOD),
            "cpu.cfs_quota_us": str(cores * _PERIOD),
        }
    else:
        roots = [machine.unified]
        limits = {"memory.max": str(memory_bytes), "cpu.max": f"{cores * _PERIOD} {_PERIOD}"}
        with contextlib.suppress(OSError):
            Path(f"{machine.unified}/cgroup.subtree_control").write_text("+memory +cpu")
    for group in {Path(f"{root}{path}") for root in roots if root}:
        with contextlib.suppress(OSError):
            group.mkdir(exist_ok=True)
            for name, limit in limits.items():
                if (group / name).exists():
                    (group / name).write_text(limit)
            (group / "cgroup.procs").write_text(str(pid))


def members(machine: Hierarchies, path: str) -> set[int]:
    """Return the processes of a group and of those below it, as many of these as there may be."""
    found: set[int] = set()
    groups = [f"{machine.controllers.get('memory') or machine.unified}{path}"]
    for group in groups:
        with contextlib.suppress(OSError):  # gone, or deeper than a path may be
            found.update(int(pid) for pid in Path(f"{group}/cgroup.procs").read_text().split())
            with os.scandir(group) as entries:
                inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            groups += inner[: max(0, MOST_DESCENDANTS - len(groups))]
    return found


def remove_empty(machine: Hierarchies, path: str) -> None:
    """Remove a group without processes from every hierarchy."""
    for root in machine.roots():
        with contextlib.suppress(OSError):
            Path(f"{root}{path}").rmdir()
