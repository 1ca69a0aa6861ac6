"""Looking at a machine without touching it; possible at any time, also while it is being changed."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from nixos_workspaces.errors import Conflict
from nixos_workspaces.model.machine import Address, MachineState, Observed, Usage
from nixos_workspaces.model.reach.ports import SSH_PORT
from nixos_workspaces.node.machines import console, devices, volumes
from nixos_workspaces.node.machines.machines import NOT_RUNNING, Machine, absent


def observe(machine: Machine) -> Observed:
    """Return what is there now."""
    state, record, run, seen = machine.state, machine.record, machine.run, machine.run_record
    if state is MachineState.ABSENT or record is None:
        return Observed(machine.workspace_id, state, quarantine=machine.quarantine)
    up = state in {MachineState.RUNNING, MachineState.PAUSED}
    return Observed(
        workspace_id=machine.workspace_id,
        state=state,
        generation=record.generation,
        toplevel=record.toplevel,
        resources=record.resources,
        address=Address(machine.tools.network.address(record.index), SSH_PORT) if up else None,
        started_at=seen.started_at if seen and state is not MachineState.STOPPED else None,
        oom_kills=run.oom_kills() if run and state is not MachineState.STOPPED else record.oom_kills,
        exit_reason=record.exit_reason,
        encryption=volumes.ENCRYPTION,
        quarantine=machine.quarantine,
        flaw=devices.flaw(machine.null_device) if up else "",
        ports=record.ports if state is not MachineState.STOPPED else None,
    )


def figures(machine: Machine) -> Usage:
    """Return what a running or paused machine uses."""
    run, record = machine.running, machine.record
    assert record is not None
    try:
        cpu, memory, processes = run.figures()
        with suppress(FileNotFoundError):  # a workspace's root may remove its end of the link, and ours goes with it
            machine.traffic = machine.tools.network.traffic(record.index)
        received, sent = machine.traffic
        disk = os.statvfs(machine.live / "rootfs")
    except OSError as gone:
        raise Conflict(NOT_RUNNING, code="not_running") from gone
    size = disk.f_blocks * disk.f_frsize
    used = size - disk.f_bfree * disk.f_frsize
    seen = machine.run_record
    return Usage(
        cpu_seconds=cpu,
        memory_bytes=memory,
        storage_bytes=used,
        storage_capacity_bytes=size,
        processes=processes,
        network_received_bytes=received,
        network_sent_bytes=sent,
        taken_at=time.monotonic(),
        run=f"{seen.born}-{seen.pid}" if seen else "",
        inodes=disk.f_files - disk.f_ffree,
        inodes_capacity=disk.f_files,
        oom_kills=run.oom_kills(),
    )


def log(machine: Machine, offset: int) -> bytes:
    """Return what the machine printed since its last start, from a byte on."""
    if machine.record is None:
        raise absent(machine.workspace_id)
    return console.read(machine.console, offset)
