"""The node's records: one kept per workspace, one of its present run.

Records hold no secret. Each is replaced as a whole, so that a crash leaves the old one or the new one.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from nixos_workspaces.model.machine import Resources
from nixos_workspaces.model.network import EgressRules
from nixos_workspaces.node.egress.enforcement import NOTHING
from nixos_workspaces.node.egress.wire import rules_from_wire, rules_to_wire

_BALLAST = "ballast"
_BALLAST_BYTES = 1 << 20


class Stage(StrEnum):
    """How far a workspace's volume has got."""

    MAKING = "making"
    """Begun; undone when the node starts, begun again by the next call."""
    READY = "ready"
    DELETING = "deleting"
    """Given up; whatever is left of it is removed."""


@dataclass(frozen=True, slots=True)
class MachineRecord:
    """The kept record of a workspace."""

    workspace_id: str
    index: int
    """Decides the address and the range of host ids; no two workspaces have the same."""
    volume: str
    """File name of the image; says nothing about the workspace, because others may see it in ``/sys``."""
    stage: Stage
    resources: Resources
    generation: int = 0
    toplevel: str = ""
    expected: bool = False
    """Whether it runs as far as the node knows: if it does not, it died."""
    exit_reason: str = ""
    oom_kills: int = 0
    """Of the last run, once that has ended."""
    ports: tuple[int, ...] | None = None
    """The ports that are open in the present or last run; None for one whose system cannot change them live."""
    egress: EgressRules = NOTHING
    """The rules of its way out."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The record of a workspace's present run; lies in memory only."""

    pid: int
    born: int
    """Start time of PID 1 in the kernel's ticks: tells it from a later process with the same id."""
    started_at: datetime
    ready: bool
    """Whether sshd has answered."""
    disk_before: tuple[int, int] = (0, 0)
    """Bytes that the volume's device had read and written before the run."""


def read_machine(path: Path) -> MachineRecord | None:
    """Return a kept record; None if there is none."""
    value = _read(path)
    if value is None:
        return None
    ports = value.get("ports")
    changes = {
        "stage": Stage(value["stage"]),
        "resources": Resources(**value["resources"]),
        "ports": None if ports is None else tuple(ports),
        "egress": rules_from_wire(value["egress"]) if "egress" in value else NOTHING,
    }
    return MachineRecord(**(value | changes))


def read_run(path: Path) -> RunRecord | None:
    """Return a run's record; None if there is none."""
    value = _read(path)
    if value is None:
        return None
    read, written = value.get("disk_before", (0, 0))
    changes = {"started_at": datetime.fromisoformat(value["started_at"]), "disk_before": (int(read), int(written))}
    return RunRecord(**(value | changes))


def write(path: Path, record: MachineRecord | RunRecord, ballast: Path | None = None) -> None:
    """Replace a record; returns when it would survive a power cut.

    On a full disk it takes the room that ``keep_ballast`` has reserved in the directory ``ballast``.
    """
    try:
        _replace(path, record)
    except OSError as full:
        if full.errno not in (errno.ENOSPC, errno.EDQUOT) or ballast is None or not _give_up_ballast(ballast):
            raise
        _replace(path, record)


def _replace(path: Path, record: MachineRecord | RunRecord) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        egress = {"egress": rules_to_wire(record.egress)} if isinstance(record, MachineRecord) else {}
        json.dump(dataclasses.asdict(record) | egress, file, default=datetime.isoformat)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def keep_ballast(kept: Path) -> None:
    """Reserve a little of the disk, where that is not done yet, for records that must be written when it is full."""
    ballast = kept / _BALLAST
    if not ballast.exists():
        with suppress(OSError), ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _BALLAST_BYTES)


def _give_up_ballast(kept: Path) -> bool:
    """Give the reserved room to whatever is written next; tell whether there was any."""
    try:
        (kept / _BALLAST).unlink()
    except OSError:
        return False
    return True


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    if not isinstance(value, dict):
        message = f"{path} is not a record of the node's"
        raise ValueError(message)  # noqa: TRY004 - the file is wrong, not the program
    return value
