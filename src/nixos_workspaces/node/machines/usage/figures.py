"""The figures of a running or paused machine, from files that stay open: its group, its link and its volume."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress

from nixos_workspaces.errors import Conflict
from nixos_workspaces.model.machine import Usage
from nixos_workspaces.node.kernel.cgroups import ControlGroup, number
from nixos_workspaces.node.machines import volumes
from nixos_workspaces.node.machines.machines import NOT_RUNNING, Machine
from nixos_workspaces.node.machines.usage.groups import GroupFigures, group_figures


def figures(machine: Machine, denied: Mapping[int, int]) -> Usage:
    """Return what a running or paused machine uses, with the packets that each index was denied."""
    run, record, seen = machine.running, machine.record, machine.run_record
    assert record is not None

    place = machine.live / "rootfs"

    def read(group: ControlGroup) -> tuple[GroupFigures, tuple[int, int]]:
        received, sent = machine.tools.network.counters(record.index)
        with suppress(OSError):  # a workspace's root may remove its end of the link, and ours goes with it
            machine.traffic = number(group.files.read(received)), number(group.files.read(sent))
        return group_figures(group), volumes.transferred(place, group.files)

    try:
        disk = os.statvfs(place)
        counted, (disk_read, disk_written) = run.look(read)
    except OSError as gone:
        raise Conflict(NOT_RUNNING, code="not_running") from gone
    read_before, written_before = seen.disk_before if seen else (0, 0)
    size = disk.f_blocks * disk.f_frsize
    return Usage(
        cpu_seconds=counted.cpu_seconds,
        memory_bytes=counted.memory_bytes,
        storage_bytes=size - disk.f_bfree * disk.f_frsize,
        storage_capacity_bytes=size,
        processes=counted.processes,
        network_received_bytes=machine.traffic[0],
        network_sent_bytes=machine.traffic[1],
        taken_at=time.monotonic(),
        run=f"{seen.born}-{seen.pid}" if seen else "",
        throttled_seconds=counted.throttled_seconds,
        memory_cache_bytes=counted.memory_cache_bytes,
        inodes=disk.f_files - disk.f_ffree,
        inodes_capacity=disk.f_files,
        disk_read_bytes=max(0, disk_read - read_before),
        disk_written_bytes=max(0, disk_written - written_before),
        denied_packets=denied.get(record.index, 0),
        oom_kills=counted.oom_kills,
        pressure=counted.pressure,
        memory_anon_bytes=counted.memory_anon_bytes,
        memory_kernel_bytes=counted.memory_kernel_bytes,
    )
