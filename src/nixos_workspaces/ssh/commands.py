"""Commands that are run inside workspaces, on pooled SSH connections."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncssh

from nixos_workspaces.errors import Unavailable
from nixos_workspaces.ssh.connections import Connections


@asynccontextmanager
async def open_script(
    connections: Connections, workspace_id: str, script: bytes
) -> AsyncIterator[asyncssh.SSHClientProcess[bytes]]:
    """Run a script of ``/bin/sh`` as the workspace's user; leaving the context kills it.

    The script goes to the shell's input, so that no login shell quotes anything; its commands have to take their
    own input from elsewhere. Raises ``Unavailable`` where it cannot be started, and the errors of ``Connections.take``.
    """
    try:
        pooled, process = await connections.start(workspace_id, _shell)
    except (TimeoutError, OSError, asyncssh.Error) as silent:
        raise Unavailable(
            "The workspace does not run commands; try again, or restart it.", code="no_answer"
        ) from silent
    try:
        try:
            process.stdin.write(script)
            yield process
        finally:
            # The server sends it to the whole group of processes, also to one that is waiting and would write nothing.
            with contextlib.suppress(OSError, asyncssh.Error):
                process.kill()
            process.close()
    finally:
        connections.give_back(pooled)


async def _shell(ssh: asyncssh.SSHClientConnection) -> asyncssh.SSHClientProcess[bytes]:
    return await ssh.create_process("exec /bin/sh -s", encoding=None, stderr=asyncssh.DEVNULL)
