"""Runs inside a workspace as its root, tries to get out, and prints what it found as JSON."""

import ctypes
import json
import os
import socket
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
LACKING = (5 + 24, 27, 13, 19, 24, 22)  # AUDIT_WRITE, MKNOD, NET_RAW, SYS_PTRACE, SYS_RESOURCE, SYS_BOOT


def opens(path, mode):
    try:
        os.close(os.open(path, mode | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def mounts(kind, source=b"none", data=None):
    os.makedirs("/tmp/probe", exist_ok=True)
    if libc.mount(source, b"/tmp/probe", kind, 0, data):
        return False
    libc.umount2(b"/tmp/probe", 2)
    return True


def writable_sysctls():
    """Settings of the whole machine that can be written back; those of its own network and user namespace are its own."""
    found = []
    for directory, _, names in os.walk("/proc/sys"):
        if directory.startswith(("/proc/sys/net", "/proc/sys/user")):
            continue
        for name in names:
            path = os.path.join(directory, name)
            try:
                with open(path) as file:
                    value = file.read()
                with open(path, "w") as file:
                    file.write(value)
            except (OSError, ValueError):
                continue
            found.append(path)
    per_namespace = ("/proc/sys/kernel/shm", "/proc/sys/kernel/sem", "/proc/sys/kernel/msg", "/proc/sys/fs/mqueue")
    own = ("/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/sys/kernel/auto_msgmni")
    own += ("/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/pid_max")  # of its own process namespace
    return [path for path in found if not path.startswith(per_namespace) and path not in own]


def reaches(target):
    host, _, port = target.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    began = time.monotonic()
    try:
        with socket.socket(family) as connection:
            connection.settimeout(5)
            address = socket.getaddrinfo(host.strip("[]"), int(port), family)[0][4]
            connection.connect(address)
            answer = "connected"
    except OSError as error:
        answer = str(error)
    return answer, time.monotonic() - began


def makes_device():
    try:
        os.mknod("/root/device", 0o60600, os.makedev(7, 0))
    except OSError:
        return False
    return opens("/root/device", os.O_RDONLY)


def writes(path, text):
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError:
        return False
    return True


def status(name):
    with open("/proc/1/status") as file:
        return next(line.split()[1] for line in file if line.startswith(name + ":"))


RISKY = (
    "/proc/kcore", "/dev/kmsg", "/dev/mem", "/dev/loop0", "/dev/loop-control", "/dev/fuse", "/dev/net/tun",
    "/proc/sysrq-trigger", "/sys/kernel/uevent_helper", "/sys/power/state", "/proc/sys/kernel/core_pattern",
)  # fmt: skip
with open("/proc/1/comm") as file:
    INIT = file.read().strip()
with open("/proc/self/uid_map") as file:
    FIRST = int(file.read().split()[1])
bounding = int(status("CapBnd"), 16)
owners = {os.stat(f"/proc/{pid}").st_uid for pid in os.listdir("/proc") if pid.isdigit() and os.path.exists(f"/proc/{pid}")}
print(
    json.dumps(
        {
            "host_file": os.path.exists("/work") or os.path.exists("/opt") or os.path.exists("/var/tmp/nixws-node"),
            "init": INIT,
            "first_id": FIRST,
            "foreign_owners": sorted(owners & {65534}),
            "writable_sysctls": writable_sysctls(),
            "opened": [path for path in RISKY if path != "/dev/kmsg" and opens(path, os.O_WRONLY)],
            "mounted": [
                kind.decode()
                for kind in (b"debugfs", b"securityfs", b"binfmt_misc_host", b"devtmpfs", b"ext4", b"bpf_host")
                if mounts(kind, b"/dev/loop0")
            ],
            "store_remounted": libc.mount(b"none", b"/nix/store", None, 32 | 4096, None) == 0,
            "store_written": writes("/nix/store/probe", "x"),
            "mknod": makes_device(),
            "seccomp": int(status("Seccomp")),
            "has_lacking": any(bounding >> number & 1 for number in LACKING),
            "raised_own_limit": any(
                writes(path, "9999999999")
                for path in ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max")
            ),
            "reached": {target: reaches(target) for target in sys.argv[1:]},
        }
    )
)
