"""The networks of workspaces: over real services with a fake engine, and over the real application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import BrokenRuntime, SlowRuntime, World, eventually, fake_services

from nixos_workspaces.auth.policy import ADMIN, Principal
from nixos_workspaces.errors import Conflict, Forbidden, InvalidInput, LimitExceeded, NotFound, Unavailable
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import BYTES_PER_GB, Resources
from nixos_workspaces.model.network import (
    DeniedConnection,
    EgressRules,
    NetworkEntry,
    NetworkMode,
    NetworkPolicy,
    PortRange,
)
from nixos_workspaces.model.network.entries import parsed
from nixos_workspaces.model.network.proposals import ProposalSource, ProposalState
from nixos_workspaces.model.workspace import Status, Workspace, WorkspaceConfig
from nixos_workspaces.network.bounds import balanced_list, read_bounds
from nixos_workspaces.services import Services
from nixos_workspaces.settings import Settings

ANN, BOB = Principal("ann", "Ann"), Principal("bob", "Bob")
LOCKED, OPEN = NetworkMode.LOCKED, NetworkMode.OPEN


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def services(tmp_path: Path, world: World) -> AsyncIterator[Services]:
    async with fake_services(tmp_path, world=world) as opened:
        yield opened


async def running(
    services: Services, name: str = "one", network: NetworkMode | None = None, allowed: tuple[NetworkEntry, ...] = ()
) -> Workspace:
    sizes, made_of = Resources(1.0, BYTES_PER_GB, BYTES_PER_GB), Environment("minimal", (), ())
    config = WorkspaceConfig(name, sizes, made_of, network, allow=allowed)
    await services.orchestrator.create_workspace(config, principal=ANN)
    return await until(services, name, Status.RUNNING)


async def until(services: Services, name: str, status: Status) -> Workspace:
    async def there() -> bool:
        return (await services.workspaces.get(name, principal=ANN)).status is status

    await eventually(there)
    return await services.workspaces.get(name, principal=ANN)


def allow(*texts: str, expires_at: datetime | None = None) -> tuple[NetworkEntry, ...]:
    return tuple(parsed(text, expires_at) for text in texts)


async def actions(services: Services, workspace_id: str) -> list[tuple[str, str]]:
    async with services.database.reading() as tx:
        return [(one.action, one.outcome) for _, one in await tx.audit.entries(workspace_id)]


async def test_rules_are_in_force_before_a_machine_boots(services: Services, world: World) -> None:
    """The engine is told what was asked for at creation, and only then to start; also at every later start."""
    made = await running(services, network=LOCKED, allowed=allow("b.example"))
    asked = [call for call, workspace_id in world.calls if workspace_id == made.id]
    assert asked.index("create") < asked.index("set_egress") < asked.index("start")
    assert world.egress[made.id] == EgressRules(LOCKED, allow("b.example"))
    status = await services.network.policies.read("one", principal=ANN)
    assert (status.stored.version, status.in_force) == (1, True)
    await services.orchestrator.stop_workspace("one", principal=ANN)
    await until(services, "one", Status.STOPPED)
    await services.network.policies.change("one", NetworkPolicy(LOCKED, allow("a.example:443")), principal=ANN)
    assert world.egress[made.id].allow == allow("a.example:443")
    world.calls.clear()
    await services.orchestrator.start_workspace("one", principal=ANN)
    await until(services, "one", Status.RUNNING)
    asked = [call for call, workspace_id in world.calls if workspace_id == made.id]
    assert asked.index("set_egress") < asked.index("start")


async def test_an_engine_that_refuses_rules_starts_no_machine(tmp_path: Path, world: World) -> None:
    """Without rules in force there is no machine that could reach more than it may."""
    runtime = BrokenRuntime(world, {"set_egress": (2, Unavailable("the node does not answer"))})
    async with fake_services(tmp_path, runtime=runtime) as services:
        made = await running(services, network=LOCKED)
        started = world.calls.index(("start", made.id))
        assert world.calls[:started].count(("set_egress", made.id)) >= 3
        assert world.egress[made.id].mode is LOCKED


async def test_a_change_is_taken_at_once_or_as_soon_as_the_engine_answers(tmp_path: Path, world: World) -> None:
    runtime = BrokenRuntime(world, {})
    async with fake_services(tmp_path, runtime=runtime) as services:
        made = await running(services)
        changed = await services.network.policies.change("one", NetworkPolicy(LOCKED), principal=ANN, version=1)
        assert (changed.in_force, changed.stored.version) == (True, 2)
        assert world.egress[made.id].mode is LOCKED
        runtime.faults["set_egress"] = (2, Unavailable("the node does not answer"))
        changed = await services.network.policies.change("one", NetworkPolicy(NetworkMode.NONE), principal=ANN)
        assert (changed.in_force, changed.stored.policy.mode) == (False, NetworkMode.NONE)

        async def taken() -> bool:
            return (await services.network.policies.read("one", principal=ANN)).in_force

        await eventually(taken)
        assert world.egress[made.id].mode is NetworkMode.NONE


async def test_what_was_stored_is_in_force_after_a_crash(tmp_path: Path, world: World) -> None:
    """A new control plane tells the engine anew about all that runs, whatever its predecessor came to."""
    async with fake_services(tmp_path, world=world) as services:
        made = await running(services)
        await services.network.policies.change("one", NetworkPolicy(LOCKED, allow("a.example")), principal=ANN)
    world.egress[made.id] = EgressRules(OPEN)
    async with fake_services(tmp_path, world=world) as services:

        async def taken() -> bool:
            return world.egress[made.id] == EgressRules(LOCKED, allow("a.example"))

        await eventually(taken)


async def test_what_was_stored_but_not_told_is_in_force_after_a_crash(tmp_path: Path, world: World) -> None:
    """The engine never answers what it was told after the commit, and the control plane is gone before it does."""
    async with fake_services(tmp_path, world=world) as services:
        made = await running(services, network=OPEN)
    async with fake_services(tmp_path, runtime=SlowRuntime(world, frozenset({"set_egress"}))) as services:
        changing = asyncio.create_task(services.network.policies.change("one", NetworkPolicy(LOCKED), principal=ANN))

        async def stored() -> bool:
            async with services.database.reading() as tx:
                return (await tx.networks.find(made.id)).policy.mode is LOCKED

        await eventually(stored)
        changing.cancel()
        await asyncio.gather(changing, return_exceptions=True)
    assert world.egress[made.id].mode is OPEN
    async with fake_services(tmp_path, world=world):

        async def taken() -> bool:
            return world.egress[made.id].mode is LOCKED

        await eventually(taken, 10)


async def test_an_entry_that_ended_meanwhile_is_not_in_force_after_a_start(tmp_path: Path, world: World) -> None:
    async with fake_services(tmp_path, world=world) as services:
        made = await running(services, network=LOCKED)
        soon = datetime.now(UTC) + timedelta(seconds=0.3)
        both = (*allow("b.example", expires_at=soon), *allow("a.example"))
        await services.network.policies.change("one", NetworkPolicy(LOCKED, both), principal=ANN)
        assert world.egress[made.id].allow == both
    async with fake_services(tmp_path, world=world):

        async def ended() -> bool:
            return world.egress[made.id].allow == allow("a.example")

        await eventually(ended, 10)


async def test_the_engine_is_told_when_learning_ends(services: Services, world: World) -> None:
    """So that it ends there, whether this service lives on or not."""
    made = await running(services, network=LOCKED)
    await services.network.proposals.learn("one", timedelta(minutes=1), principal=ANN)
    told = world.egress[made.id]
    assert (told.mode, told.after) == (NetworkMode.OBSERVE, EgressRules(LOCKED))
    assert told.until is not None
    assert timedelta(seconds=50) < told.until - datetime.now(UTC) <= timedelta(minutes=1)


async def test_an_entry_ends_by_itself(services: Services, world: World) -> None:
    made = await running(services, network=LOCKED)
    soon = datetime.now(UTC) + timedelta(seconds=0.6)
    both = (*allow("b.example", expires_at=soon), *allow("a.example"))
    await services.network.policies.change("one", NetworkPolicy(LOCKED, both), principal=ANN)
    assert set(world.egress[made.id].allow) == set(both)

    async def ended() -> bool:
        return world.egress[made.id].allow == allow("a.example")

    await eventually(ended, 10)

    async def forgotten() -> bool:
        async with services.database.reading() as tx:
            return (await tx.networks.find(made.id)).policy.allow == allow("a.example")

    await eventually(forgotten)
    assert (await services.network.policies.read("one", principal=ANN)).stored.version == 2


async def test_a_policy_replaces_only_what_was_seen(services: Services) -> None:
    await running(services)
    await services.network.policies.change("one", NetworkPolicy(LOCKED), principal=ANN, version=1)
    with pytest.raises(Conflict) as refused:
        await services.network.policies.change("one", NetworkPolicy(OPEN), principal=ANN, version=1)
    assert (refused.value.code, refused.value.field) == ("network_changed", "version")


async def test_networks_are_their_owners_and_the_administrators(services: Services) -> None:
    made = await running(services)
    for principal in (BOB,):
        with pytest.raises(NotFound):
            await services.network.policies.read(made.id, principal=principal)
        with pytest.raises(NotFound):
            await services.network.policies.change(made.id, NetworkPolicy(OPEN), principal=principal)
        with pytest.raises(NotFound):
            await services.network.policies.denied(made.id, principal=principal)
        with pytest.raises(NotFound):
            await services.network.proposals.list(made.id, principal=principal)
        with pytest.raises(NotFound):
            await services.network.proposals.learn(made.id, timedelta(minutes=1), principal=principal)
    await services.network.policies.change(made.id, NetworkPolicy(LOCKED), principal=ADMIN)
    assert ("change-network", "accepted") in await actions(services, made.id)
    assert ("change-network", "workspace_not_found") in await actions(services, made.id)


async def test_proposals_are_approved_for_a_time_or_rejected(services: Services, world: World) -> None:
    made = await running(services, network=LOCKED)
    entries = allow("a.example:443")
    one = await services.network.proposals.propose("one", entries, "the build", principal=ANN)
    other = await services.network.proposals.propose("one", allow("b.example"), "", principal=ANN)
    assert (await services.network.policies.read("one", principal=ANN)).pending_proposals == 2
    assert world.egress[made.id].allow == ()
    await services.network.proposals.approve("one", one.id, principal=ANN, ttl=timedelta(hours=1))
    (granted,) = world.egress[made.id].allow
    assert replace(granted, expires_at=None) == entries[0]
    assert granted.expires_at is not None
    assert timedelta(minutes=59) < granted.expires_at - datetime.now(UTC) <= timedelta(hours=1)
    await services.network.proposals.reject("one", other.id, principal=ANN)
    found = {one.id: one.state for one in await services.network.proposals.list("one", principal=ANN)}
    assert found == {one.id: ProposalState.APPROVED, other.id: ProposalState.REJECTED}
    with pytest.raises(Conflict) as twice:
        await services.network.proposals.approve("one", one.id, principal=ANN)
    assert twice.value.code == "proposal_decided"
    with pytest.raises(NotFound):
        await services.network.proposals.approve("one", "np-nothing", principal=ANN)
    assert [action for action, outcome in await actions(services, made.id) if outcome == "accepted"] == [
        *("create", "propose-network", "propose-network", "approve-network", "reject-network"),
    ]


async def test_proposals_do_not_pile_up(services: Services) -> None:
    await running(services)
    for _ in range(50):
        await services.network.proposals.propose("one", allow("a.example"), "", principal=ANN)
    with pytest.raises(LimitExceeded) as refused:
        await services.network.proposals.propose("one", allow("a.example"), "", principal=ANN)
    assert refused.value.code == "too_many_proposals"


def reached(name: str | None, address: str, port: int, protocol: str = "tcp") -> DeniedConnection:
    return DeniedConnection(datetime.now(UTC), name, address, port, protocol, "git")


async def test_learning_ends_with_a_proposal(services: Services, world: World) -> None:
    """While it learns everything is let out; then the policy is as before, and what was reached is proposed."""
    made = await running(services, network=LOCKED)
    await services.network.proposals.learn("one", timedelta(seconds=1), principal=ANN)
    assert world.egress[made.id].mode is NetworkMode.OBSERVE
    status = await services.network.policies.read("one", principal=ANN)
    assert status.stored.learning is not None
    assert (status.stored.policy.mode, status.rules.mode) == (LOCKED, NetworkMode.OBSERVE)
    world.observed[made.id] = [
        *(reached("git.example", "192.0.2.7", 443), reached("git.example", "192.0.2.8", 22)),
        *(reached(None, "192.0.2.9", 8443), reached("rebind.example", "10.0.0.1", 80)),
        reached("git.example", "", 53, "dns"),
    ]

    async def ended() -> bool:
        return bool(await services.network.proposals.list("one", principal=ANN))

    await eventually(ended, 20)
    (proposal,) = await services.network.proposals.list("one", principal=ANN)
    assert (proposal.source, proposal.created_by) == (ProposalSource.LEARNED, "ann")
    assert proposal.entries == (
        NetworkEntry(name="git.example", ports=(PortRange(22, 22), PortRange(443, 443))),
        NetworkEntry(cidr="192.0.2.9/32", ports=(PortRange(8443, 8443),)),
    )
    assert world.egress[made.id] == EgressRules(LOCKED)
    await services.network.proposals.approve("one", proposal.id, principal=ANN, mode=LOCKED)
    assert world.egress[made.id].allow == proposal.entries


async def test_learning_is_finished_and_cancelled_by_hand(services: Services, world: World) -> None:
    made = await running(services, network=LOCKED)
    await services.network.proposals.learn("one", timedelta(hours=1), principal=ANN)
    await services.network.proposals.end_learning("one", principal=ANN, propose=False)
    assert (world.egress[made.id].mode, await services.network.proposals.list("one", principal=ANN)) == (LOCKED, [])
    with pytest.raises(Conflict) as refused:
        await services.network.proposals.end_learning("one", principal=ANN, propose=True)
    assert refused.value.code == "not_learning"
    await services.network.proposals.learn("one", timedelta(hours=1), principal=ANN)
    world.observed[made.id] = [reached("git.example", "192.0.2.7", 443)]
    proposal = await services.network.proposals.end_learning("one", principal=ANN, propose=True)
    assert proposal is not None
    assert proposal.entries == allow("git.example:443")
    assert world.egress[made.id].mode is LOCKED
    with pytest.raises(InvalidInput):
        await services.network.proposals.learn("one", timedelta(days=1), principal=ANN)
    await services.orchestrator.stop_workspace("one", principal=ANN)
    await until(services, "one", Status.STOPPED)
    with pytest.raises(Conflict):
        await services.network.proposals.learn("one", timedelta(minutes=1), principal=ANN)


async def test_learning_ends_though_the_service_was_killed_meanwhile(tmp_path: Path, world: World) -> None:
    async with fake_services(tmp_path, world=world) as services:
        made = await running(services, network=LOCKED)
        await services.network.proposals.learn("one", timedelta(seconds=0.5), principal=ANN)
    world.observed[made.id] = [reached("git.example", "192.0.2.7", 443)]
    async with fake_services(tmp_path, world=world) as services:

        async def ended() -> bool:
            return (
                bool(await services.network.proposals.list("one", principal=ANN))
                and world.egress[made.id].mode is LOCKED
            )

        await eventually(ended, 20)


async def test_nobody_widens_the_floor(tmp_path: Path, world: World) -> None:
    """The administrator's floor bounds creation, changes, proposals and learning, and what was stored before it."""
    async with fake_services(tmp_path, world=world) as services:
        made = await running(services, network=OPEN)
        await services.network.policies.change("one", NetworkPolicy(OPEN, allow("x.example")), principal=ANN)
    listed = tmp_path / "balanced.txt"
    listed.write_text("*.packages.example:443\n# a remark\n")
    settings = Settings(data=tmp_path, egress_floor="balanced", egress_balanced=str(listed))
    async with fake_services(tmp_path, world=world, settings=settings) as services:

        async def bounded() -> bool:
            return world.egress[made.id] == EgressRules(NetworkMode.BALANCED, allow("*.packages.example:443"))

        await eventually(bounded)
        status = await services.network.policies.read("one", principal=ANN)
        assert status.beyond_floor == ("/mode", "/allow/0")
        for policy, field in (
            (NetworkPolicy(NetworkMode.OBSERVE), "/mode"),
            (NetworkPolicy(LOCKED, allow("a.packages.example:443", "y.example")), "/allow/1"),
            (NetworkPolicy(LOCKED, allow("*.packages.example")), "/allow/0"),
        ):
            for principal in (ANN, ADMIN):
                with pytest.raises(Forbidden) as refused:
                    await services.network.policies.change(made.id, policy, principal=principal)
                assert (refused.value.code, refused.value.field) == ("beyond_floor", field)
        kept = NetworkPolicy(OPEN, (*allow("x.example"), *allow("a.packages.example:443")))
        await services.network.policies.change("one", kept, principal=ANN)
        with pytest.raises(Forbidden):
            await services.network.proposals.learn("one", timedelta(minutes=1), principal=ANN)
        with pytest.raises(Forbidden) as refused:
            await running(services, "two", network=OPEN)
        assert refused.value.field == "network"
        with pytest.raises(Forbidden) as refused:
            await running(services, "two", LOCKED, allow("a.packages.example:443", "y.example"))
        assert refused.value.field == "/allow/1"
        other = await running(services, "three")
        assert world.egress[other.id].mode is NetworkMode.BALANCED
        listed.write_text("*.other.example:443\n")

        async def reread() -> bool:
            return world.egress[other.id].allow == allow("*.other.example:443")

        await eventually(reread, 20)


