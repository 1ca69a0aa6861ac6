"""The control plane over a real node, real Nix and real machines, in one process."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from datetime import timedelta

import asyncssh
import pytest
from fakes import eventually
from node_fixture import Node, running_node

from nixos_workspaces.auth.policy import ADMIN, Action
from nixos_workspaces.errors import InvalidInput, NotFound
from nixos_workspaces.keys.store import open_keys
from nixos_workspaces.model.environment import environment
from nixos_workspaces.model.machine import BYTES_PER_GB, MachineState, Resources
from nixos_workspaces.model.why.explanation import Line, Outcome, Question
from nixos_workspaces.model.workspace import Status, Workspace, WorkspaceChange, WorkspaceConfig
from nixos_workspaces.operations import logins
from nixos_workspaces.operations.logins import Logins
from nixos_workspaces.operations.why import asking
from nixos_workspaces.operations.why.situation import Asking
from nixos_workspaces.process import run
from nixos_workspaces.services import Services, open_services
from nixos_workspaces.settings import Settings
from nixos_workspaces.ssh.connections import Credentials

CONFIG = WorkspaceConfig(
    "real", Resources(1.0, BYTES_PER_GB // 2, BYTES_PER_GB // 4), environment("minimal", ["git", "jq"], [8080])
)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with running_node("", 20) as started:
        yield started


@pytest.fixture
def settings(node: Node) -> Settings:
    return Settings(data=node.data, package_set="debian")


async def reached(services: Services, reference: str, status: Status, generation: int | None = None) -> Workspace:
    """Wait for a status (and a generation); fail at once where it ends in an error instead."""

    async def there() -> bool:
        now = await services.workspaces.get(reference, principal=ADMIN)
        assert now.status is status or now.status is not Status.ERROR, now.fault
        return now.status is status and generation in (None, now.generation)

    await eventually(there, 120)
    return await services.workspaces.get(reference, principal=ADMIN)


async def ssh(services: Services, workspace: Workspace, command: str) -> str:
    """Run a command in the workspace with its own key, trusting its own host key alone."""
    key = await services.workspaces.ssh_key(workspace.id, principal=ADMIN)
    assert workspace.address is not None
    hosts = asyncssh.import_known_hosts(f"{workspace.address.host} {key.host_key}\n")
    async with asyncssh.connect(
        workspace.address.host,
        workspace.address.port,
        username=key.username,
        client_keys=[asyncssh.import_private_key(key.private_key)],
        known_hosts=hosts,
        config=None,
    ) as connection:
        return str((await connection.run(command, check=True, timeout=30)).stdout).strip()


async def gone(services: Services, workspace_id: str) -> None:
    """Delete a workspace and wait until nothing of it is left."""
    await services.orchestrator.delete_workspace(workspace_id, principal=ADMIN)

    async def there_is_none() -> bool:
        try:
            await services.workspaces.get(workspace_id, principal=ADMIN)
        except NotFound:
            return True
        return False

    await eventually(there_is_none, 60)
    assert list(await services.runtime.list()) == []
    left = [path for path in services.settings.data.rglob("*") if workspace_id in path.name]
    assert left == []


async def test_whole_life_of_a_real_workspace(settings: Settings) -> None:
    """Created, changed, paused, rolled back, started, found again by another control plane, deleted without a trace."""
    private = [settings.data / "environments", settings.data / "logs"]
    for directory in private:
        directory.mkdir(mode=0o755)  # as an earlier version made them
    async with open_services(settings) as services:
        verbs = services.orchestrator
        assert [item for item in await services.health.items() if not item.ok] == []
        made = await verbs.create_workspace(CONFIG, principal=ADMIN)
        assert made.status is Status.CREATING
        running = await reached(services, "real", Status.RUNNING, 1)
        assert running.encryption
        assert running.package_set == services.package_set != ""
        names = await ssh(services, running, "cat /proc/sys/kernel/hostname; readlink -f $(which jq)")
        assert names.startswith("real\n/nix/store/")
        await ssh(services, running, "echo kept > ~/note")
        status = await verbs.get_workspace_status("real", principal=ADMIN)
        assert status.metrics is not None
        assert 0 < status.metrics.memory_usage < 100
        assert {line.source async for line in services.workspaces.logs("real", principal=ADMIN)} == {"build", "boot"}
        assert [stat.S_IMODE(directory.stat().st_mode) for directory in private] == [0o700, 0o700]

        with pytest.raises(InvalidInput, match="git"):
            await verbs.resize_workspace("real", WorkspaceChange(packages=("gitt",)), principal=ADMIN)
        await verbs.resize_workspace("real", WorkspaceChange(packages=("ripgrep",), cpu=0.5), principal=ADMIN)
        changed = await booted(services, 2)
        assert (await ssh(services, changed, "cat ~/note; which rg")).startswith("kept\n/")
        assert (await ssh(services, changed, "which git >/dev/null 2>&1 || echo none")) == "none"

        await verbs.pause_workspace("real", principal=ADMIN)
        await reached(services, "real", Status.PAUSED)
        await verbs.resume_workspace("real", principal=ADMIN)
        await reached(services, "real", Status.RUNNING)
        await verbs.stop_workspace("real", principal=ADMIN)
        await reached(services, "real", Status.STOPPED)
        await verbs.rebuild_workspace("real", principal=ADMIN, generation=1)
        await verbs.start_workspace("real", principal=ADMIN)
        back = await booted(services, 1)
        assert (await ssh(services, back, "cat ~/note; which git")).startswith("kept\n/")

    async with open_services(settings) as services:
        found = await reached(services, "real", Status.RUNNING)
        assert (found.started_at, found.address) == (back.started_at, back.address)
        await gone(services, made.id)


async def booted(services: Services, generation: int) -> Workspace:
    """Wait until the machine runs the system of a generation."""

    async def runs() -> bool:
        now = await services.workspaces.get("real", principal=ADMIN)
        assert now.status is not Status.ERROR, now.fault
        machine = await services.runtime.observe(now.id)
        same = machine.toplevel == now.toplevel and machine.state is MachineState.RUNNING
        return now.status is Status.RUNNING and now.generation == generation and same

    await eventually(runs, 120)
    return await services.workspaces.get("real", principal=ADMIN)


async def test_killed_machine_comes_back(settings: Settings, node: Node) -> None:
    """PID 1 is killed from outside: it is seen within seconds, told, and booted again with its volume."""
    async with open_services(settings) as services:
        made = await services.orchestrator.create_workspace(CONFIG, principal=ADMIN)
        before = await reached(services, "real", Status.RUNNING)
        await ssh(services, before, "echo kept > ~/note; sync")
        enter = ["nsenter", f"--mount={node.home.pin}", "runc", "--root", str(node.home.engine)]
        await asyncio.to_thread(run, [*enter, "kill", made.id, "KILL"])

        async def told() -> bool:
            return (await services.workspaces.get("real", principal=ADMIN)).fault is not None

        await eventually(told, 15)
        after = await reached(services, "real", Status.RUNNING)
        assert after.fault is not None
        assert after.fault.code in ("machine_died", "machine_stopped")
        assert after.started_at != before.started_at
        assert await ssh(services, after, "cat ~/note") == "kept"
        await gone(services, made.id)


async def test_logging_in_to_a_real_workspace(settings: Settings, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers, without being used thereby; what is broken in it is named, and is well after a restart."""
    monkeypatch.setattr(logins, "SETTLED_AFTER", timedelta())
    monkeypatch.setattr(logins, "FAILED_AGAIN_AFTER", timedelta())
    monkeypatch.setattr(logins, "AGAIN_AFTER", timedelta())
    monkeypatch.setattr(asking, "LOGIN_AGE", timedelta())
    async with open_services(settings) as services:
        made = await services.orchestrator.create_workspace(CONFIG, principal=ADMIN)
        before = await reached(services, "real", Status.RUNNING)
        keys = open_keys(settings.data)

        async def credentials(workspace_id: str) -> Credentials:
            held = keys.read(workspace_id)
            return Credentials(held.client_private, held.host_public)

        own = Logins(services.runtime, credentials)

        async def answers() -> bool:
            await own.take_turn()
            return own.item().ok and "1 running" in own.item().message

        async def why(question: Question | None = None) -> tuple[str, set[str]]:
            workspace = await services.workspaces.get("real", principal=ADMIN)
            told = await services.why.of(workspace, Asking(), question)
            return told.said.code, {one.line for one in told.checks if one.outcome is Outcome.BAD}

        await eventually(answers)
        assert await why() == ("why.well", set())
        processes = (await services.runtime.usage(made.id)).processes
        assert all([await answers() for _ in range(5)])

        async def nothing_is_left() -> bool:
            return (await services.runtime.usage(made.id)).processes <= processes

        await eventually(nothing_is_left, 15)
        _, key = await services.workspaces.enter("real", principal=ADMIN, action=Action.LIST_TERMINALS)
        assert await services.bridge.list_terminals(key) == []
        after = await services.workspaces.get("real", principal=ADMIN)
        assert after.last_accessed == before.last_accessed
        async with services.database.transaction() as tx:
            assert [entry.action for _, entry in await tx.audit.entries(made.id)] == ["create"]
        spec = node.spec(workspace_id=made.id)
        await asyncio.to_thread(node.as_root, spec, "systemctl mask --runtime --now nixws-terminals")
        assert await why() == ("why.terminals", {Line.TERMINAL_SSH})
        await asyncio.to_thread(node.as_root, spec, "rm /dev/null")
        await own.take_turn()
        assert f"{made.id} at " in own.item().message
        assert not own.item().ok
        found = {item.code: item for item in await services.health.items()}
        assert made.id in found["machine_devices"].message
        code, bad = await why()
        assert (code, bad >= {Line.TERMINAL_SSH, Line.FILES_SYSTEM}) == ("why.device", True)
        await services.orchestrator.restart_workspace("real", principal=ADMIN)
        await eventually(answers)
        assert all(item.ok for item in await services.health.items() if item.code == "machine_devices")
        await services.orchestrator.pause_workspace("real", principal=ADMIN)
        await reached(services, "real", Status.PAUSED)
        assert await why() == ("stop.pause_asked", {Line.TERMINAL_RUNNING})
        await services.orchestrator.stop_workspace("real", principal=ADMIN)
        await reached(services, "real", Status.STOPPED)
        assert await why() == ("stop.asked", {Line.TERMINAL_RUNNING})
        await gone(services, made.id)
