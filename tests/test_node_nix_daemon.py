"""The Nix daemon that the node keeps running where nobody else runs one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nixos_workspaces.node.nix_daemon import NixDaemon

pytestmark = pytest.mark.machine  # the daemon is started by nsenter

_DAEMON = """
import os, signal, socket, sys
path, log = sys.argv[1:]
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # the first process of a namespace has no default for it
with open(log, "a") as file:
    file.write(f"{os.getpid()}\\n")
if os.path.exists(path):
    os.unlink(path)
with socket.socket(socket.AF_UNIX) as server:
    server.bind(path)
    server.listen()
    while True:
        server.accept()[0].close()
"""


@pytest.fixture
def mount_namespace() -> int:
    return os.open("/proc/self/ns/mnt", os.O_RDONLY)


async def eventually(probe: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not probe():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


def answering(path: Path) -> int:
    """Return the process that listens, by its number out here; 0 if none does."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return 0
        return int(struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


def seen_by(pid: int) -> list[str]:
    """Return the processes that a process sees."""
    return [one.name for one in Path(f"/proc/{pid}/root/proc").iterdir() if one.name.isdecimal()]


async def test_a_daemon_is_started_restarted_and_ended(tmp_path: Path, mount_namespace: int) -> None:
    path, log = tmp_path / "socket", tmp_path / "log"
    daemon = NixDaemon([sys.executable, "-c", _DAEMON, str(path), str(log)], path, mount_namespace, tmp_path / "said")

    def starts() -> list[str]:
        return log.read_text().split() if log.exists() else []

    keeping = asyncio.create_task(daemon.keep_running())
    try:
        await eventually(lambda: answering(path) != 0)
        first = answering(path)
        assert first > 1
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: answering(path) not in {0, first})
        last = answering(path)
        assert starts() == ["1", "1"]  # each the first of a namespace of its own
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await daemon.stop()
        os.close(mount_namespace)
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)
    assert (tmp_path / "said").exists()


async def test_a_daemon_that_answers_already_is_left_alone(tmp_path: Path, mount_namespace: int) -> None:
    path, log = tmp_path / "socket", tmp_path / "log"
    with socket.socket(socket.AF_UNIX) as present:
        present.bind(str(path))
        present.listen()
        daemon = NixDaemon(
            [sys.executable, "-c", _DAEMON, str(path), str(log)], path, mount_namespace, tmp_path / "said"
        )
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(daemon.keep_running(), 0.5)
        await daemon.stop()
    os.close(mount_namespace)
    assert not log.exists()


async def test_a_daemon_whose_log_cannot_be_made_is_tried_again(tmp_path: Path, mount_namespace: int) -> None:
    """A full disk once must not leave the machine without a daemon for good."""
    path, log = tmp_path / "socket", tmp_path / "log"
    missing = tmp_path / "later"
    daemon = NixDaemon([sys.executable, "-c", _DAEMON, str(path), str(log)], path, mount_namespace, missing / "said")
    keeping = asyncio.create_task(daemon.keep_running())
    try:
        await asyncio.sleep(0)
        assert not keeping.done()
        missing.mkdir()
        await eventually(lambda: keeping.done() or path.exists())
        assert not keeping.done()
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await daemon.stop()
        os.close(mount_namespace)


_KEEPER = """
import asyncio, os, sys
from pathlib import Path
from nixos_workspaces.node.nix_daemon import NixDaemon
own = os.open("/proc/self/ns/mnt", os.O_RDONLY)
path, said, *argv = sys.argv[1:]
asyncio.run(NixDaemon(argv, Path(path), own, Path(said)).keep_running())
"""


async def test_a_daemon_outlives_its_node_and_sees_no_process_but_its_own(tmp_path: Path, mount_namespace: int) -> None:
    """So do the builds in it; the next node uses it and leaves it alone."""
    path, log = tmp_path / "socket", tmp_path / "log"
    argv = [sys.executable, "-c", _DAEMON, str(path), str(log)]
    words = [sys.executable, "-c", _KEEPER, str(path), str(tmp_path / "said"), *argv]
    keeper = await asyncio.to_thread(subprocess.Popen, words)
    pid = 0
    try:
        await eventually(lambda: answering(path) != 0)
        pid = answering(path)
        keeper.kill()
        await asyncio.to_thread(keeper.wait)
        daemon = NixDaemon(argv, path, mount_namespace, tmp_path / "said")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(daemon.keep_running(), 0.5)
        await daemon.stop()
        assert answering(path) == pid
        assert seen_by(pid) == ["1"]
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
        if keeper.poll() is None:
            keeper.kill()
            keeper.wait()
        os.close(mount_namespace)
