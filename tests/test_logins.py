"""Logging in to running workspaces: what does not answer is named, nothing is left behind, nobody waits."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bridge_fixture import WORKSPACE, Inside, bridge_to, inside
from fakes import BrokenRuntime, FakeRuntime, World, eventually
from holder_fixture import build
from typing_extensions import override

from nixos_workspaces.errors import NotFound, Unavailable
from nixos_workspaces.model.machine import MachineState, Observed
from nixos_workspaces.model.service import HealthItem
from nixos_workspaces.operations import logins as module
from nixos_workspaces.operations.logins import MOST_A_TURN, Logins
from nixos_workspaces.ssh.connections import Credentials
from nixos_workspaces.terminals import protocol, trial

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WELL = "Commands, terminals and files of 1 running workspaces answer; last tried at 2026-01-02 03:04:05 UTC."


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


class Opened(FakeRuntime):
    """An engine whose machines all have the same inside."""

    def __init__(self, world: World, place: Inside) -> None:
        super().__init__(world)
        self._place = place

    @override
    async def connect(self, workspace_id: str, port: int) -> socket.socket:
        return await self._place.connect(workspace_id, port)

    @override
    async def connect_holder(self, workspace_id: str) -> socket.socket | None:
        return await self._place.connect_holder(workspace_id)


def machine(workspace_id: str, age: float = 3600) -> Observed:
    return Observed(workspace_id, MachineState.RUNNING, started_at=START - timedelta(seconds=age))


@pytest.fixture
def world() -> World:
    return World(machines={WORKSPACE: machine(WORKSPACE)})


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    """The holder, where sshd's user may run it."""
    with tempfile.TemporaryDirectory(prefix="nixws-agent-") as directory:
        Path(directory).chmod(0o755)
        yield build("all", Path(directory))


@pytest.fixture(params=["ssh", "socket"])
async def place(program: Path, request: pytest.FixtureRequest) -> AsyncIterator[Inside]:
    async with inside(program, by_socket=request.param == "socket") as running:
        yield running


def logins_to(place: Inside, world: World, seconds: float = 5.0) -> Logins:
    return Logins(
        Opened(world, place),
        place.credentials_of,
        clock=Time(),
        answer_seconds=seconds,
        holder_socket=str(place.holder.socket),
    )


async def finding(logins: Logins) -> HealthItem:
    """Take one turn, which has to end soon whatever the workspace does."""
    async with asyncio.timeout(10):
        await logins.take_turn()
    return logins.item()


async def test_a_workspace_that_answers_is_well_and_nothing_is_left_in_it(place: Inside, world: World) -> None:
    logins = logins_to(place, world)
    assert "yet" in logins.item().message
    before = set(place.sshd.processes())
    found = await finding(logins)
    assert (found.ok, found.message, found.remedy) == (True, WELL, "")

    async def nothing_is_left() -> bool:
        return set(place.sshd.processes()) <= before and await asyncio.to_thread(place.holder.list) == []

    await eventually(nothing_is_left, 10)
    assert {call for call, _ in world.calls} == {"list"}


