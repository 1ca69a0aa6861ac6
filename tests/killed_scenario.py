"""Run by ``test_leftovers`` as a run of its own: has everything that a run can have, and waits until it is killed."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path

from node_fixture import Node
from run_directory import current
from sshd_fixture import local_sshd
from system.browser import chromium


async def test_has_everything(node: Node) -> None:
    async with node.running() as spec:
        assert node.as_root(spec, "echo it runs") == "it runs"
        if "NOTE" in os.environ:
            await node.runtime.pause(spec.workspace_id)  # who is frozen does not die
            await asyncio.to_thread(hold, node, Path(os.environ["NOTE"]))


def hold(node: Node, note: Path) -> None:
    """Start a server and a browser too, write down what there is, and never return."""
    with local_sshd() as sshd, chromium():
        there = {
            "run": str(current()),
            "tag": node.home.tag,
            "network": node.network,
            "server": sshd.pid,
            "worker": os.getpid(),
        }
        written = note.with_suffix(".part")
        written.write_text(json.dumps(there))
        written.replace(note)
        threading.Event().wait()
