"""The OCI configuration of a workspace's container. Pure: values in, JSON values out.

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
_MASKED = (
    *("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi"),
    # Cosmetic: the workspace's root can take these away again.
    *("/proc/diskstats", "/proc/partitions", "/proc/swaps", "/proc/interrupts", "/proc/sched_debug"),
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger")
_SYSTEM = ("devices/system/cpu", "devices/system/node", "kernel/mm/transparent_hugepage")
"""The parts of ``/sys`` that programs read to fit themselves to the processors; ``/proc/cpuinfo`` tells as much."""
OOM_SCORE = 500
"""Where the whole machine runs out of memory, processes of workspaces are killed before its own services."""
_LEAST_WEIGHT, _WEIGHT_PER_CORE, _MOST_WEIGHT = 10, 50, 1000
SOCKET_FAMILIES = {"unix": 1, "inet": 2, "inet6": 10}
_NETLINK, _NETLINK_AUDIT = 16, 9
_EINVAL, _EAFNOSUPPORT = 22, 97
_REFUSED_CALLS = frozenset(
    {"socket", "socketpair", "socketcall", "io_uring_setup", "io_uring_enter", "io_uring_register"}
)
_NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")


@dataclass(frozen=True, slots=True)
class HostContext:
    """Properties of the host that every container shares."""

    store: Path
    """The Nix store as containers may see it."""
    seccomp: Mapping[str, Any]
    limits_swap: bool
    """Whether the machine can limit swap."""
    weighs_io: bool = False
    """Whether the machine can weigh input and output to disks."""
    cgroup: str = "cgroup"
    """The file system that shows a container its control groups: ``cgroup`` (as the engine finds it), ``cgroup2``."""
    system: tuple[Path, ...] = ()
    """Parts of this machine's ``/sys`` that containers see, as ``system_parts`` returns them."""


