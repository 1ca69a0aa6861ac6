"""Namespaces: the node's own pinned mount namespace, joining a network namespace, making a map of ids.

The node's mounts lie in a mount namespace of its own. A bind mount pins it, so that it outlives the node's process
(and no supervisor is needed), and it vanishes with the machine's next start.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from nixos_workspaces.errors import RuntimeFailed
from nixos_workspaces.node.kernel.mounts import MS_BIND, MS_PRIVATE, mount, unmount

_T = TypeVar("_T")
_libc = ctypes.CDLL(None, use_errno=True)
_THREADS_END_SECONDS = 5.0
_CLONE_FS, _CLONE_NEWNS, _CLONE_NEWNET = 0x00000200, 0x00020000, 0x40000000
_SYS_SETFSGID_SETFSUID = {"x86_64": (123, 122), "aarch64": (152, 151)}
_SYS_SETRESUID = {"x86_64": 117, "aarch64": 147}
_NS_GET_USERNS, _NS_GET_PARENT = 0xB701, 0xB702
_MOST_OWNERS = 33
"""The kernel nests them no deeper."""
_UNCHANGED = ctypes.c_uint(0xFFFFFFFF)


def set_namespace(descriptor: int, kind: int) -> None:
    """Move the calling thread into a namespace."""
    if _libc.setns(descriptor, kind):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")


def enter_mount_namespace(pin: Path) -> int:
    """Move this process into the mount namespace pinned at a path, making it when it is not there.

    Must be called before the process has threads. Returns a descriptor of the namespace it came from.
    """
    came_from = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    pin.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_mount_point(pin.parent):
        mount(pin.parent, pin.parent, None, MS_BIND)
    # A mount namespace cannot be bound where its own mounts would be propagated to.
    mount(None, pin.parent, None, MS_PRIVATE)
    if not _is_mount_point(pin):
        pin.touch(mode=0o600)
        # Slave: what the machine mounts later is seen here, what is mounted here is seen nowhere else.
        with _unshared("--mount", "--propagation", "slave") as pid:
            mount(f"/proc/{pid}/ns/mnt", pin, None, MS_BIND)
    pinned = os.open(pin, os.O_RDONLY | os.O_CLOEXEC)
    try:
        set_namespace(pinned, _CLONE_NEWNS)
    finally:
        os.close(pinned)
    os.chdir("/")
    return came_from


def pin_network_namespace(pin: Path) -> None:
    """Make a network namespace and keep it at a file that exists, until that is unmounted."""
    with _unshared("--net") as pid:
        mount(f"/proc/{pid}/ns/net", pin, None, MS_BIND)


def leave_mount_namespace(pin: Path, came_from: int) -> None:
    """Go back and drop the pin; the namespace and all its mounts end with the last process in it.

    Must be called when the process has no threads any more, but for those that are ending.
    """
    deadline = time.monotonic() + _THREADS_END_SECONDS
    while len(list(Path("/proc/self/task").iterdir())) > 1 and time.monotonic() < deadline:
        time.sleep(0.001)
    set_namespace(came_from, _CLONE_NEWNS)
    os.chdir("/")
    unmount(pin)
    unmount(pin.parent)
    shutil.rmtree(pin.parent.parent)


def enter_by_thread(mount_namespace: int, work: Callable[[], _T]) -> _T:
    """Do work with ``/`` being that of a mount namespace, in a thread that ends there; return or raise its outcome.

    The work must open nothing but what it is meant to: not even a module that is not loaded yet.
    """
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            # The kernel moves no thread that shares its directories with others.
            if _libc.unshare(_CLONE_FS):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), "unshare")  # noqa: TRY301 - as every failure in here
            set_namespace(mount_namespace, _CLONE_NEWNS)
            outcome.set_result(work())
        except BaseException as failed:  # noqa: BLE001 - the caller's thread raises it
            outcome.set_exception(failed)

    thread = threading.Thread(target=run, name="inside")
    thread.start()
    thread.join()
    return outcome.result()


def owners(namespace: int) -> list[int]:
    """Return the numbers of the user namespaces that own a namespace: its own one's, that one's parent's and so on."""
    found: list[int] = []
    with ExitStack() as closing, suppress(PermissionError):  # the first one has no parent
        while len(found) < _MOST_OWNERS:
            namespace = fcntl.ioctl(namespace, _NS_GET_PARENT if found else _NS_GET_USERNS)
            closing.callback(os.close, namespace)
            found.append(os.fstat(namespace).st_ino)
    return found