async def test_its_terminals_are_shown_to_nobody_and_never_stay(
    place: Inside, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that a killed service left is closed by the next login."""
    left = await asyncio.to_thread(place.holder.open, trial.COMMAND)
    user = await asyncio.to_thread(place.holder.open, "sleep 1000")
    async with bridge_to(place) as bridge:
        assert [one.id for one in await bridge.list_terminals(WORKSPACE)] == [user.id]
        assert (await finding(logins_to(place, world))).ok
        assert left.id in [one.id for one in await asyncio.to_thread(place.holder.list)]
        monkeypatch.setattr(trial, "_LEFT_AFTER", timedelta())
        assert (await finding(logins_to(place, world))).ok

        async def only_the_users_is_there() -> bool:
            return [one.id for one in await asyncio.to_thread(place.holder.list)] == [user.id]

        await eventually(only_the_users_is_there, 10)
        assert [one.id for one in await bridge.list_terminals(WORKSPACE)] == [user.id]


async def test_a_workspace_with_all_its_terminals_in_use_answers(program: Path, world: World, tmp_path: Path) -> None:
    message = b"Too many terminals."
    payload = struct.pack("<HH", protocol.Refusal.LIMIT, len(message)) + message

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(struct.pack("<BBHI", ord("E"), 0, 0, len(payload)) + payload)
        await reader.read()
        writer.close()

    path = tmp_path / "holder.sock"
    async with inside(program, by_socket=True) as place, await asyncio.start_unix_server(refuse, path):
        full = replace(place, holder=replace(place.holder, socket=path))
        assert (await finding(logins_to(full, world))).ok


@asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_one_that_accepts_and_never_answers_is_named(program: Path, world: World) -> None:
    async with inside(program) as place, silent() as port:
        mute = replace(place, sshd=replace(place.sshd, port=port))
        found = await finding(logins_to(mute, world, seconds=0.2))
        assert not found.ok
        assert "1 of 1" in found.message
        assert f"{WORKSPACE} at 2026-01-02 03:04:05 UTC: SSH: " in found.message
        assert "within 0.2 seconds" in found.message
        assert "restart" in found.remedy


async def test_one_that_stops_answering_is_named_until_it_answers_again(place: Inside, world: World) -> None:
    logins = logins_to(place, world, seconds=1)
    place.sshd.freeze()
    try:
        assert "SSH: " in (await finding(logins)).message
    finally:
        place.sshd.freeze(frozen=False)
    world.machines["ws-other"] = replace(machine("ws-other"), state=MachineState.PAUSED)
    assert isinstance(logins._clock, Time)
    logins._clock.now += timedelta(seconds=59)
    assert not (await finding(logins)).ok
    logins._clock.now += timedelta(seconds=1)
    assert (await finding(logins)).ok


async def test_terminals_that_do_not_answer_are_named(place: Inside, world: World) -> None:
    place.holder.process.send_signal(signal.SIGSTOP)
    try:
        message = (await finding(logins_to(place, world, seconds=0.5))).message
    finally:
        place.holder.process.send_signal(signal.SIGCONT)
    assert "UTC: terminal: " in message
    assert "command:" not in message
    assert "file:" not in message


@pytest.mark.parametrize("command", ["exec sleep 4711", "exec yes"])
async def test_a_command_that_hangs_or_floods_is_named_and_killed(
    place: Inside, world: World, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(module, "_COMMAND", command)
    before = set(place.sshd.processes())
    message = (await finding(logins_to(place, world, seconds=0.5))).message
    assert "UTC: command: It gave no answer within 0.5 seconds." in message
    assert "terminal:" not in message

    async def it_is_gone() -> bool:
        return set(place.sshd.processes()) <= before

    await eventually(it_is_gone, 10)


@pytest.mark.parametrize(("command", "file"), [("exit 3", b"/etc/passwd"), ("true", b"/none")])
async def test_what_answers_wrongly_is_named(
    place: Inside, world: World, monkeypatch: pytest.MonkeyPatch, command: str, file: bytes
) -> None:
    monkeypatch.setattr(module, "_COMMAND", command)
    monkeypatch.setattr(module, "_FILE", file)
    message = (await finding(logins_to(place, world))).message
    assert ("command: It ended with exit code 3." in message) is (command != "true")
    assert ("file: " in message) is (command == "true")


async def nobody(workspace_id: str) -> Credentials:
    raise NotFound(f"{workspace_id} has no keys")


async def refused(_: str) -> Credentials:
    raise Unavailable("Nothing listens.")


async def test_each_gets_its_turn_a_few_at_a_time() -> None:
    world, clock = World(), Time()
    world.machines = {f"ws-{number:02}": machine(f"ws-{number:02}") for number in range(9)}
    world.machines["ws-young"] = machine("ws-young", age=-31)
    world.machines["ws-off"] = Observed("ws-off", MachineState.STOPPED)
    tried: list[str] = []

    async def credentials(workspace_id: str) -> Credentials:
        tried.append(workspace_id)
        raise Unavailable("Nothing listens.")

    logins = Logins(FakeRuntime(world), credentials, clock=clock)
    for _ in range(3):
        await logins.take_turn()
    assert len(tried) == len(set(tried)) == 9
    assert tried[:MOST_A_TURN] == [f"ws-{number:02}" for number in range(MOST_A_TURN)]
    clock.now += timedelta(seconds=60)
    tried.clear()
    await logins.take_turn()
    assert tried == [*(f"ws-{number:02}" for number in range(4))]
    assert "9 of 9" in logins.item().message
    del world.machines["ws-00"]
    await logins.take_turn()
    assert "8 of 8" in logins.item().message
    assert "ws-00" not in logins.item().message


async def test_what_is_told_is_bounded() -> None:
    world = World(machines={f"ws-{number:03}": machine(f"ws-{number:03}") for number in range(100)})

    async def credentials(_: str) -> Credentials:
        raise Unavailable("x" * 10_000)

    logins = Logins(FakeRuntime(world), credentials, clock=Time())
    for _ in range(25):
        await logins.take_turn()
    message = logins.item().message
    assert "100 of 100" in message
    assert "(+80)" in message
    assert len(message) < 20 * 300


async def test_a_machine_of_nobodys_is_no_workspace_that_does_not_answer() -> None:
    logins = Logins(FakeRuntime(World(machines={"ws-1": machine("ws-1")})), nobody, clock=Time())
    assert (await finding(logins)).ok


async def test_an_engine_that_is_away_is_no_fault_of_a_workspace() -> None:
    world = World(machines={"ws-1": machine("ws-1")})
    faults: dict[str, tuple[int, Exception]] = {"observe": (1, Unavailable("The node is away."))}
    logins = Logins(BrokenRuntime(world, faults), refused, clock=Time())
    assert (await finding(logins)).ok


async def test_a_workspace_that_is_stopped_meanwhile_is_not_named() -> None:
    world = World(machines={"ws-1": machine("ws-1")})

    async def credentials(workspace_id: str) -> Credentials:
        world.kill(workspace_id)
        raise Unavailable("Nothing listens.")

    assert (await finding(Logins(FakeRuntime(world), credentials, clock=Time()))).ok
