"""SFTP clients of workspaces, on pooled SSH connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncssh

from nixos_workspaces.errors import Unavailable
from nixos_workspaces.ssh.connections import Connections


@asynccontextmanager
async def open_sftp(connections: Connections, workspace_id: str) -> AsyncIterator[asyncssh.SFTPClient]:
    """Yield an SFTP client as the workspace's user.

    Leave it with ``TimeoutError`` where it did not answer: the connection is then looked at too. Raises ``Unavailable``
    where the file service does not answer, and the errors of ``Connections.take``.
    """
    try:
        pooled, sftp = await connections.start(workspace_id, lambda ssh: ssh.start_sftp_client(path_encoding=None))
    except (TimeoutError, OSError, asyncssh.Error) as silent:
        raise Unavailable("The workspace's file service does not answer; try again.", code="no_answer") from silent
    try:
        async with sftp:
            with connections.doubting(pooled):
                yield sftp
    finally:
        connections.give_back(pooled)
