"""Runs inside a workspace as its root and makes hostile shapes: ``node_shapes.py SEED COUNT``, wherever the node reads.

What fails is left out: the point is what is left behind for those outside to trip over.
"""

import ctypes
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
KEPT: list[object] = []
PLACES = [
    "/run/nixws-terminals",
    "/etc/nixws",
    "/root",
    "/dev",
    "/run",
    "/tmp",
    "/sys/fs/cgroup",
    "/run/current-system",
]


def name(chance: random.Random) -> bytes:
    letters = [value for value in range(1, 256) if value != ord("/")]
    return bytes(chance.choices(letters, k=chance.choice([1, 5, 60, 255])))


def child() -> bool:
    """Fork a process that stays; returns whether this is it."""
    if os.fork():
        return False
    os.setsid()
    nowhere = os.open(
        "/proc/self/oom_score", os.O_RDONLY
    )  # whoever waits for the end of our output must not wait for it
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    return True


def stay() -> None:
    while True:
        time.sleep(3600)


def deep(chance: random.Random, place: str) -> None:
    """Make a chain of directories (groups, where the place is theirs) longer than any path."""
    here = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(chance.choice([10, 400, 3000])):
        one = name(chance)
        os.mkdir(one, dir_fd=here)
        inner = os.open(one, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def wide(chance: random.Random, place: str) -> None:
    for _ in range(chance.choice([10, 1000])):
        with suppress(OSError):
            Path(place, os.fsdecode(name(chance))).mkdir()


def links(chance: random.Random, place: str) -> None:
    targets = ["/proc/1/root", "/proc/self/fd/0", "..", "loop", "/dev/zero", "x" * 4000]
    for known in ("holder.sock", "authorized_keys", "ssh_host_ed25519_key", "loop"):
        with suppress(OSError):
            Path(place, known).rename(f"{place}/{chance.random()}")
        with suppress(OSError):
            Path(place, known).symlink_to(chance.choice(targets))


def pipes(chance: random.Random, place: str) -> None:
    for known in ("holder.sock", "authorized_keys", "journalctl"):
        with suppress(OSError):
            Path(place, known).rename(f"{place}/{chance.random()}")
        with suppress(OSError):
            os.mkfifo(f"{place}/{known}")


def sockets(chance: random.Random, place: str) -> None:
    """Listen where the node connects, and take no connection, or answer without end."""
    for address in (f"{place}/holder.sock", "\0nixws-sshd", f"\0{chance.random()}"):
        listener = socket.socket(socket.AF_UNIX)
        with suppress(OSError):
            listener.bind(address)
            listener.listen(chance.choice([0, 1, 100]))
        KEPT.append(listener)


def mounts(chance: random.Random, place: str) -> None:
    for _ in range(chance.choice([1, 100])):
        if chance.random() < 0.5:
            libc.mount(b"tmpfs", place.encode(), b"tmpfs", 0, None)
        else:
            libc.mount(chance.choice(PLACES).encode(), place.encode(), None, 4096 | 16384, None)


def processes(chance: random.Random, _: str) -> None:
    """Leave processes with names that a reader of ``/proc`` may take for something else, stopped or deaf."""
    for _number in range(chance.choice([1, 20])):
        if child():
            libc.prctl(15, chance.choice([b") R 1 1 (", b"\n\n\n", b"0 0 0", b"\xff\xfe"]), 0, 0, 0)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            if chance.random() < 0.3:
                os.kill(os.getpid(), signal.SIGSTOP)
            stay()


def groups(chance: random.Random, _: str) -> None:
    """Move processes into groups of their own, and freeze some of them."""
    place = Path("/sys/fs/cgroup", f"{chance.random()}")
    place.mkdir()
    if child():
        with suppress(OSError):
            (place / "cgroup.procs").write_text(str(os.getpid()))
            (place / "cgroup.freeze").write_text("1")
        stay()


def output(chance: random.Random, _: str) -> None:
    with suppress(OSError), Path("/proc/1/fd/1").open("wb", buffering=0) as console:
        console.writelines(name(chance) * 100 for _number in range(chance.choice([10, 2000])))


def network(chance: random.Random, _: str) -> None:
    os.system(
        chance.choice(
            ["ip link set eth0 down", "ip link delete eth0", "ip link set eth0 name lo2", "ip addr flush eth0"]
        )
    )


def system(chance: random.Random, _: str) -> None:
    """Take away what the node runs or reads inside."""
    with suppress(OSError):
        Path("/run/current-system").rename(f"/run/{chance.random()}")


SHAPES: list[Callable[[random.Random, str], None]] = [
    *(deep, wide, links, pipes, sockets, mounts, processes, groups, output, network, system)
]


def main() -> None:
    chance = random.Random(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        with suppress(OSError, ValueError):
            chance.choice(SHAPES)(chance, chance.choice(PLACES))
    sys.stdout.write("made\n")
    sys.stdout.flush()
    if child():
        stay()


main()
