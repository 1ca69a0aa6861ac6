"""Run and killed by ``test_recordings``: what records a terminal, in a process of its own.

Reads one line of JSON, opens the terminal at the first start, and says ``recording`` once more is stored; left
alone it says how the recording ended.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from sshd_fixture import connected
from test_connectivity import RUNNING

from nixos_workspaces.auth.policy import ADMIN, Action, enter
from nixos_workspaces.database import Database, open_database
from nixos_workspaces.keys.store import open_keys
from nixos_workspaces.model.terminals import RecordingState, Start
from nixos_workspaces.settings import RecordingPolicy, Settings
from nixos_workspaces.terminals.output import Control
from nixos_workspaces.terminals.recording import cast
from nixos_workspaces.terminals.recording.opening import open_recordings
from nixos_workspaces.terminals.ssh_bridge import Credentials, SSHBridge

COMMAND = "i=0; while [ $i -lt 4000 ]; do i=$((i+1)); echo line $i; [ $((i % 40)) = 0 ] && sleep 0.12; done; exit 3"


class Nobody:
    """The client of a terminal that is opened for later."""

    def send_output(self, data: bytes, end_offset: int) -> None:
        """Drop it."""

    def send_control(self, message: Control) -> None:
        """Drop it."""


async def main(place: dict[str, Any]) -> None:
    data = Path(place["data"])
    database = await open_database(data / "nixws.db")

    async def connect(_workspace_id: str, _port: int) -> socket.socket:
        return await connected(int(place["port"]))

    async def connect_holder(_workspace_id: str) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.connect(place["socket"])
        return sock

    async def credentials(_workspace_id: str) -> Credentials:
        return Credentials(place["key"], place["host_key"], place["user"])

    bridge = SSHBridge(connect, credentials, connect_holder=connect_holder)
    settings = replace(Settings(), data=data, recording=RecordingPolicy.REQUIRED)
    _, recorder = await open_recordings(settings, database, open_keys(data), bridge, no_matter)
    workspace = replace(RUNNING, owner_id=ADMIN.id)
    if place["is_first"]:
        async with database.transaction() as tx:
            await tx.workspaces.add(workspace)
        start = Start(80, 24, COMMAND)
        (await bridge.create_terminal_session(enter(ADMIN, Action.OPEN_TERMINAL, workspace), Nobody(), start)).close()
    await watch(database, settings, recorder, bridge)


def no_matter(_workspace_id: str) -> None:
    """Stand for those who are told of moderation."""


async def watch(database: Database, settings: Settings, recorder: Any, bridge: SSHBridge) -> None:
    [*paths] = settings.data.glob("recordings/*.sealed")
    before = paths[0].stat().st_size if paths else 0
    while True:
        await recorder.look()
        [*paths] = settings.data.glob("recordings/*.sealed")
        if paths and paths[0].stat().st_size > before + 500:
            sys.stdout.write("recording\n")
            sys.stdout.flush()
            before = 1 << 40
        async with database.reading() as tx:
            found = await tx.recordings.of_workspace(RUNNING.id)
        if found and found[0].state is not RecordingState.RUNNING:
            break
        await asyncio.sleep(0.02)
    recordings, _ = await open_recordings(settings, database, open_keys(settings.data), bridge, no_matter)
    file = b"".join([part async for part in recordings.cast(found[0])])
    events = cast.read(filter(None, file.split(b"\n")))
    output = b"".join(cast.bytes_of(one.data) for one in events if one.code == cast.Code.OUTPUT)
    said = {
        "state": found[0].state,
        "missing": found[0].missing,
        "end": found[0].end,
        "sha256": found[0].sha256,
        "cast_sha256": found[0].cast_sha256,
        "read_sha256": hashlib.sha256(output).hexdigest(),
        "read_cast_sha256": hashlib.sha256(file).hexdigest(),
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.stdin.readline())))
