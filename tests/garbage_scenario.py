"""Run by ``test_nix_environments`` in a mount namespace: collects garbage in an empty store of its own."""

# ruff: noqa: T201, ASYNC240 - a program of its own: it prints its findings and nothing runs beside it

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
from pathlib import Path

from real_nix import build, open_environments


async def scenario(directory: Path) -> dict[str, object]:
    environments = await open_environments(directory)
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


if __name__ == "__main__":
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=512m", "nixws-test", "/nix"], check=True)
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(asyncio.run(scenario(Path(temporary)))))
