"""Leftovers of a killed run of the tests on this machine, found by the path of its directory and removed.

Processes carry the path in their environment or run a program below it. Nodes name their control groups, links, routes,
tables and mounts after their data directory, which lies below it. Nothing else is ever touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from nixos_workspaces.node.home import Home

_PATIENCE = 15.0
_NO_MARKS = (b"PWD", b"OLDPWD")
"""A shell whose user has a look at the directory does not belong to it."""


def clean(run: Path, *, keep_files: bool = False) -> list[str]:
    """Remove everything of a dead run, its directory included unless told; returns a line for each thing found.

    Never touches this process and those above it. Without root only processes and files can be there.
    """
    said = [f"process {pid}" for pid in _kill(lambda: _marked(run))]
    for home in _homes(run):
        said += _clean_node(home)
    for point in _mount_points(run):
        said.append(f"mount {point}")
        _run("umount", "--lazy", str(point))
    said += _detach_loops(run)
    if not keep_files:
        _run("rm", "-rf", "--", str(run))  # trees of tests are deeper than Python can recurse
    return said


def _clean_node(home: Home) -> list[str]:
    """Remove what a node with that data directory has on the machine."""
    said, groups = [], _groups(home)
    for group in groups:  # all hierarchies, before anything is killed: one that is frozen in another does not die
        _thaw(group)
    for group in groups:
        said.append(f"control group {group}")
        _remove_group(group)
    if home.pin.exists():
        said.append(f"mounts of {home.pin}")
        inside = home.pin.stat().st_ino
        _kill(lambda: _in_namespace(inside))
        for point in (home.pin, home.pin.parent):
            _run("umount", "--lazy", str(point))
    shutil.rmtree(home.pin.parent.parent, ignore_errors=True)
    if shutil.which("ip") and os.geteuid() == 0:
        said += _clean_network(home.tag)
    return said


def _clean_network(tag: str) -> list[str]:
    """Remove the links, the unreachable range with its gateway, the way out, and the rules of a node."""
    said = []
    for link in _json("ip", "-j", "link"):
        if link["ifname"].startswith((f"nx{tag}", f"nu{tag}")):
            said.append(f"link {link['ifname']}")
            _run("ip", "link", "del", link["ifname"])
    metric = (1 << 30) + int.from_bytes(hashlib.sha256(tag.encode()).digest()[:3], "big")
    for rule in _json("ip", "-j", "-4", "rule"):
        if rule.get("table") == str(metric):
            said.append(f"routing rules of {rule['src']}/{rule['srclen']}")
            _run("ip", "rule", "del", "pref", str(rule["priority"]), "from", f"{rule['src']}/{rule['srclen']}")
            _run("ip", "rule", "del", "pref", str(rule["priority"] - 1), "to", f"{rule['src']}/{rule['srclen']}")
    _run("ip", "route", "flush", "table", str(metric))
    for route in _json("ip", "-j", "-4", "route"):
        if route.get("type") == "unreachable" and route.get("metric") == metric:
            said.append(f"route {route['dst']}")
            _run("ip", "route", "del", "unreachable", route["dst"], "metric", str(metric))
            first, _, _ = route["dst"].partition("/")
            _run("ip", "addr", "del", f"{first.rpartition('.')[0]}.{int(first.rpartition('.')[2]) + 1}/32", "dev", "lo")
    if _run("nft", "delete", "table", "inet", f"nixws_{tag}"):
        said.append(f"table nixws_{tag}")
    return said


def _homes(run: Path) -> list[Home]:
    """Return the places of every node whose data directory lies below a run's."""
    found = [machines.parent.parent for depth in range(1, 6) for machines in run.glob("*/" * depth + "node/machines")]
    return [Home(directory.resolve()) for directory in found]


def _marked(run: Path) -> Iterator[int]:
    """Yield the processes whose environment names a run, or whose program or output lies in its directory.

    Servers that show a title in the list of processes overwrite their environment with it.
    """
    wanted = os.fsencode(run) + b"/"
    for process in _processes():
        if any((mark + b"/").startswith(wanted) for mark in _marks(Path(f"/proc/{process}"))):
            yield process


def _marks(process: Path) -> Iterator[bytes]:
    """Yield the paths that say whose a process is, and more that says nothing."""
    for link in ("exe", "fd/1", "fd/2"):
        with contextlib.suppress(OSError):
            yield os.fsencode((process / link).readlink())
    with contextlib.suppress(OSError):
        for pair in (process / "environ").read_bytes().split(b"\0"):
            name, _, value = pair.partition(b"=")
            if name not in _NO_MARKS:
                yield value


def _in_namespace(inode: int) -> Iterator[int]:
    """Yield the processes in a mount namespace."""
    for process in _processes():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{process}/ns/mnt").stat().st_ino == inode:
                yield process


def _processes() -> list[int]:
    """Return all processes but this one and those above it."""
    above = set()
    process = os.getpid()
    while process:
        above.add(process)
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    names = (entry.name for entry in Path("/proc").iterdir())
    return [int(name) for name in names if name.isdigit() and int(name) not in above]


def _kill(find: Callable[[], Iterable[int]]) -> list[int]:
    """Kill what ``find`` gives until it gives nothing more; returns all that it gave."""
    seen: set[int] = set()
    deadline = time.monotonic() + _PATIENCE
    while found := list(find()):
        seen |= set(found)
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if time.monotonic() > deadline:
            message = f"these processes of an earlier run of the tests do not end: {found}"
            raise RuntimeError(message)
        time.sleep(0.01)
    return sorted(seen)


def _groups(home: Home) -> list[Path]:
    """Return the control groups of a node, in every hierarchy."""
    fields = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    roots = {Path(words[4]) for words in fields if words[words.index("-") + 1] in {"cgroup", "cgroup2"}}
    names = (f"nixws-{home.tag}", f"nixws-{home.tag}-lxcfs")
    return [group for root in sorted(roots) for name in names if (group := root / name).is_dir()]


def _thaw(top: Path) -> None:
    """Let what is frozen in a control group and below go on."""
    for directory in _tree(top)[::-1]:
        for name, word in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
            with contextlib.suppress(OSError):
                if (directory / name).exists():
                    (directory / name).write_text(word)


def _remove_group(top: Path) -> None:
    """Kill what runs in a control group and below, and remove them."""
    inner_first = _tree(top)[::-1]
    _kill(lambda: _members(inner_first))
    deadline = time.monotonic() + _PATIENCE
    for directory in inner_first:
        while directory.is_dir():
            try:
                directory.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def _tree(top: Path) -> list[Path]:
    """Return a directory and all below it, outer ones first, however deep a workspace has made them."""
    found = [top]
    for directory in found:
        with contextlib.suppress(OSError), os.scandir(directory) as entries:
            found += [directory / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return found


def _members(groups: Iterable[Path]) -> Iterator[int]:
    for group in groups:
        with contextlib.suppress(OSError):
            yield from map(int, (group / "cgroup.procs").read_text().split())


def _mount_points(run: Path) -> list[Path]:
    """Return what is mounted below a run's directory, innermost first."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [Path(point) for point in points if point.startswith(f"{run}/")][::-1]


def _detach_loops(run: Path) -> list[str]:
    """Let go of the block devices whose image lies below a run's directory."""
    said = []
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if file.read_text().startswith(f"{run}/"):
                said.append(f"loop device {file.parts[3]}")
                _run("losetup", "--detach", f"/dev/{file.parts[3]}")
    return said


def _json(*argv: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout or "[]")
    return listed


def _run(*argv: str) -> bool:
    """Run a command whose failure means that there was nothing to do; returns whether it succeeded."""
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0
