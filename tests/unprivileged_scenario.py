"""Run by ``test_nix_environments`` as an unprivileged user: builds, fails and cancels through the Nix daemon."""

# ruff: noqa: T201, ASYNC110 - a program of its own: it prints its findings and nothing runs beside it

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

from real_nix import Watched, build, open_environments

from nixos_workspaces.errors import BuildFailed


def builders() -> int:
    count = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            count += entry.name.isdigit() and b"while :; do :; done" in (entry / "cmdline").read_bytes()
    return count


async def scenario(directory: Path) -> dict[str, object]:
    environments = await open_environments(directory)
    generations = [await build(environments, "ws-a", "alpha"), await build(environments, "ws-a", "beta")]
    failed = ""
    try:
        await build(environments, "ws-a", "quarrel")
    except BuildFailed as error:
        failed = error.code
    told = Watched()
    task = asyncio.create_task(build(environments, "ws-b", "endless", watched=told))
    async with asyncio.timeout(30):
        while "endless-1.0> started" not in told.lines:
            await asyncio.sleep(0.02)
    running = builders()
    task.cancel()
    await asyncio.wait({task})
    async with asyncio.timeout(20):
        while builders() >= running:
            await asyncio.sleep(0.02)
    return {
        "uid": os.geteuid(),
        "numbers": [item.number for item in generations],
        "toplevels": [item.toplevel for item in generations],
        "failed": failed,
        "cancelled_builder_is_gone": running == 1,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(scenario(Path(sys.argv[1])))))