@dataclass(frozen=True, slots=True)
class Container:
    """Properties of one workspace's container."""

    workspace_id: str
    hostname: str
    generation: int
    toplevel: str
    resources: Resources
    first_id: int
    user_namespace: Path
    """The user namespace that it is put into."""
    rootfs: Path
    devices: Path
    """A directory with the container's own device nodes."""
    name_servers: Path
    """The container's ``/etc/resolv.conf``; its root may take it away and have one of its own."""
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
            # sudo and the wrappers of NixOS are setuid programs; what they can reach is bounded by the sets above.
            "noNewPrivileges": False,
            "oomScoreAdj": OOM_SCORE,
        },
        "root": {"path": str(container.rootfs), "readonly": False},
        "hostname": container.hostname,
        "mounts": _mounts(container, host),
        "linux": {
            "namespaces": [
                {"type": "user", "path": str(container.user_namespace)},
                *({"type": kind} for kind in _NAMESPACES),
            ],
            # Those of the namespace: the engine asks for them all the same.
            "uidMappings": mapping,
            "gidMappings": mapping,
            "resources": limits(container.resources, host) | {"devices": [{"allow": False, "access": "rwm"}]},
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


def system_parts(root: Path = Path("/sys")) -> tuple[Path, ...]:
    """Return what of ``/sys`` containers may see and this machine has."""
    return tuple(root / part for part in _SYSTEM if (root / part).is_dir())


def limits(resources: Resources, host: HostContext) -> dict[str, Any]:
    """Return the OCI form of a workspace's limits of memory, CPU, processes and its share of the disk's time."""
    memory = {"limit": resources.memory_bytes} | ({"swap": resources.memory_bytes} if host.limits_swap else {})
    processes = min(_MOST_PROCESSES, max(_LEAST_PROCESSES, resources.memory_bytes // _BYTES_PER_PROCESS))
    cpu = {
        "quota": max(1000, round(resources.cpu * CPU_PERIOD)),
        "period": CPU_PERIOD,
        "shares": min(262_144, max(2, round(resources.cpu * 1024))),
    }
    weight = min(_MOST_WEIGHT, max(_LEAST_WEIGHT, round(resources.cpu * _WEIGHT_PER_CORE)))
    disk = {"blockIO": {"weight": weight}} if host.weighs_io else {}
    return {"memory": memory, "cpu": cpu, "pids": {"limit": processes}} | disk


def _mounts(container: Container, host: HostContext) -> list[dict[str, Any]]:
    """Return the mounts; what lies in memory may take half of the memory limit in all, lest it kills PID 1.

    There is no mount of sysfs: then the kernel refuses one to the workspace's root too, who could undo any mask.
    """
    memory = container.resources.memory_bytes
    quiet = ["nosuid", "noexec", "nodev"]
    return [
        _mount("/proc", "proc", []),
        _bind("/dev", container.devices, "nosuid", "noexec"),
        _mount("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
        _mount("/dev/shm", "tmpfs", ["nosuid", "nodev", "mode=1777", f"size={memory // 8}"]),  # noqa: S108 - inside
        _mount("/dev/mqueue", "mqueue", quiet),
        _mount("/sys", "tmpfs", [*quiet, "ro", "mode=755", "size=64k"]),
        *(_bind(str(part), part, "ro", *quiet) for part in host.system),
        _mount("/sys/fs/cgroup", host.cgroup, [*quiet, "rw"]),
        _mount("/run", "tmpfs", ["nosuid", "nodev", "mode=755", f"size={memory // 8}"]),
        _bind("/nix/store", host.store, "ro", "nosuid", "nodev"),
        _bind("/etc/resolv.conf", container.name_servers, "ro", *quiet),
    ]


def _bind(destination: str, source: Path, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": "bind", "source": str(source), "options": ["rbind", *options]}


def _mount(destination: str, kind: str, options: list[str]) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": kind, "options": options}


def seccomp_profile(profile: Mapping[str, Any], machine: str, kernel: tuple[int, int]) -> dict[str, Any]:
    """Return the OCI form of a seccomp profile in Docker's form, for our capabilities, with our rule for sockets.

    ``machine`` and ``kernel`` are what ``uname`` says; rules for others are left out.
    """
    names = {"x86_64": {"amd64", "x86_64", "x32", "x86"}, "aarch64": {"arm64", "aarch64", "arm"}}[machine]
    granted = set(CAPABILITIES)
    rules = [_rule(rule) for rule in profile["syscalls"] if _applies(rule, names, granted, kernel)]
    kept = [rule | {"names": [name for name in rule["names"] if name not in _REFUSED_CALLS]} for rule in rules]
    native = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}[machine]
    related = [name for row in profile["archMap"] if row["architecture"] == native for name in row["subArchitectures"]]
    converted = {
        "defaultAction": profile["defaultAction"],
        "architectures": [native, *related],
        "syscalls": [*(rule for rule in kept if rule["names"]), *_socket_rules()],
    }
    if profile.get("defaultErrnoRet") is not None:
        converted["defaultErrnoRet"] = profile["defaultErrnoRet"]
    return converted


def _socket_rules() -> list[dict[str, Any]]:
    """Return what may be made of sockets: the families that workspaces need, and none beside them.

    Others are not kept apart by the network namespace (vsock reaches the hypervisor) or are seldom used parts of the
    kernel. The old call of 32-bit programs (``socketcall``) hides its arguments in memory; it must be refused by a rule
    without arguments, or libseccomp derives a permission of every family from the rules of ``socket``.
    """
    netlink = _compare(0, _NETLINK)
    unknown = [family for family in range(_NETLINK) if family not in SOCKET_FAMILIES.values()]
    refusals = [[_compare(0, family)] for family in unknown]
    refusals.append([_compare(0, _NETLINK, "SCMP_CMP_GT")])
    allowed = [[_compare(0, family)] for family in SOCKET_FAMILIES.values()]
    allowed.append([netlink, _compare(2, _NETLINK_AUDIT, "SCMP_CMP_NE")])
    pairs = _compare(0, SOCKET_FAMILIES["unix"])
    others = pairs | {"op": "SCMP_CMP_NE"}
    return [
        {"names": ["socketcall"], "action": "SCMP_ACT_ERRNO", "errnoRet": _EAFNOSUPPORT},
        *({"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": one} for one in allowed),
        # The kernel's log of audits needs AUDIT_WRITE; libraries take this answer for one that has no log.
        {
            "names": ["socket"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": _EINVAL,
            "args": [netlink, _compare(2, _NETLINK_AUDIT)],
        },
        *(
            {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": _EAFNOSUPPORT, "args": one}
            for one in refusals
        ),
        {"names": ["socketpair"], "action": "SCMP_ACT_ALLOW", "args": [pairs]},
        {"names": ["socketpair"], "action": "SCMP_ACT_ERRNO", "errnoRet": _EAFNOSUPPORT, "args": [others]},
    ]


def _compare(index: int, value: int, operator: str = "SCMP_CMP_EQ") -> dict[str, Any]:
    return {"index": index, "value": value, "op": operator}


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
