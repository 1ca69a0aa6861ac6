"""The Nix daemon as the node's child, on machines where nothing else runs one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 2.0
_STOP_SECONDS = 5.0
_LONGEST_LOG = 1 << 20
_APART = ("unshare", "--pid", "--fork", "--mount-proc", "--propagation", "slave", "--")
"""Lets the daemon see no process but its own.

Its garbage collector reads the links in ``/proc`` of every process that it sees, and gives up at one that is too long,
which a workspace's root can make. What workspaces use is kept by the roots of their generations, not by being open.
Source: pid_namespaces(7), unshare(1).
"""


class NixDaemon:
    """Starts a daemon whenever none answers, also after the present one has died."""

    def __init__(self, argv: Sequence[str], path: Path, mount_namespace: int, log: Path) -> None:
        """Take the command line (empty: do nothing), the daemon's socket, the namespace that it is to live in, its log.

        The log is a file because the daemon, and the builds in it, outlive a node that dies.
        """
        self._argv = tuple(argv)
        self._path = path
        self._mount_namespace = mount_namespace
        self._log = log
        self._child: asyncio.subprocess.Process | None = None

    async def keep_running(self) -> None:
        """Look every two seconds, start what is missing; ends only by cancellation."""
        while self._argv:
            try:
                if not self._answers():
                    await self._start()
                self._bound_log()
            except OSError as refused:
                _log.error("the Nix daemon cannot be started: %s", refused)
            if self._child is not None and self._child.returncode is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._child.wait(), _LOOK_SECONDS)
            else:
                await asyncio.sleep(_LOOK_SECONDS)

    async def stop(self) -> None:
        """End the daemon that this process started; builds that run in it fail."""
        child = self._child
        if child is None or child.returncode is not None:
            return
        # The daemon is the child of this one, which waits for it whatever it is told, and is in its process group.
        os.killpg(child.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(child.wait(), _STOP_SECONDS)
        except TimeoutError:
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()

    async def _start(self) -> None:
        if self._child is not None and self._child.returncode is None:
            return
        # From the machine's own mount namespace: the store is written there, the node's must not matter to it.
        enter = ["nsenter", f"--mount=/proc/self/fd/{self._mount_namespace}", "--", *_APART]
        output = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._child = await asyncio.create_subprocess_exec(
                *enter,
                *self._argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(self._mount_namespace,),
                start_new_session=True,
                umask=0o022,
            )
        finally:
            os.close(output)

    def _bound_log(self) -> None:
        """Empty the log when it has grown too long; it says a line or two for every client."""
        with contextlib.suppress(FileNotFoundError):
            if self._log.stat().st_size > _LONGEST_LOG:
                os.truncate(self._log, 0)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(os.fspath(self._path))
            except OSError:
                return False
            return True
