"""The node's records: one kept per workspace, one of its present run.

Records hold no secret. Each is replaced as a whole, so that a crash leaves the old one or the new one.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from nixos_workspaces.model.machine import Resources


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


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The record of a workspace's present run; lies in memory only."""

    pid: int
    born: int
    """Start time of PID 1 in the kernel's ticks: tells it from a later process with the same id."""
    started_at: datetime
    ready: bool
    """Whether sshd has answered."""


def read_machine(path: Path) -> MachineRecord | None:
    """Return a kept record; None if there is none."""
    value = _read(path)
    if value is None:
        return None
    changes = {"stage": Stage(value["stage"]), "resources": Resources(**value["resources"])}
    return MachineRecord(**(value | changes))


def read_run(path: Path) -> RunRecord | None:
    """Return a run's record; None if there is none."""
    value = _read(path)
    return None if value is None else RunRecord(**(value | {"started_at": datetime.fromisoformat(value["started_at"])}))


def write(path: Path, record: MachineRecord | RunRecord) -> None:
    """Replace a record; returns when it would survive a power cut."""
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        json.dump(dataclasses.asdict(record), file, default=datetime.isoformat)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    if not isinstance(value, dict):
        message = f"{path} is not a record of the node's"
        raise ValueError(message)  # noqa: TRY004 - the file is wrong, not the program
    return value
