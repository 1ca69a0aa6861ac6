"""A connection that is reset is told as that, one without an answer as one without an answer."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from nixos_workspaces.errors import Unavailable
from nixos_workspaces.keys.store import open_keys
from nixos_workspaces.ssh.connections import Credentials, open_ssh


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    made = open_keys(tmp_path).ensure("ws-1")
    return Credentials(made.client_private, made.host_public)


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-test\r\n", b"no ssh at all\r\n" * 100])
async def test_a_connection_that_is_ended_is_no_missing_answer(credentials: Credentials, said: bytes) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.sendall(said)
    theirs.close()
    with pytest.raises(Unavailable, match="ended the connection") as refused:
        await open_ssh(ours, credentials)
    assert refused.value.code == "no_answer"
    assert "within" not in refused.value.message


async def test_no_answer_is_told_with_its_time(credentials: Credentials) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs, pytest.raises(Unavailable, match=r"no answer within 0\.05 seconds"):
        await open_ssh(ours, credentials, within=0.05)
