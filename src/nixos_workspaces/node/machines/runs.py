"""The present run of a workspace: its PID 1, its network and its control group, held by descriptors.

Descriptors cannot come to mean another process, as numbers can. A node that is started anew takes them up again from
the run's record.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TypeVar

from nixos_workspaces.errors import Conflict
from nixos_workspaces.model.reach.ports import SSH_PORT
from nixos_workspaces.node.kernel.cgroups import ControlGroup
from nixos_workspaces.node.kernel.mounts import open_beneath
from nixos_workspaces.node.kernel.namespaces import birth, effective_user, socket_inside

_SSHD_ADDRESS = "\0nixws-sshd"
"""An abstract address: it belongs to the run's network and to no file system. ``nix/workspace.nix`` listens there."""
_HOLDER_PATH = "run/nixws-terminals/holder.sock"
_SHUTDOWN = signal.SIGRTMIN + 3  # systemd in a container powers off
_KILL_SECONDS = 15.0
_LOOK_SECONDS = 0.05
_BANNER_SECONDS = 5.0
_PR_SET_CHILD_SUBREAPER = 36
T = TypeVar("T")


class Run:
    """One run; raises ``ProcessLookupError`` at once if PID 1 is not the one that was meant."""

    def __init__(self, pid: int, born: int | None, group: ControlGroup) -> None:
        """Take hold of PID 1, which must have been born at that tick (None: whenever it was)."""
        self.pid = pid
        self.group = group
        self._process = os.pidfd_open(pid)
        try:
            self.born = birth(pid)
            if born not in {None, self.born}:
                raise ProcessLookupError(pid)
            self.network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as gone:
            os.close(self._process)
            raise ProcessLookupError(pid) from gone
        self._lock = threading.Lock()
        self._closed = False
        self._status: str | None = None

    def watch(self) -> int:
        """Return a new descriptor that becomes readable when PID 1 has ended."""
        return os.dup(self._process)

    def ended(self, within: float = 0.0) -> bool:
        """Return whether PID 1, and with it every process of the run, has ended, after waiting for it so long."""
        poll = select.poll()
        poll.register(self._process, select.POLLIN)
        return bool(poll.poll(within * 1000))

    def shut_down(self, grace: float, crowded: float) -> bool:
        """Ask PID 1 to end and wait; returns whether it did.

        A machine that has no room for another process for ``crowded`` seconds is not waited for any longer: what a
        shutdown starts cannot run in it.
        """
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, _SHUTDOWN)
        now = time.monotonic()
        deadline, roomy = now + grace, now
        while not self.ended(min(max(0.0, deadline - now), _LOOK_SECONDS)):
            now = time.monotonic()
            if not self.group.crowded:
                roomy = now
            if now >= min(deadline, roomy + crowded):
                return False
        return True

    def kill(self) -> None:
        """End every process now, and let the kernel forget PID 1."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        self.group.thaw()  # a frozen process of version 1's groups does not die, a throttled one dies slowly
        self.ended(_KILL_SECONDS)
        self.status()

    def status(self) -> str:
        """Return how PID 1 ended, for people; empty when nobody knows, because this node did not start it."""
        if self._status is None and self.ended():
            self._status = ""
            with suppress(ChildProcessError):
                result = os.waitid(os.P_PIDFD, self._process, os.WEXITED | os.WNOHANG)
                if result is not None:
                    self._status = _described(result.si_code, result.si_status)
        return self._status or ""

    def frozen(self) -> bool:
        """Return whether the run is paused."""
        with self._lock, suppress(OSError):  # the group goes before the descriptor says that PID 1 has ended
            return not self._closed and self.group.frozen()
        return False

    def look(self, read: Callable[[ControlGroup], T]) -> T:
        """Return what ``read`` makes of the group, which stays open meanwhile; raises ``Conflict`` once it is over."""
        with self._lock:
            if self._closed:
                raise Conflict("The workspace is not running; start it first.", code="not_running")
            return read(self.group)

    def oom_kills(self) -> int:
        """Return how many of the run's processes the kernel killed for want of memory."""
        with self._lock, suppress(OSError):
            return 0 if self._closed else self.group.oom_kills()
        return 0

    def socket(
        self, family: socket.AddressFamily = socket.AF_INET, kind: int = socket.SOCK_STREAM, protocol: int = 0
    ) -> socket.socket:
        """Return a new socket in the run's network that does not block; raises ``Conflict`` once the run is over."""
        with self._lock:
            if self._closed:
                raise Conflict("The workspace is not running; start it first.", code="not_running")
            return socket_inside(self.network, family, kind, protocol)

    def close(self) -> None:
        """Let go of everything; the processes are not touched."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self.group.close()
                os.close(self.network)
                os.close(self._process)


def become_reaper() -> None:
    """Let processes whose parent has ended become this process's children, so that it sees how they end."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for_sshd(run: Run, timeout: float, given_up: threading.Event) -> str:
    """Wait until sshd answers; returns why it never will, or an empty text."""
    deadline = time.monotonic() + timeout
    while not _sshd_answers(run):
        if run.ended():
            return f"PID 1 ended while booting{': ' if run.status() else ''}{run.status()}"
        if time.monotonic() > deadline:
            return f"sshd did not answer within {timeout:g} s"
        if given_up.wait(0.008):
            return "the start was given up because the workspace is to be stopped"
    return ""


def connect_sshd(run: Run) -> socket.socket | None:
    """Return a connection to sshd that passes no TCP: a keystroke takes about 20 microseconds less.

    None where nobody listens there (yet), or too many wait: the TCP port is there still.
    """
    connection = run.socket(socket.AF_UNIX)
    try:
        connection.connect(_SSHD_ADDRESS)  # it does not block, and takes effect at once or not at all
    except OSError:
        connection.close()
        return None
    return connection


def connect_holder(run: Run, users: range) -> socket.socket | None:
    """Return a connection to the terminal holder as the user whose socket it is, one of the workspace's ``users``.

    None where nobody listens there (yet), or too many wait.
    """
    with ExitStack() as stack:
        try:
            root = os.open(f"/proc/{run.pid}/root", os.O_PATH | os.O_CLOEXEC)
            stack.callback(os.close, root)
            found = open_beneath(root, _HOLDER_PATH, os.O_PATH, across_mounts=True)
            stack.callback(os.close, found)
            owner = os.fstat(found).st_uid
            if run.ended() or owner not in users:  # a number of a process that has ended may be another's by now
                return None
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            undo = stack.enter_context(ExitStack())
            undo.callback(connection.close)
            with effective_user(owner):
                connection.connect(f"/proc/self/fd/{found}")  # takes effect at once or not at all
            undo.pop_all()
        except OSError:
            return None
        return connection


def _sshd_answers(run: Run) -> bool:
    """Return whether sshd greets; waits only for one that has taken the connection."""
    with run.socket() as connection:
        connection.settimeout(_BANNER_SECONDS)
        try:
            connection.connect(("127.0.0.1", SSH_PORT))
            return connection.recv(256).startswith(b"SSH-")
        except OSError:
            return False


def _described(code: int, status: int) -> str:
    if code == os.CLD_EXITED:
        return "shut down from inside" if status == 0 else f"PID 1 ended with exit code {status}"
    return f"PID 1 was killed by {signal.Signals(status).name}"
