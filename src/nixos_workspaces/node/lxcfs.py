"""lxcfs as the node's own program: its files show each workspace its own limits and load in ``/proc``.

One lxcfs serves all workspaces of a node. It lives on when the node ends while workspaces run, and the next node takes
it up; a file that it locks says which process it is. When it ends, its files say "Transport endpoint is not connected"
in every workspace, so they are taken away there, and a new lxcfs is started and shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import signal
import struct
from functools import partial
from pathlib import Path

from nixos_workspaces.node.kernel.cgroups import Hierarchies, confine, members, remove_empty
from nixos_workspaces.node.kernel.covers import Container, Covers
from nixos_workspaces.node.kernel.mounts import detach_all

_log = logging.getLogger(__name__)
PLACES = ("proc/cpuinfo", "proc/loadavg", "proc/meminfo", "sys/devices/system/cpu/online")
"""The files of lxcfs that workspaces see.

Not ``uptime``, which their time namespace gives, nor ``stat``, whose time of boot would not fit to that: ``ps`` would
tell wrong times. ``diskstats`` and ``swaps`` stay masked.
"""
_OPTIONS = ("-f", "--enable-loadavg", "--enable-cfs")
_CAPABILITIES = "-all,+sys_admin,+sys_chroot,+sys_ptrace,+dac_read_search"
"""To mount, to enter the process namespaces of those who read, and to look at these in ``/proc``."""
_MEMORY, _CORES = 64 << 20, 1
_READY_SECONDS = 10.0
_LOOK_SECONDS = 5.0
_ANSWER_SECONDS = 5.0
_STOP_SECONDS = 2.0
_WELL_SECONDS = 10.0
"""An lxcfs that lived so long is started again at once, another one after a pause that doubles."""
_LONGEST_PAUSE = 60.0
_POLL_SECONDS = 0.02
_LONGEST_LOG = 1 << 20
_FUSE = "/dev/fuse"
_LOCK = struct.Struct("hhqqi")  # type, whence, start, length, process: struct flock of fcntl(2)


class Lxcfs:
    """Keeps one lxcfs running, and its files shown in containers."""

    def __init__(self, program: str, live: Path, log: Path, cgroups: Hierarchies, group: str) -> None:
        """Run ``program`` with its files and its lock below ``live``, in a control group of its own."""
        self._program = program
        self._directory = live / "lxcfs"
        self._lock = live / "lxcfs.pid"
        self._output = log
        self._cgroups = cgroups
        self._group = group
        self._covers = Covers(self._directory, PLACES)
        self._process: int | None = None
        """A descriptor of the lxcfs that is looked after."""
        self.trouble = ""
        """Why workspaces see this machine's figures; empty if they see their own, or will in a moment."""

    def cover(self, pid: int, born: int, group: str) -> None:
        """Show the container with this PID 1 and this control group its own figures, now or as soon as lxcfs runs."""
        self._covers.put(Container(pid, born, partial(members, self._cgroups, group)))

    def kill(self) -> None:
        """End lxcfs by force: whoever waits for an answer of it goes on. A new one is started."""
        process = self._taken_up()
        if process is not None:
            _send(process, signal.SIGKILL)
            os.close(process)

    async def keep_running(self) -> None:
        """Take up or start lxcfs, again whenever it has ended or answers no more; ends only by cancellation."""
        loop = asyncio.get_running_loop()
        pause = 0.0
        while True:
            began = loop.time()
            try:
                told = await self._keep_one()
                if told != self.trouble:
                    _log.warning("workspaces see this machine's figures: %s", told)
                self.trouble = told
                await asyncio.to_thread(self._covers.serve, served=False)
            except Exception as failed:  # noqa: BLE001 - workspaces go on without lxcfs
                self.trouble = f"lxcfs could not be kept running: {str(failed) or type(failed).__name__}"
                _log.exception("lxcfs could not be kept running")
            well = loop.time() - began > _WELL_SECONDS
            pause = 0.0 if well else min(max(1.0, 2 * pause), _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def end(self) -> None:
        """End lxcfs and remove what is left of it; nothing may run that sees its files."""
        process = self._taken_up() if self._process is None else self._process
        if process is not None:
            _send(process, signal.SIGTERM)
            if not await _ends(process, _STOP_SECONDS):
                await self._end_by_force(process)
            _reap(process)
            os.close(process)
        detach_all(self._directory)
        remove_empty(self._cgroups, self._group)

    async def _keep_one(self) -> str:
        """Look after one lxcfs, a running or a new one; return why it is no more."""
        process = self._taken_up()
        if process is None:
            program = _found(self._program)
            if program is None:
                return f"there is no program {self._program}"
            if not os.path.exists(_FUSE):  # noqa: ASYNC240, PTH110 - a file in memory
                return f"this machine has no {_FUSE}"
            process = os.pidfd_open(self._start(program))
        self._process = process
        told = await self._look_after(process)
        self._process = None
        os.close(process)
        return told

    async def _look_after(self, process: int) -> str:
        """Show the files of an lxcfs once it answers; return when it has ended, by force if it answers no more."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _READY_SECONDS
        while not await self._answers(process):
            if await _ends(process, _POLL_SECONDS):
                return f"lxcfs ended at once with {_reap(process)}: {self._last_words()}"
            if loop.time() > deadline:
                await self._end_by_force(process)
                return f"lxcfs did not begin to answer within {_READY_SECONDS:g} s"
        await asyncio.to_thread(self._covers.serve, served=True)
        self.trouble = ""
        _log.info("workspaces see their own figures")
        while not await _ends(process, _LOOK_SECONDS):
            self._bound_log()
            if not await self._answers(process):
                await self._end_by_force(process)
                return "lxcfs answered no more"
        return f"lxcfs ended with {_reap(process)}"

    async def _answers(self, process: int) -> bool:
        """Return whether a file can be read; an lxcfs that keeps silent is killed, or its reader would wait on."""
        reading = asyncio.ensure_future(asyncio.to_thread(self._reads))
        try:
            await asyncio.wait({reading}, timeout=_ANSWER_SECONDS)
        finally:
            if not reading.done():
                await asyncio.wait({reading}, timeout=_STOP_SECONDS)
            if not reading.done():
                _send(process, signal.SIGKILL)
        return await reading

    def _reads(self) -> bool:
        with contextlib.suppress(OSError):
            return bool((self._directory / "proc" / "meminfo").read_bytes())
        return False

    def _start(self, program: str) -> int:
        """Start lxcfs at an empty place; return its process id."""
        detach_all(self._directory)
        self._directory.mkdir(mode=0o700, exist_ok=True)
        # Nothing of a network, few capabilities, and no way to get more.
        less = ["unshare", "--net", "--ipc", "setpriv", "--no-new-privs", "--inh-caps=-all"]
        argv = [*less, f"--bounding-set={_CAPABILITIES}", program, *_OPTIONS, "-p", str(self._lock)]
        log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self._output), log, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
        # Not ``subprocess``, whose object minds a child that outlives it.
        ignored = [signal.SIGPIPE, signal.SIGXFSZ]
        pid = os.posix_spawnp(
            argv[0], [*argv, str(self._directory)], environment, file_actions=files, setsid=True, setsigdef=ignored
        )
        # Its own group also keeps it when a service manager ends everything that the node has started.
        confine(self._cgroups, self._group, pid, _MEMORY, _CORES)
        return pid

    def _taken_up(self) -> int | None:
        """Return a descriptor of the lxcfs that has this node's lock; None if none has."""
        with contextlib.suppress(OSError):
            pid = _holder(self._lock)
            process = os.pidfd_open(pid) if pid else None
            if process is None or _holder(self._lock) == pid:
                return process
            os.close(process)  # the number has become another process's meanwhile
        return None

    async def _end_by_force(self, process: int) -> None:
        _send(process, signal.SIGKILL)
        await _ends(process, _STOP_SECONDS)
        _reap(process)

    def _last_words(self) -> str:
        """Return the last line that the program printed, but for its farewell."""
        with contextlib.suppress(OSError), self._output.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
            told = [line for line in lines if not line.startswith("Running destructor")]
            return told[-1][:300] if told else "it said nothing"
        return "it said nothing"

    def _bound_log(self) -> None:
        """Empty the log when it has grown too long."""
        with contextlib.suppress(OSError):
            if self._output.stat().st_size > _LONGEST_LOG:
                os.truncate(self._output, 0)


def _found(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/bin:/usr/local/sbin")


def _holder(lock: Path) -> int:
    """Return the process that has locked a file; 0 if none has."""
    with lock.open("rb") as file:
        asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _LOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
    return 0 if kind == fcntl.F_UNLCK else int(pid)


def _send(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, number)


async def _ends(process: int, within: float) -> bool:
    """Return whether a process has ended, after waiting for it so long."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), within)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(process)
    return True


def _reap(process: int) -> str:
    """Return how a process ended, for people, and let the kernel forget it if this process has started it."""
    with contextlib.suppress(ChildProcessError):
        result = os.waitid(os.P_PIDFD, process, os.WEXITED | os.WNOHANG)
        if result is not None and result.si_code == os.CLD_EXITED:
            return f"exit code {result.si_status}"
        if result is not None:
            return signal.Signals(result.si_status).name
    return "a code that nobody saw"