@contextmanager
def network_namespace(descriptor: int) -> Iterator[None]:
    """Run a block of the calling thread in a network namespace; sockets made there stay there."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        set_namespace(descriptor, _CLONE_NEWNET)
        try:
            yield
        finally:
            try:
                set_namespace(own, _CLONE_NEWNET)
            except OSError:
                os.abort()  # a thread of root's left in a workspace's network must not go on
    finally:
        os.close(own)


def socket_inside(network: int, family: socket.AddressFamily, kind: int, protocol: int) -> socket.socket:
    """Return a new socket that belongs to a network namespace and does not block; takes microseconds, never waits."""
    with network_namespace(network):
        return socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)


@contextmanager
def effective_user(uid: int) -> Iterator[None]:
    """Run a block of the calling thread, and of no other, as another user of this machine than root.

    A socket connected there tells its other end that user (``SO_PEERCRED``, unix(7)). The C library's function would
    change every thread of the process (nptl(7)), so the kernel is called directly. Raises ``OSError``.
    """
    with _being(uid, _set_effective_user):
        yield


@contextmanager
def _being(uid: int, become: Callable[[int], None]) -> Iterator[None]:
    """Run a block of the calling thread as another user by ``become``, and end the process if it cannot go back."""
    become(uid)
    try:
        yield
    finally:
        try:
            become(0)
        except OSError:
            os.abort()  # a thread that may be anybody must not go on


def _set_effective_user(uid: int) -> None:
    number = _SYS_SETRESUID.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), "setresuid")
    if _libc.syscall(number, _UNCHANGED, ctypes.c_uint(uid), _UNCHANGED):
        failure = ctypes.get_errno()
        raise OSError(failure, os.strerror(failure), "setresuid")


@contextmanager
def file_owner(uid: int) -> Iterator[None]:
    """Run a block of the calling thread, and of no other, with the rights on files of another user and group.

    Those of root, such as passing over permissions, are gone meanwhile (setfsuid(2)). Raises ``OSError``.
    """
    with _being(uid, _set_file_owner):
        yield


def _set_file_owner(uid: int) -> None:
    numbers = _SYS_SETFSGID_SETFSUID.get(platform.machine())
    if numbers is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), "setfsuid")
    for number in numbers:
        _libc.syscall(number, ctypes.c_uint(uid))
        # Its failure is not told: a second call returns which one is in force, and changes nothing.
        if _libc.syscall(number, _UNCHANGED) != uid:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), "setfsuid")


@contextmanager
def user_namespace(first_id: int, count: int) -> Iterator[int]:
    """Yield a descriptor of a new user namespace whose ids 0 to ``count`` are the host's from ``first_id`` on.

    It belongs to its own first id: what the kernel bounds for each user (watched files and their watchers, namespaces;
    ``/proc/sys/user``, namespaces(7)) is counted for it alone, and not for this machine's root and all others together.
    """
    # The capability makes the namespace where users without any may not.
    owner = [f"--reuid={first_id}", f"--regid={first_id}", "--clear-groups"]
    capability = ["--inh-caps=+sys_admin", "--ambient-caps=+sys_admin"]
    with _unshared("--user", through=["setpriv", *owner, *capability]) as pid:
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{name}").write_text(f"0 {first_id} {count}\n")
        descriptor = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _unshared(*options: str, through: Sequence[str] = ()) -> Iterator[int]:
    """Yield the id of a process in new namespaces, which ``through`` starts; it ends with this context.

    A program does it because forking a process that has threads is not safe in Python; it is spoken to while it
    lives, which ``process`` does not offer.
    """
    argv = [*through, "unshare", *options, "cat"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b".")
        if child.stdout.read(1) != b".":
            what = " ".join(argv[:-1])
            message = f"New namespaces were refused ({what}): the node must run as root, outside of other containers."
            raise RuntimeFailed(message, code="namespaces_refused")
        yield child.pid
        child.stdin.close()


def birth(pid: int) -> int:
    """Return a process's start time in ticks of the kernel's clock."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[19])


def _is_mount_point(path: Path) -> bool:
    points = (line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return str(path) in points
