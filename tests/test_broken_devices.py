"""A null device that is none: on the machine itself and in a workspace, each named with what to do."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeRuntime, World, fake_services
from node_fixture import Node, running_node
from typing_extensions import override

from nixos_workspaces.model.machine import Capabilities, MachineState, Observed
from nixos_workspaces.model.service import HealthItem, Sentence
from nixos_workspaces.node.machines import devices
from nixos_workspaces.node.machines.devices import NULL, flaw

NONE = "/dev/null is not the null device: it was replaced by something else."


@pytest.fixture
def null(tmp_path: Path) -> Iterator[Path]:
    """A null device of the test's own: the machine's is never touched."""
    path = tmp_path / "null"
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    path.chmod(0o666)
    yield path
    path.unlink(missing_ok=True)


def test_a_whole_null_device_has_no_flaw(null: Path) -> None:
    assert flaw(null) == flaw(NULL) == ""
    assert flaw(null.parent / "no directory" / "null") == ""


def test_each_flaw_is_named(null: Path) -> None:
    null.chmod(0o600)
    assert flaw(null) == "/dev/null may not be read and written by everybody: its mode is 600, not 666."
    null.unlink()
    assert flaw(null) == "/dev/null cannot be looked at: No such file or directory."
    null.symlink_to(NULL)
    assert flaw(null) == NONE
    null.unlink()
    null.touch(mode=0o666)
    assert flaw(null) == NONE
    null.unlink()
    os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    assert flaw(null) == NONE


async def test_a_node_names_the_broken_device_of_its_machine(toplevel: str, null: Path) -> None:
    written = null.with_name("an answer")
    os.close(os.open(written, os.O_CREAT | os.O_WRONLY, 0o666))
    with running_node(toplevel, 24, null_device=str(null)) as own:
        assert (await own.runtime.capabilities()).flaw == ""
        await asyncio.to_thread(written.replace, null)
        assert (await own.runtime.capabilities()).flaw == NONE


@pytest.mark.parametrize("harm", ["rm /dev/null", "rm /dev/null; touch /dev/null", "chmod 600 /dev/null"])
async def test_a_node_names_the_broken_device_of_a_workspace(node: Node, harm: str) -> None:
    """Until its next start, which makes the devices anew."""
    async with node.running() as broken, node.running() as other:
        await asyncio.to_thread(node.as_root, broken, harm)
        assert (await node.runtime.observe(broken.workspace_id)).flaw.startswith("/dev/null ")
        flaws = {one.workspace_id: one.flaw for one in await node.runtime.list()}
        assert flaws[other.workspace_id] == ""
        assert flaws[broken.workspace_id] != ""
        await node.runtime.stop(broken.workspace_id, 1.0)  # without its null device it takes the whole grace
        assert (await node.runtime.observe(broken.workspace_id)).flaw == ""
        assert (await node.runtime.start(broken)).flaw == ""


class Broken(FakeRuntime):
    """An engine on a computer whose null device is broken."""

    @override
    async def capabilities(self) -> Capabilities:
        return replace(await super().capabilities(), flaw=devices.flaw(Path(__file__)))


async def test_health_names_both(tmp_path: Path) -> None:
    world = World()
    world.machines["ws-1"] = Observed("ws-1", MachineState.RUNNING, flaw=NONE)
    world.machines["ws-2"] = Observed("ws-2", MachineState.RUNNING)
    async with fake_services(tmp_path, world=world, runtime=Broken(world)) as services:
        found = {item.code: item for item in await services.health.items()}
    assert found["devices"] == HealthItem("devices", False, Sentence("devices.broken", {"told": NONE}))
    assert found["devices"].message == f"The computer that the workspaces run on is broken: {NONE}"
    assert "mknod -m 666 /dev/null c 1 3" in found["devices"].remedy
    assert found["machine_devices"].message == f"Running workspaces are broken: ws-1: {NONE}"
    assert "Restart the workspace" in found["machine_devices"].remedy
    async with fake_services(tmp_path) as services:
        whole = {item.code: item.ok for item in await services.health.items()}
    assert whole["devices"]
    assert whole["machine_devices"]
