"""The domain's values: frozen, typed, without behaviour that touches the outside world.

Units are in the names: bytes inside, GB (10^9 bytes is *not* meant: 1 GB here is 2^30 bytes, as the limits of cgroups
and images are) only on the wire. Times are timezone-aware UTC datetimes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

BYTES_PER_GB = 1 << 30


class Status(StrEnum):
    """What a user sees of a workspace (specification, "List All Workspaces"; design section 6)."""

    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DELETING = "deleting"
    ERROR = "error"


class Desire(StrEnum):
    """What was asked for last; the reconciler works towards it."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DELETED = "deleted"


class Phase(StrEnum):
    """The phases of making a workspace ready, in order (design section 6)."""

    EVALUATE = "evaluate"
    FETCH = "fetch"
    BUILD = "build"
    VOLUME = "volume"
    BOOT = "boot"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Resources:
    """The limits of one workspace."""

    cpu: float
    """Cores; 0.25 or more."""
    memory_bytes: int
    storage_bytes: int


@dataclass(frozen=True, slots=True)
class Environment:
    """What a workspace's system is made of: the data of ``workspace.json``.

    ``packages`` and ``ports`` are sorted and without duplicates (see ``environment``), so that equal environments are
    equal values and become one store path.
    """

    template: str
    packages: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()


def environment(
    template: str, packages: list[str] | tuple[str, ...] = (), ports: list[int] | tuple[int, ...] = ()
) -> Environment:
    """Return the environment in its one normal form: order and duplicates do not matter."""
    return Environment(template, tuple(sorted(set(packages))), tuple(sorted(set(ports))))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a workspace's current work has got."""

    phase: Phase
    fraction: float | None = None
    """0.0 to 1.0 within the phase; None where it cannot be told."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a workspace is in ``error``, or what last went wrong with it."""

    code: str
    message: str
    """The failed step, the reason and what to do, in one or two sentences."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Generation:
    """One built version of a workspace's environment, as Nix numbers them."""

    number: int
    toplevel: str
    environment: Environment
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Address:
    """Where a workspace's sshd answers from the machine that runs the control plane."""

    host: str
    port: int
    username: str = "nixos"


@dataclass(frozen=True, slots=True)
class Template:
    """A NixOS module that users may choose as the base of a workspace."""

    name: str
    title: str
    description: str
    icon: str
    packages: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Package:
    """One package of the set in force."""

    name: str
    version: str
    description: str
