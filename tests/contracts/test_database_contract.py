"""The contract of every database; now there is one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from migrated_database import open_migrated

from nixos_workspaces.database import AuditEntry, Database, Seen, TokenRecord
from nixos_workspaces.errors import Conflict, InvalidInput
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import Address, Resources
from nixos_workspaces.model.network import NetworkEntry, NetworkMode, NetworkPolicy, PortRange
from nixos_workspaces.model.network.proposals import Learning, Proposal, ProposalSource, ProposalState, StoredNetwork
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import (
    Desire,
    Failure,
    Fault,
    Phase,
    Phases,
    PhaseTime,
    Progress,
    Sort,
    Status,
    Workspace,
    WorkspaceQuery,
)

NOW = datetime(2026, 5, 26, 10, 0, tzinfo=UTC)
GB = 1 << 30


def workspace(number: int = 1, **given: object) -> Workspace:
    plain = Workspace(
        id=f"ws-{number:012d}",
        name=f"n{number}",
        owner_id="ann",
        hostname=f"n{number}",
        created_at=NOW + timedelta(seconds=number),
        last_accessed=NOW,
        desire=Desire.RUNNING,
        resources=Resources(0.25, 4 * GB, 20 * GB),
        environment=Environment("minimal", ("a", "b"), (80, 8080)),
    )
    return replace(plain, **given)  # type: ignore[arg-type]


FULL_DISK = Sentence("refused.build_disk_full", parts={"said": Sentence("disk.full", {"path": "/srv"})})
FULL = workspace(
    7,
    intent=3,
    revision=4,
    pinned=2,
    restarts=1,
    status=Status.ERROR,
    progress=Progress(Phase.BUILD, 0.5, Sentence("progress.build", {"name": "half"})),
    phases=Phases((PhaseTime(Phase.EVALUATE, NOW, NOW), PhaseTime(Phase.BUILD, NOW))),
    package_set="set",
    generation=2,
    toplevel="/nix/store/x",
    open_ports=(80,),
    built_revision=3,
    restarts_done=1,
    address=Address("10.0.0.1", 22),
    encryption="fscrypt",
    volume_bytes=20 * GB,
    started_at=NOW,
    ready_at=NOW,
    oom_kills=3,
    host_key="ssh-ed25519 AAAA",
    forgotten=True,
    build_failure=Failure("build", Fault("build_failed", "no", NOW), 1, None, 3),
    step_failure=Failure("start", Fault("disk_full", "no", NOW, FULL_DISK), 2, NOW, 3),
    withholds_personal=True,
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "test.db")
    yield opened
    await opened.close()


async def test_everything_comes_back_as_it_went(database: Database) -> None:
    """Every field of a workspace survives, those at their defaults as well."""
    for one in (workspace(), FULL):
        async with database.transaction() as tx:
            await tx.workspaces.add(one)
        async with database.reading() as tx:
            assert await tx.workspaces.get(one.id) == one
            assert await tx.workspaces.find(one.name, "ann") == one


async def test_halves_do_not_touch_each_other(database: Database) -> None:
    """A verb keeps what was seen, the reconciler keeps what is wanted, and a late status does not win."""
    first = workspace()
    async with database.transaction() as tx:
        await tx.workspaces.add(first)
        wanted = replace(first, intent=2, desire=Desire.STOPPED, status=Status.STOPPING, toplevel="ignored")
        await tx.workspaces.save_desired(wanted)
        seen = replace(first, status=Status.RUNNING, toplevel="/nix/store/x", desire=Desire.PAUSED)
        assert not await tx.workspaces.save_seen(seen)
        stored = await tx.workspaces.get(first.id)
        assert stored == replace(wanted, toplevel="/nix/store/x")
        assert await tx.workspaces.save_seen(replace(seen, intent=2))
        stored = await tx.workspaces.get(first.id)
    assert stored is not None
    assert (stored.status, stored.desire) == (Status.RUNNING, Desire.STOPPED)


async def test_names_are_unique_per_owner_among_the_living(database: Database) -> None:
    """A deletion frees the name; another owner never had it."""
    async with database.transaction() as tx:
        await tx.workspaces.add(workspace(1, name="x"))
        await tx.workspaces.add(workspace(2, name="x", owner_id="bob"))
        with pytest.raises(Conflict):
            await tx.workspaces.add(workspace(3, name="x"))
        await tx.workspaces.save_desired(workspace(1, desire=Desire.DELETED))
        await tx.workspaces.add(workspace(4, name="x"))
        found = await tx.workspaces.find("x", "ann")
    assert found is not None
    assert found.id == workspace(4).id


async def test_failed_transaction_leaves_nothing(database: Database) -> None:
    """Intent and audit entry are stored together or not at all."""

    async def half() -> None:
        async with database.transaction() as tx:
            await tx.workspaces.add(workspace())
            await tx.audit.append(AuditEntry(NOW, "ann", "create", "ws-1", "accepted"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await half()
    async with database.reading() as tx:
        assert (await tx.workspaces.page(WorkspaceQuery())).items == ()
        assert await tx.audit.entries() == []


async def test_tombstone(database: Database) -> None:
    """A deleted workspace is nowhere but among the tombstones."""
    async with database.transaction() as tx:
        await tx.workspaces.add(workspace())
        await tx.tombstones.add(workspace().id, NOW)
        assert await tx.workspaces.get(workspace().id) is None
        assert (await tx.workspaces.page(WorkspaceQuery())).items == ()
        assert await tx.workspaces.several([workspace().id]) == ()
        assert await tx.summaries.deciding() == ""
        assert await tx.summaries.statuses() == {}
        assert await tx.tombstones.among([workspace().id]) == {workspace().id}
        assert await tx.tombstones.among(["ws-other"] * 2000) == set()


@pytest.mark.parametrize("sort", Sort)
async def test_pages_hold_everything_once(database: Database, sort: Sort) -> None:
    """In every order and with equal values: all of them, each once, in order, also while others come."""
    async with database.transaction() as tx:
        for number in range(1, 24):
            await tx.workspaces.add(
                workspace(number, created_at=NOW + timedelta(seconds=number // 5), name=f"n{number % 7}-{number}")
            )
    got: list[Workspace] = []
    cursor: str | None = None
    while True:
        async with database.reading() as tx:
            page = await tx.workspaces.page(WorkspaceQuery(limit=5, sort=sort, cursor=cursor), Seen("ann"))
        got.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
        async with database.transaction() as tx:
            await tx.workspaces.add(workspace(1000 + len(got), owner_id="bob"))
    assert len(got) == len({one.id for one in got}) == 23
    column = sort.value.lstrip("-")
    values = [(getattr(one, column), one.id) for one in got]
    assert values == sorted(values, reverse=sort.startswith("-"))


async def test_filters(database: Database) -> None:
    """Owner, status, template and part of the name, taken literally."""
    async with database.transaction() as tx:
        await tx.workspaces.add(workspace(1, name="alpha", status=Status.RUNNING))
        await tx.workspaces.add(workspace(2, name="beta", environment=Environment("python")))
        await tx.workspaces.add(workspace(3, name="alphabet", owner_id="bob"))

    async def names(owner: str | None, query: WorkspaceQuery) -> set[str]:
        async with database.reading() as tx:
            return {one.name for one in (await tx.workspaces.page(query, Seen(owner))).items}

    assert await names(None, WorkspaceQuery(q="ALPHA")) == {"alpha", "alphabet"}
    assert await names("ann", WorkspaceQuery(q="alpha")) == {"alpha"}
    assert await names("ann", WorkspaceQuery(status=Status.RUNNING)) == {"alpha"}
    assert await names("ann", WorkspaceQuery(template="python")) == {"beta"}
    assert await names(None, WorkspaceQuery(q="%")) == set()
    assert await names(None, WorkspaceQuery(q="_")) == set()


@pytest.mark.parametrize(
    "cursor", ["", "x", "e30", "WzFd", "\ud800", "W10" * 100, "WyJuYW1lIiwgIngiLCAieSJd", "bnVsbA", "[" * 9999]
)
async def test_foreign_cursors_are_refused(database: Database, cursor: str) -> None:
    """Also one of a list in another order."""
    async with database.reading() as tx:
        with pytest.raises(InvalidInput) as refused:
            await tx.workspaces.page(WorkspaceQuery(cursor=cursor))
    assert refused.value.field == "cursor"


@pytest.mark.parametrize("limit", [0, -1, 201, 10**30])
async def test_limits_are_bounded(database: Database, limit: int) -> None:
    """A page has 1 to 200 items."""
    async with database.reading() as tx:
        with pytest.raises(InvalidInput) as refused:
            await tx.workspaces.page(WorkspaceQuery(limit=limit))
    assert refused.value.field == "limit"


async def test_promised_bytes(database: Database) -> None:
    """Storage promised and not yet taken; a workspace being deleted is promised nothing."""
    async with database.transaction() as tx:
        await tx.workspaces.add(workspace(1))
        await tx.workspaces.add(workspace(2, volume_bytes=15 * GB))
        await tx.workspaces.add(workspace(3, volume_bytes=30 * GB))
        await tx.workspaces.add(workspace(4, desire=Desire.DELETED))
        assert await tx.workspaces.promised_bytes() == 25 * GB
        assert set((await tx.summaries.promises()).values()) == {20 * GB}
        assert len(await tx.summaries.promises()) == 3


async def test_leases_have_one_holder(database: Database) -> None:
    """A lease is taken by one, renewed by them, taken over when it has run out, given back."""
    later, end = NOW + timedelta(seconds=5), NOW + timedelta(seconds=10)
    async with database.transaction() as tx:
        assert await tx.leases.acquire("ws-1", "a", NOW, end)
        assert not await tx.leases.acquire("ws-1", "b", later, end)
        assert await tx.leases.acquire("ws-2", "b", later, end)
        assert await tx.leases.acquire("ws-1", "a", later, end)
        assert await tx.leases.held("ws-1", "a", later)
        assert not await tx.leases.held("ws-1", "a", end)
        assert await tx.leases.acquire("ws-1", "b", end, end + timedelta(seconds=1))
        assert not await tx.leases.held("ws-1", "a", end)
        await tx.leases.release("ws-1", "a")
        assert await tx.leases.held("ws-1", "b", end)
        await tx.leases.release_all("b")
        assert await tx.leases.holders() == ()


async def test_race_for_a_lease_has_one_winner(database: Database) -> None:
    """Twenty at once."""

    async def take(holder: str) -> bool:
        async with database.transaction() as tx:
            return await tx.leases.acquire("ws-1", holder, NOW, NOW + timedelta(seconds=9))

    assert sum(await asyncio.gather(*(take(str(number)) for number in range(20)))) == 1


async def test_tokens_and_codes(database: Database) -> None:
    """Valid until they expire or are revoked; a code works once."""
    token = TokenRecord("tok-1", "ci", "api", "ann", "Ann", "user", NOW, NOW + timedelta(hours=1))
    async with database.transaction() as tx:
        assert not await tx.tokens.any_ever()
        await tx.tokens.add(token, "d1")
        assert await tx.tokens.find("d1", NOW) == token
        assert await tx.tokens.find("d1", NOW + timedelta(hours=1)) is None
        assert await tx.tokens.find("d2", NOW) is None
        assert not await tx.tokens.revoke("tok-1", "bob", NOW)
        assert await tx.tokens.revoke("tok-1", "ann", NOW)
        assert await tx.tokens.find("d1", NOW) is None
        assert await tx.tokens.any_ever()
        await tx.login_codes.add("c1", NOW, NOW + timedelta(hours=1))
        assert not await tx.login_codes.use("c1", NOW + timedelta(hours=1))
        assert await tx.login_codes.use("c1", NOW)
        assert not await tx.login_codes.use("c1", NOW)


async def test_idempotency_keys_expire(database: Database) -> None:
    """Per principal, for a time."""
    async with database.transaction() as tx:
        await tx.workspaces.add(workspace())
        end = NOW + timedelta(hours=24)
        await tx.idempotency.add("ann", "k", "h", workspace().id, NOW, end)
        assert await tx.idempotency.find("ann", "k", NOW) == ("h", workspace().id)
        assert await tx.idempotency.find("bob", "k", NOW) is None
        assert await tx.idempotency.find("ann", "k", end) is None
        await tx.idempotency.add("ann", "k", "h2", workspace().id, end, end + timedelta(hours=24))


async def test_networks_replace_only_what_was_seen_and_go_with_their_workspace(database: Database) -> None:
    soon = NOW + timedelta(hours=1)
    entry = NetworkEntry(name="*.a.example", ports=(PortRange(80, 443),), expires_at=soon)
    policy = NetworkPolicy(NetworkMode.LOCKED, (entry,), (NetworkEntry(cidr="192.0.2.0/24"),))
    lesson = Learning(NOW, NOW + timedelta(minutes=10), "ann")
    async with database.transaction() as tx:
        await tx.workspaces.add(workspace())
        one = workspace().id
        assert (await tx.networks.find(one)).policy.mode is NetworkMode.NONE
        assert await tx.networks.replace(one, 0, policy, None, NOW)
        assert not await tx.networks.replace(one, 0, policy, None, NOW)
        assert await tx.networks.find(one) == StoredNetwork(1, policy)
        assert await tx.networks.next_end() == soon
        assert await tx.networks.replace(one, 1, policy, lesson, NOW)
        assert not await tx.networks.replace(one, 1, policy, None, NOW)
        assert (await tx.networks.next_end(), await tx.networks.due(NOW)) == (lesson.until, [])
        assert await tx.networks.due(lesson.until) == [one]
        stored = await tx.networks.find(one)
        assert stored == StoredNetwork(2, policy, lesson)
        assert await tx.networks.replace(one, 2, policy, None, soon)
        await tx.networks.refresh(one, await tx.networks.find(one), soon)
        assert await tx.networks.find(one) == StoredNetwork(3, replace(policy, allow=()))
        assert await tx.networks.next_end() is None
        for number in range(105):
            proposal = Proposal(
                id=f"np-{number}",
                workspace_id=one,
                entries=(entry,),
                reason="why",
                source=ProposalSource.ASKED,
                created_at=NOW + timedelta(seconds=number),
                created_by="ann",
            )
            await tx.proposals.add(proposal)
            assert await tx.proposals.get(one, proposal.id) == proposal
            await tx.proposals.decide(replace(proposal, state=ProposalState.REJECTED, decided_at=NOW, decided_by="bob"))
        assert (await tx.proposals.pending(one), len(await tx.proposals.of(one))) == (0, 101)
        assert (await tx.proposals.of(one))[0].id == "np-104"
        await tx.tombstones.add(one, NOW)
        assert (await tx.networks.find(one), await tx.proposals.of(one)) == (StoredNetwork(), [])


async def test_layouts_are_of_a_person_and_replace_only_what_was_seen(database: Database) -> None:
    """Deleting the workspace deletes them."""
    async with database.transaction() as tx:
        await tx.workspaces.add(workspace())
        assert await tx.layouts.replace(workspace().id, "ann", 0, {"tabs": []})
        assert not await tx.layouts.replace(workspace().id, "ann", 0, {"tabs": [1]})
        assert await tx.layouts.replace(workspace().id, "ann", 1, {"tabs": [2]})
        assert not await tx.layouts.replace(workspace().id, "ann", 1, {"tabs": [3]})
        assert await tx.layouts.find(workspace().id, "ann") == (2, {"tabs": [2]})
        assert await tx.layouts.find(workspace().id, "bob") is None
        await tx.tombstones.add(workspace().id, NOW)
        assert await tx.layouts.find(workspace().id, "ann") is None
