"""The figures of a machine's control group, in hierarchies of version 1, 2 or both.

Everything but the CPU time and the memory is optional: a kernel may lack it, and then it is 0 or None.
Source: Linux, Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst, Documentation/accounting/psi.rst.
"""

from __future__ import annotations

from dataclasses import dataclass

from nixos_workspaces.model.machine import Pressure
from nixos_workspaces.node.kernel.cgroups import ControlGroup, figure, number

_SOME, _FULL = b"some ", b"full "
_TOTAL = b"total="


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """Figures of one group at one instant."""

    cpu_seconds: float
    throttled_seconds: float
    memory_bytes: int
    """All but the page cache."""
    memory_anon_bytes: int
    memory_kernel_bytes: int
    memory_cache_bytes: int
    processes: int
    """Tasks: threads count."""
    oom_kills: int
    pressure: Pressure | None


def group_figures(group: ControlGroup) -> GroupFigures:
    """Return what a group counts; raises ``OSError`` when it has gone."""
    return _of_version_1(group) if group.is_version_1 else _of_version_2(group)


def _of_version_1(group: ControlGroup) -> GroupFigures:
    cpu = number(group.read("cpuacct", "cpuacct.usage"))
    used = number(group.read("memory", "memory.usage_in_bytes"))
    memory = group.read("memory", "memory.stat")
    # The page cache includes memory that is shared between processes, which is not given back.
    cache = max(0, figure(memory, b"total_cache") - figure(memory, b"total_shmem"))
    return GroupFigures(
        cpu_seconds=cpu / 1e9,
        throttled_seconds=figure(group.read_if_any("cpu", "cpu.stat"), b"throttled_time") / 1e9,
        memory_bytes=max(0, used - cache),
        memory_anon_bytes=figure(memory, b"total_rss"),
        memory_kernel_bytes=number(group.read_if_any("memory", "memory.kmem.usage_in_bytes")),
        memory_cache_bytes=cache,
        processes=number(group.read_if_any("pids", "pids.current")),
        oom_kills=figure(group.read_if_any("memory", "memory.oom_control"), b"oom_kill"),
        pressure=_pressure(group),
    )


def _of_version_2(group: ControlGroup) -> GroupFigures:
    cpu = group.read("cpu", "cpu.stat")
    used = number(group.read("memory", "memory.current"))
    memory = group.read("memory", "memory.stat")
    cache = max(0, figure(memory, b"file") - figure(memory, b"shmem"))
    return GroupFigures(
        cpu_seconds=figure(cpu, b"usage_usec") / 1e6,
        throttled_seconds=figure(cpu, b"throttled_usec") / 1e6,
        memory_bytes=max(0, used - cache),
        memory_anon_bytes=figure(memory, b"anon"),
        memory_kernel_bytes=figure(memory, b"kernel"),
        memory_cache_bytes=cache,
        processes=number(group.read_if_any("pids", "pids.current")),
        oom_kills=figure(group.read_if_any("memory", "memory.events"), b"oom_kill"),
        pressure=_pressure(group),
    )


def _pressure(group: ControlGroup) -> Pressure | None:
    """Return the pressure, which only the hierarchy of version 2 tells; None where it does not."""
    texts = [group.read_if_any(None, f"{name}.pressure") for name in ("cpu", "memory", "io")]
    if not all(_SOME in one for one in texts):
        return None
    cpu, memory, io = texts
    return Pressure(
        cpu=_waited(cpu, _SOME),
        memory=_waited(memory, _SOME),
        memory_full=_waited(memory, _FULL),
        io=_waited(io, _SOME),
        io_full=_waited(io, _FULL),
    )


def _waited(text: bytes, kind: bytes) -> float:
    """Return the seconds of one line; the kernel counts microseconds."""
    begin = text.find(kind)
    at = text.find(_TOTAL, begin) if begin >= 0 else -1
    return number(text[at + len(_TOTAL) :].partition(b"\n")[0]) / 1e6 if at >= 0 else 0.0
