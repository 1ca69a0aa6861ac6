"""The Nix daemon that the node keeps running where nobody else runs one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nixos_workspaces.node.nix_daemon import NixDaemon

pytestmark = pytest.mark.machine  # the daemon is started by nsenter

_DAEMON = """
import os, socket, sys
path, log = sys.argv[1:]
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


async def test_a_daemon_is_started_restarted_and_ended(tmp_path: Path, mount_namespace: int) -> None:
    path, log = tmp_path / "socket", tmp_path / "log"
    daemon = NixDaemon([sys.executable, "-c", _DAEMON, str(path), str(log)], path, mount_namespace, tmp_path / "said")

    def pids() -> list[int]:
        return [int(line) for line in log.read_text().split()] if log.exists() else []

    keeping = asyncio.create_task(daemon.keep_running())
    try:
        await eventually(lambda: len(pids()) == 1 and path.exists())
        os.kill(pids()[0], signal.SIGKILL)
        await eventually(lambda: len(pids()) == 2)
        last = pids()[1]
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
