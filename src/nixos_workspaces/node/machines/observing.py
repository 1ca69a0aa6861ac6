"""Looking at a machine without touching it; possible at any time, also while it is being changed."""

from __future__ import annotations

from nixos_workspaces.model.machine import Address, MachineState, Observed
from nixos_workspaces.model.reach.ports import SSH_PORT
from nixos_workspaces.node.machines import console, devices, volumes
from nixos_workspaces.node.machines.machines import Machine, absent


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


def log(machine: Machine, offset: int) -> bytes:
    """Return what the machine printed since its last start, from a byte on."""
    if machine.record is None:
        raise absent(machine.workspace_id)
    return console.read(machine.console, offset)
