"""What a person finds inside a workspace, looked at in a real one of the smallest template."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from node_fixture import Node

from nixos_workspaces.model.machine import Address, MachineSpec


@pytest.fixture
async def workspace(node: Node) -> AsyncIterator[MachineSpec]:
    async with node.running() as spec:
        yield spec


@pytest.fixture
async def address(node: Node, workspace: MachineSpec) -> Address:
    found = (await node.runtime.observe(workspace.workspace_id)).address
    assert found is not None
    return found


async def test_the_name_of_the_machine_stands_in_its_file(node: Node, address: Address) -> None:
    assert node.ssh(address, "cat /etc/hostname; hostname") == "demo\ndemo"


FOREIGN = base64.b64encode(Path("/bin/echo").read_bytes()).decode()
"""A program of this machine's own distribution."""


async def test_a_program_of_another_distribution_runs(node: Node, address: Address) -> None:
    """It asks for the dynamic linker and the C library where every other distribution has them."""
    said = node.ssh(address, f"base64 -d <<< {FOREIGN} > foreign; chmod +x foreign; ./foreign runs", check=False)
    assert said == "runs"


async def test_the_journal_keeps_to_its_room(node: Node, workspace: MachineSpec) -> None:
    """The limits stand in a file of their own, which journald reads after its main one."""
    said = node.as_root(workspace, "journalctl --no-pager -u systemd-journald; systemctl --failed --no-legend")
    assert "System Journal (/var/log/journal/" in said
    assert "max 16.0M" in said
    assert "Runtime Journal (/run/log/journal/" not in said or "max 8.0M" in said