def test_bounds_are_read_strictly(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for name, text, value in (
        ("egress_default", None, "wide"),
        ("egress_floor", None, "locked"),
        ("egress_floor", "{", str(file)),
        ("egress_floor", '{"mode": "locked", "allow": [{"cidr": "10.0.0.0/8"}]}', str(file)),
        ("egress_floor", '{"mode": "shut"}', str(file)),
        ("egress_balanced", "pypi.org:443\nhttps://x.example/\n", str(file)),
        ("egress_balanced", None, str(tmp_path / "absent")),
    ):
        if text is not None:
            file.write_text(text)
        with pytest.raises(InvalidInput) as refused:
            read_bounds(Settings(**{name: value}))  # type: ignore[arg-type]
        assert refused.value.field == name
    file.write_text('{"mode": "locked", "allow": [{"name": "a.example", "ports": [443]}], "reason": "rule 7"}')
    bounds = read_bounds(Settings(egress_floor=str(file)))
    assert (bounds.floor, bounds.reason) == (NetworkPolicy(LOCKED, allow("a.example:443")), "rule 7")


def test_the_shipped_list_holds_names_with_ports_only() -> None:
    """Mode balanced: no address, nothing without ports, no wildcard of a whole top-level domain."""
    listed = read_bounds(Settings()).balanced
    assert len(listed) > 20
    assert all(one.name is not None and one.ports for one in listed)
    assert balanced_list("") == ()


async def test_events_tell_of_changes(services: Services) -> None:
    made = await running(services)
    events = services.workspaces.events(principal=ANN)
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    await services.network.policies.change("one", NetworkPolicy(LOCKED), principal=ANN)
    event = await waiting
    assert (event.kind, event.workspace_id, dict(event.data)) == ("workspace.network", made.id, {})
