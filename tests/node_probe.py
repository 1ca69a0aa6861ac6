"""Runs inside a workspace as its root, tries to get out, and prints what it found as JSON."""

import ctypes
import json
import os
import socket
import sys
import time
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
LACKING = (29, 27, 13, 19, 24, 22)  # AUDIT_WRITE, MKNOD, NET_RAW, SYS_PTRACE, SYS_RESOURCE, SYS_BOOT
FORBIDDEN = (
    "/proc/kcore",
    "/dev/mem",
    "/dev/loop0",
    "/dev/loop-control",
    "/dev/fuse",
    "/dev/net/tun",
    "/proc/sysrq-trigger",
    "/sys/kernel/uevent_helper",
    "/sys/power/state",
    "/proc/sys/kernel/core_pattern",
)
OWN_SETTINGS = (
    "/proc/sys/net/",
    "/proc/sys/user/",
    "/proc/sys/kernel/shm",
    "/proc/sys/kernel/sem",
    "/proc/sys/kernel/msg",
    "/proc/sys/kernel/auto_msgmni",
    "/proc/sys/fs/mqueue",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/domainname",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/kernel/pid_max",
)
"""Settings that the kernel keeps per namespace: what is written there concerns this workspace only."""


def opens(path: str, mode: int) -> bool:
    try:
        os.close(os.open(path, mode | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def writes(path: str, text: str) -> bool:
    try:
        Path(path).write_text(text)
    except OSError:
        return False
    return True


def mounts(kind: str) -> bool:
    place = Path("/tmp/probe")
    place.mkdir(exist_ok=True)
    if libc.mount(b"/dev/loop0", bytes(place), kind.encode(), 0, None):
        return False
    libc.umount2(bytes(place), 2)
    return True


def writable_settings() -> list[str]:
    """Settings of the whole machine whose value can be written back."""
    found = []
    for path in Path("/proc/sys").rglob("*"):
        try:
            if path.is_file() and not str(path).startswith(OWN_SETTINGS) and writes(str(path), path.read_text()):
                found.append(str(path))
        except (OSError, ValueError):
            continue
    return found


def reaches(target: str) -> tuple[str, float]:
    host, _, port = target.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    began = time.monotonic()
    try:
        with socket.socket(family) as connection:
            connection.settimeout(5)
            connection.connect(socket.getaddrinfo(host.strip("[]"), int(port), family)[0][4])
            answer = "connected"
    except OSError as error:
        answer = str(error)
    return answer, time.monotonic() - began


def makes_device() -> bool:
    try:
        os.mknod("/root/device", 0o60600, os.makedev(7, 0))
    except OSError:
        return False
    return opens("/root/device", os.O_RDONLY)


def status(name: str) -> str:
    lines = Path("/proc/1/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def owners() -> set[int]:
    return {path.stat().st_uid for path in Path("/proc").iterdir() if path.name.isdigit() and path.exists()}


def main() -> None:
    bounding = int(status("CapBnd"), 16)
    findings = {
        "host_files": [path for path in ("/boot", "/opt", "/var/tmp/nixws-host") if Path(path).exists()],
        "init": Path("/proc/1/comm").read_text().strip(),
        "first_id": int(Path("/proc/self/uid_map").read_text().split()[1]),
        "foreign_owners": sorted(owners() & {65534}),
        "writable_settings": writable_settings(),
        "opened": [path for path in FORBIDDEN if opens(path, os.O_WRONLY)],
        "mounted": [kind for kind in ("debugfs", "securityfs", "devtmpfs", "ext4") if mounts(kind)],
        "store_remounted": libc.mount(b"none", b"/nix/store", None, 32 | 4096, None) == 0,
        "store_written": writes("/nix/store/probe", "x"),
        "device_made": makes_device(),
        "seccomp": int(status("Seccomp")),
        "lacking": [number for number in LACKING if not bounding >> number & 1],
        "limit_raised": writes("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9999999999")
        or writes("/sys/fs/cgroup/memory.max", "9999999999"),
        "reached": {target: reaches(target) for target in sys.argv[1:]},
    }
    sys.stdout.write(json.dumps(findings))


main()
