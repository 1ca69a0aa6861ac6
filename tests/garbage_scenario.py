"""Run by ``test_nix_environments`` in a mount namespace: collects garbage in an empty store of its own.

With ``daemon`` as argument through a daemon as the node starts it, while a process has a file open whose path is longer
than Nix can read, as a workspace's root may have; with ``direct`` as root without a daemon.
"""

# ruff: noqa: T201, ASYNC110, ASYNC240 - a program of its own: it prints its findings and nothing runs beside it

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from fresh_root import build_ids
from real_nix import build, machine_nix, open_environments

from nixos_workspaces.nix import Nix
from nixos_workspaces.nix.daemon import daemon_command, is_daemon_running
from nixos_workspaces.nix.executable import DAEMON_SOCKET
from nixos_workspaces.node.nix_daemon import NixDaemon


@asynccontextmanager
async def nix_of(kind: str, directory: Path) -> AsyncIterator[Nix]:
    """Yield the Nix to use, with its daemon running where it has one."""
    found = machine_nix()
    nix = replace(found, environment={**found.environment, "NIX_CONFIG": build_ids()})
    if kind == "direct":
        yield nix
        return
    argv, environment = daemon_command(nix)
    command = ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environment.items()), *argv]
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    daemon = NixDaemon(command, DAEMON_SOCKET, own, directory / "said")
    keeping = asyncio.create_task(daemon.keep_running())
    try:
        while not is_daemon_running():
            await asyncio.sleep(0.05)
        with too_long(directory / "deep"):
            yield replace(nix, environment={**nix.environment, "NIX_REMOTE": "daemon"})
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        before = time.monotonic()
        await daemon.stop()
        os.close(own)
    assert not is_daemon_running()
    assert time.monotonic() - before < 3  # it ended when it was asked to


@contextmanager
def too_long(path: Path) -> Iterator[None]:
    """Have a directory open whose path is longer than the kernel tells in a link of ``/proc``."""
    path.mkdir()
    held = os.open(path, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("d" * 200, dir_fd=held)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=held)
        os.close(held)
        held = inner
    with suppress(OSError):
        raise AssertionError(Path(f"/proc/self/fd/{held}").readlink())
    yield
    os.close(held)


async def scenario(directory: Path, nix: Nix) -> dict[str, object]:
    environments = await open_environments(directory, nix=nix)
    first = await build(environments, "ws-a", "alpha", "gamma")
    second = await build(environments, "ws-b", "gamma", "alpha")
    toplevel = Path(first.toplevel)
    await environments.forget("ws-a")
    await environments.collect_garbage()
    kept = toplevel.exists()
    await environments.forget("ws-b")
    freed = await environments.collect_garbage()
    gone = not toplevel.exists()
    package_set = directory / "flakes" / "package-set"
    set_kept = package_set.resolve().is_relative_to("/nix/store") and package_set.exists()
    again = await build(environments, "ws-a", "alpha", "gamma")
    return {
        "shared": first.toplevel == second.toplevel,
        "kept_while_one_refers": kept,
        "gone_after_both": gone,
        "freed": freed,
        "set_kept": set_kept,
        "rebuilt_same": again.toplevel == first.toplevel and toplevel.exists(),
    }


async def run(kind: str, directory: Path) -> dict[str, object]:
    async with nix_of(kind, directory) as nix:
        return await scenario(directory, nix)


if __name__ == "__main__":
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=512m", "nixws-test", "/nix"], check=True)
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(asyncio.run(run(sys.argv[1], Path(temporary)))))
