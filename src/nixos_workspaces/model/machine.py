"""Values exchanged with an engine about machines: limits, state, figures, capacity."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

BYTES_PER_GB = 1 << 30


@dataclass(frozen=True, slots=True)
class Resources:
    """The limits of one workspace."""

    cpu: float
    """Cores; 0.25 or more."""
    memory_bytes: int
    storage_bytes: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where a workspace's sshd answers from the machine that runs the control plane."""

    host: str
    port: int
    username: str = "nixos"


class MachineState(StrEnum):
    """The state of a workspace's machine as its engine observes it."""

    ABSENT = "absent"
    """Nothing of it exists: never created, or deleted."""
    STOPPED = "stopped"
    """The volume exists, no process runs."""
    BOOTING = "booting"
    """PID 1 runs, sshd has not answered yet."""
    RUNNING = "running"
    """sshd has answered."""
    PAUSED = "paused"
    """Frozen; every process keeps its memory, none runs."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One machine as the engine sees it now."""

    workspace_id: str
    state: MachineState
    generation: int = 0
    """The environment's generation that was booted last; 0 if none was."""
    toplevel: str = ""
    resources: Resources | None = None
    address: Address | None = None
    """Where sshd answers; None while the machine is neither running nor paused."""
    started_at: datetime | None = None
    oom_kills: int = 0
    """Processes that were killed since the last boot because the memory limit was reached."""
    exit_reason: str = ""
    """Reason of a stop that was not asked for; empty otherwise."""
    quarantine: str = ""
    """Reason why the engine leaves the machine alone: it could not be taken up or cleared away; empty otherwise."""
    flaw: str = ""
    """A device of the running machine that is broken, in a sentence; its next start makes it anew. Empty otherwise."""
    encryption: str = ""
    """The encryption of the volume that is in force: ``fscrypt``, ``luks2`` or ``gocryptfs``."""
    ports: tuple[int, ...] | None = None
    """The TCP ports that its own firewall opens besides 22; None where the engine cannot tell, or change them live."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """An engine's resources, in all and free for new workspaces."""

    cpu_total: float
    cpu_free: float
    """Cores beyond the limits of all running workspaces together; zero where those share."""
    memory_total_bytes: int
    memory_free_bytes: int
    """As ``cpu_free``."""
    storage_total_bytes: int
    storage_free_bytes: int
    """After everything that is promised to workspaces, those without a volume included."""
    cpu_committed: float = 0.0
    """Cores that running workspaces may use together; more than there are is over-commitment."""
    memory_committed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """Everything an engine needs to make and boot a workspace. Holds secrets: never log it."""

    workspace_id: str
    hostname: str
    generation: int
    toplevel: str
    resources: Resources
    volume_key: bytes = field(repr=False)
    """64 random bytes; the volume cannot be read without them."""
    host_key: str = field(repr=False)
    """The machine's Ed25519 SSH host key in OpenSSH's private format."""
    authorized_keys: tuple[str, ...] = ()
    """Public keys, one line each, that may log in as user ``nixos``."""
    host_certificate: str = ""
    """A certificate of the host key, one line that its sshd shows to clients; empty for none."""
    ports: tuple[int, ...] = ()
    """The TCP ports that its own firewall opens besides 22, sorted."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """Seconds of the present run for which programs waited. Source: Linux, Documentation/accounting/psi.rst."""

    cpu: float
    """Some program waited for a CPU."""
    memory: float
    """Some program waited for memory."""
    memory_full: float
    """All programs waited for memory at once."""
    io: float
    io_full: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """Present figures of a running workspace: the first three in percent of its limits, 0.0 to 100.0."""

    cpu_usage: float
    memory_usage: float
    storage_usage: float
    cpu_cores: float = 0.0
    cpu_throttled: float = 0.0
    """Seconds a second for which its limit of CPU held programs up, added up over CPUs."""
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    memory_anon_bytes: int = 0
    memory_kernel_bytes: int = 0
    memory_cache_bytes: int = 0
    storage_bytes: int = 0
    storage_capacity_bytes: int = 0
    inodes: int = 0
    inodes_capacity: int = 0
    processes: int = 0
    network_received: float = 0.0
    """Bytes a second, as the three below."""
    network_sent: float = 0.0
    disk_read: float = 0.0
    disk_written: float = 0.0
    denied_packets: int = 0
    """Of the present run, as the next."""
    oom_kills: int = 0
    pressure: Pressure | None = None
    """Shares of the time, 0.0 to 1.0; None where the kernel does not tell them."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Figures of one running or paused machine at one instant."""

    cpu_seconds: float
    """CPU time used since boot."""
    memory_bytes: int
    """Memory that could not be given back: without the page cache."""
    storage_bytes: int
    storage_capacity_bytes: int
    processes: int
    network_received_bytes: int
    network_sent_bytes: int
    taken_at: float
    """``time.monotonic()`` of the reading, for rates."""
    run: str = ""
    """Names the machine's present run: all that is counted begins anew with another. Empty where that is not known."""
    throttled_seconds: float = 0.0
    """Time for which programs had to wait because the limit of CPU was reached."""
    memory_cache_bytes: int = 0
    """Page cache, which the kernel takes back when memory is short."""
    inodes: int = 0
    inodes_capacity: int = 0
    disk_read_bytes: int = 0
    """Bytes read from the volume; what the page cache had is not read."""
    disk_written_bytes: int = 0
    denied_packets: int = 0
    """Packets that the network's rules did not let out."""
    oom_kills: int = 0
    pressure: Pressure | None = None
    """None where the kernel does not tell it."""
    memory_anon_bytes: int = 0
    """Memory of programs that no file stands behind, a part of ``memory_bytes``."""
    memory_kernel_bytes: int = 0
    """Memory that the kernel holds for the machine, a part of ``memory_bytes``."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """An engine's features, and its resources in all and left."""

    engine: str
    encryption: str
    live_storage_growth: bool
    cpu_total: float
    memory_total_bytes: int
    storage_total_bytes: int
    storage_free_bytes: int
    """Bytes that new volumes may still take."""
    flaw: str = ""
    """A device of the engine's own computer that is broken, in a sentence; empty otherwise."""
    limits_unseen: str = ""
    """Why workspaces see the machine's figures in ``/proc`` instead of their limits; empty if they see those."""
    uplink: str = ""
    """The link that carries what workspaces send out, with its kind; empty where there is none."""
    uplink_trouble: str = ""
    """Why there is no way out although one is wanted; empty otherwise."""
