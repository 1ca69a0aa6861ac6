"""What a container is: the OCI configuration of a workspace. Pure: values in, JSON values out.

The workspace's root is root in a user namespace of its own. What it may do beyond an unprivileged user is what a
system manager, a package manager and a firewall need, and no more; no device and no bind mount can be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nixos_workspaces.model.machine import Resources
from nixos_workspaces.node.machines.volumes import IDS_PER_WORKSPACE

CPU_PERIOD = 100_000
_LEAST_PROCESSES, _MOST_PROCESSES = 512, 32768
_BYTES_PER_PROCESS = 1 << 20
MOST_OPEN_FILES = 524_288

# Left out of what container engines usually grant: AUDIT_WRITE, MKNOD, NET_RAW, SYS_PTRACE, SYS_RESOURCE, SYS_BOOT.
CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_ADMIN",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_ADMIN",
    "CAP_SYS_CHROOT",
)
_CAPABILITY_SETS = ("bounding", "effective", "permitted", "inheritable")
_MASKED = ("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware")
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger")
_NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup", "user")


@dataclass(frozen=True, slots=True)
class HostContext:
    """What all containers of a machine stand on."""

    store: Path
    """The Nix store as containers may see it."""
    seccomp: Mapping[str, Any]
    open_files: int
    """The most open files that a process may have; not more than the node itself may."""
    limits_swap: bool
    """Whether the machine can limit swap."""


@dataclass(frozen=True, slots=True)
class Container:
    """What differs between two workspaces' containers."""

    workspace_id: str
    hostname: str
    generation: int
    toplevel: str
    resources: Resources
    first_id: int
    rootfs: Path
    cgroup: str
    """Path below every cgroup hierarchy's root, with a leading slash."""


def configuration(container: Container, host: HostContext) -> dict[str, Any]:
    """Return ``config.json``."""
    mapping = [{"containerID": 0, "hostID": container.first_id, "size": IDS_PER_WORKSPACE}]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": [f"{container.toplevel}/init"],
            "env": ["container=oci", "PATH=/run/current-system/sw/bin"],
            "cwd": "/",
            "capabilities": {kind: list(CAPABILITIES) for kind in _CAPABILITY_SETS},
            "rlimits": [
                {"type": "RLIMIT_NOFILE", "soft": 1024, "hard": host.open_files},
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
            ],
            "noNewPrivileges": False,
        },
        "root": {"path": str(container.rootfs), "readonly": False},
        "hostname": container.hostname,
        "mounts": _mounts(container, host.store),
        "linux": {
            "namespaces": [{"type": kind} for kind in _NAMESPACES],
            "uidMappings": mapping,
            "gidMappings": mapping,
            "resources": limits(container.resources, swap=host.limits_swap)
            | {"devices": [{"allow": False, "access": "rwm"}]},
            "cgroupsPath": container.cgroup,
            "seccomp": dict(host.seccomp),
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READ_ONLY),
        },
        "annotations": {
            "org.nixws.workspace": container.workspace_id,
            "org.nixws.generation": str(container.generation),
        },
    }


def limits(resources: Resources, *, swap: bool) -> dict[str, Any]:
    """Return the OCI form of a workspace's limits of memory, CPU and processes."""
    memory = {"limit": resources.memory_bytes} | ({"swap": resources.memory_bytes} if swap else {})
    processes = min(_MOST_PROCESSES, max(_LEAST_PROCESSES, resources.memory_bytes // _BYTES_PER_PROCESS))
    cpu = {
        "quota": max(1000, round(resources.cpu * CPU_PERIOD)),
        "period": CPU_PERIOD,
        "shares": min(262_144, max(2, round(resources.cpu * 1024))),
    }
    return {"memory": memory, "cpu": cpu, "pids": {"limit": processes}}


def _mounts(container: Container, store: Path) -> list[dict[str, Any]]:
    """Return the mounts; what lies in memory may take half of the memory limit in all, lest it kills PID 1."""
    memory = container.resources.memory_bytes
    quiet = ["nosuid", "noexec", "nodev"]
    return [
        _mount("/proc", "proc", []),
        _mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=64k"]),
        _mount("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
        _mount("/dev/shm", "tmpfs", ["nosuid", "nodev", "mode=1777", f"size={memory // 8}"]),  # noqa: S108 - inside
        _mount("/dev/mqueue", "mqueue", quiet),
        _mount("/sys", "sysfs", [*quiet, "ro"]),
        _mount("/sys/fs/cgroup", "cgroup", [*quiet, "rw"]),
        _mount("/run", "tmpfs", ["nosuid", "nodev", "mode=755", f"size={memory // 8}"]),
        _mount("/tmp", "tmpfs", ["nosuid", "nodev", "mode=1777", f"size={memory // 4}"]),  # noqa: S108 - inside
        {
            "destination": "/nix/store",
            "type": "bind",
            "source": str(store),
            "options": ["rbind", "ro", "nosuid", "nodev"],
        },
    ]


def _mount(destination: str, kind: str, options: list[str]) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": kind, "options": options}


def seccomp_profile(profile: Mapping[str, Any], machine: str, kernel: tuple[int, int]) -> dict[str, Any]:
    """Return the OCI form of a seccomp profile in Docker's form, for our capabilities.

    ``machine`` and ``kernel`` are what ``uname`` says; rules for others are left out.
    """
    names = {"x86_64": {"amd64", "x86_64", "x32", "x86"}, "aarch64": {"arm64", "aarch64", "arm"}}[machine]
    granted = set(CAPABILITIES)
    rules = [rule for rule in profile["syscalls"] if _applies(rule, names, granted, kernel)]
    native = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}[machine]
    related = [name for row in profile["archMap"] if row["architecture"] == native for name in row["subArchitectures"]]
    converted = {
        "defaultAction": profile["defaultAction"],
        "architectures": [native, *related],
        "syscalls": [_rule(rule) for rule in rules],
    }
    if profile.get("defaultErrnoRet") is not None:
        converted["defaultErrnoRet"] = profile["defaultErrnoRet"]
    return converted


def _applies(rule: Mapping[str, Any], names: set[str], granted: set[str], kernel: tuple[int, int]) -> bool:
    wanted, unwanted = rule.get("includes") or {}, rule.get("excludes") or {}
    least = wanted.get("minKernel")
    return (
        set(wanted.get("caps") or ()) <= granted
        and not (unwanted.get("caps") and set(unwanted["caps"]) & granted)
        and not (wanted.get("arches") and not names & set(wanted["arches"]))
        and not (unwanted.get("arches") and names & set(unwanted["arches"]))
        and not (least and kernel < tuple(int(part) for part in least.split(".")[:2]))
    )


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    converted: dict[str, Any] = {"names": rule["names"], "action": rule["action"]}
    arguments = rule.get("args") or []
    if arguments:
        kept = ("index", "value", "valueTwo", "op")
        converted["args"] = [{key: one[key] for key in kept if key in one} for one in arguments]
    if rule.get("errnoRet") is not None:
        converted["errnoRet"] = rule["errnoRet"]
    return converted
