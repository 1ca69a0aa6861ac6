"""Data written inside a workspace can be read nowhere outside it, and only with its key."""

from __future__ import annotations

import mmap
import os
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from node_fixture import Node

from nixos_workspaces.errors import RuntimeFailed
from nixos_workspaces.model.machine import MachineSpec, MachineState

SECRET = secrets.token_hex(32)


def found(data: Path, what: bytes) -> list[str]:
    """Return the files below a directory whose bytes or names hold a string."""
    hits = []
    for path in data.rglob("*"):
        if what in os.fsencode(path.name):
            hits.append(str(path))
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                if content.find(what) >= 0:
                    hits.append(str(path))
    return hits


def image(node: Node) -> Path:
    (only,) = (node.data / "node" / "volumes").iterdir()
    return only


async def test_nothing_written_inside_is_in_the_data_directory(node: Node) -> None:
    async with node.running() as spec:
        write = (
            f"mkdir /root/{SECRET}; echo {SECRET} > /root/{SECRET}/{SECRET}; yes {SECRET} | head -c 9999999 > /root/big"
        )
        node.as_root(spec, f"{write}; sync")
        os.sync()
        assert found(node.data, SECRET.encode()) == []
        node.as_root(spec, f"test $(cat /root/{SECRET}/{SECRET}) = {SECRET}")
        host_key = spec.host_key.splitlines()[3].encode()
        assert node.as_root(spec, f"grep -c {host_key.decode()[:60]} /etc/nixws/ssh_host_ed25519_key") == "1"
        await node.runtime.stop(spec.workspace_id)
        assert found(node.data, SECRET.encode()) == []
        assert found(node.data, host_key) == []
        assert found(node.data, spec.volume_key) == []


async def test_the_whole_image_is_reserved(node: Node) -> None:
    spec = node.spec()
    try:
        await node.runtime.create(spec)
        assert image(node).stat().st_blocks * 512 >= spec.resources.storage_bytes
    finally:
        await node.runtime.delete(spec.workspace_id)


async def test_a_wrong_key_is_refused_and_changes_nothing(node: Node) -> None:
    spec = node.spec()
    wrong = replace(spec, volume_key=bytes(64))
    try:
        await node.runtime.create(spec)
        await node.runtime.start(spec)
        node.as_root(spec, "echo kept > /root/note; sync")
        await node.runtime.stop(spec.workspace_id)
        with pytest.raises(RuntimeFailed) as refused:
            await node.runtime.start(wrong)
        assert refused.value.code == "volume_key_wrong"
        assert (await node.runtime.observe(spec.workspace_id)).state is MachineState.STOPPED
        await node.runtime.start(spec)
        assert node.as_root(spec, "cat /root/note") == "kept"
    finally:
        await node.runtime.delete(spec.workspace_id)


async def test_a_hostile_tree_cannot_lead_the_node_astray(node: Node, tmp_path: Path) -> None:
    """Links and odd files where the node writes keys at the next start are replaced, never followed."""
    victim = tmp_path / "victim"
    victim.mkdir()
    for prepare in (
        f"rm -rf /etc/nixws; ln -s {victim} /etc/nixws",
        f"cd /etc/nixws; rm -rf *; ln -s {victim}/file ssh_host_ed25519_key; mkdir -p authorized_keys/x",
        "rm -rf /etc/nixws; mkfifo /etc/nixws",
        f"rm -rf /etc/nixws; mkdir -p /root/new/nixws; cp -a /etc/. /root/new/; mv /root/new /etc2; ln -s {victim} /x",
    ):
        async with node.running() as spec:
            node.as_root(spec, f"{prepare}; sync")
            await node.runtime.stop(spec.workspace_id)
            seen = await node.runtime.start(spec)
            assert node.ssh(seen.address, "whoami") == "nixos"
            modes = node.as_root(spec, "stat -c '%a %u' /etc/nixws /etc/nixws/*")
            assert modes.splitlines()[0] == "755 0"
            assert "600 0" in modes.splitlines()
            assert list(victim.iterdir()) == []


def test_the_key_is_in_no_record(workspace_record: str) -> None:
    assert "volume_key" not in workspace_record
    assert "host_key" not in workspace_record


@pytest.fixture
async def workspace_record(node: Node) -> str:
    spec: MachineSpec = node.spec()
    await node.runtime.create(spec)
    record = (node.data / "node" / "machines" / spec.workspace_id / "machine.json").read_text()
    await node.runtime.delete(spec.workspace_id)
    return record
