"""Runs inside a workspace as its root, tries to get out, and prints what it found as JSON."""

import ctypes
import errno
import json
import mmap
import os
import platform
import socket
import struct
import sys
import time
from collections.abc import Callable
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


def families(make: Callable[[int], object]) -> list[int]:
    """Return the address families of which sockets can be made."""
    found = []
    for family in range(64):
        try:
            make(family)
            found.append(family)
        except OSError as refused:
            # The family is there, only this kind of socket is not.
            if refused.errno not in {errno.EAFNOSUPPORT, errno.ENOSYS}:
                found.append(family)
    return found


def old_call(number: int, *arguments: int) -> int:
    """Make a system call as a 32-bit program does; returns what the kernel answers, 0 on another processor."""
    if platform.machine() != "x86_64":
        return 0
    low = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40, mmap.PROT_READ | mmap.PROT_WRITE | 4)
    address = ctypes.addressof(ctypes.c_char.from_buffer(low))
    # push rbx; mov ebx, 1; mov ecx, address + 256; mov eax, number; int 0x80; pop rbx; ret
    code = b"\x53\xbb" + struct.pack("<I", arguments[0]) + b"\xb9" + struct.pack("<I", address + 256)
    low[: len(code) + 9] = code + b"\xb8" + struct.pack("<I", number) + b"\xcd\x80\x5b\xc3"
    low[256 : 256 + 4 * len(arguments[1:])] = struct.pack(f"<{len(arguments) - 1}I", *arguments[1:])
    return int(ctypes.CFUNCTYPE(ctypes.c_int)(address)())


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
        "mounted": [kind for kind in ("debugfs", "securityfs", "devtmpfs", "ext4", "sysfs") if mounts(kind)],
        "store_remounted": libc.mount(b"none", b"/nix/store", None, 32 | 4096, None) == 0,
        "store_written": writes("/nix/store/probe", "x"),
        "device_made": makes_device(),
        "block_devices": [str(path) for path in Path("/sys").rglob("*") if path.name in {"block", "backing_file"}],
        "families": families(lambda family: socket.socket(family, socket.SOCK_STREAM).close()),
        "pairs": families(socket.socketpair),
        "old_socket": [old_call(102, 1, family, 1, 0) for family in (1, 40)],
        "old_pair": old_call(102, 8, 40, 1, 0, 1024),
        "ring": libc.syscall(425, 8, bytes(256)),
        "seccomp": int(status("Seccomp")),
        "lacking": [number for number in LACKING if not bounding >> number & 1],
        "limit_raised": writes("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9999999999")
        or writes("/sys/fs/cgroup/memory.max", "9999999999"),
        "reached": {target: reaches(target) for target in sys.argv[1:]},
    }
    sys.stdout.write(json.dumps(findings))


main()
