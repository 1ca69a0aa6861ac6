"""Budgets: told once, held in the transaction of an intent, and stopped at the end without an overrun of a minute."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fakes import World, eventually, fake_services
from test_history import CONFIG, running
from usage_fixture import Meters, open_meters

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.database import Database
from nixos_workspaces.errors import Forbidden, InsufficientResources, NotFound
from nixos_workspaces.events import Events
from nixos_workspaces.metering.money.budgets import Budgets
from nixos_workspaces.metering.money.spending import Spending
from nixos_workspaces.model.access.people import FIRST_USER
from nixos_workspaces.model.metering.budgets import AtLimit, Budget, BudgetSubject
from nixos_workspaces.model.metering.costs import to_us
from nixos_workspaces.model.metering.prices import PriceList, book_of
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Status

NAMES = [f"ws-{number}" for number in range(20)]
BOOK = book_of("EUR", [PriceList(0, (100_000, 200_000, 0, 50_000, 100_000, 0, 0))])
SECOND = (2 * 300_000 + 4 * 50_000) * len(NAMES) / 3600
"""The costs of all of them in a second when they use all that they may, in millionths, without their storage."""


@dataclass
class Stopping:
    """Shuts machines down as the reconciler does: some seconds after it was asked."""

    meters: Meters
    reasons: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, workspace_id: str, reason: Sentence) -> None:
        self.reasons[workspace_id] = reason.text
        self.asked.append(workspace_id)

    async def shut_down(self) -> None:
        for one in self.asked:
            await self.meters.set(one, Status.STOPPED)
        self.asked.clear()


@asynccontextmanager
async def budgeted(path: Path, budget: Budget) -> AsyncIterator[tuple[Meters, Budgets, Stopping, Events]]:
    async with open_meters(path) as meters:
        for name in NAMES:
            await meters.make(name, FIRST_USER)
            await meters.set(name, Status.RUNNING)
        async with meters.database.transaction() as tx:
            await tx.prices.replace(BOOK)
        events, stopping = Events(), Stopping(meters)
        spending = Spending(meters.database)
        budgets = Budgets(meters.database, spending, events, stop=stopping, clock=meters.clock)
        await budgets.replace(budget, principal=ADMIN)
        yield meters, budgets, stopping, events


async def turn(meters: Meters, budgets: Budgets, seconds: float = 10) -> None:
    meters.passes(seconds, dict.fromkeys(NAMES, 2.0))
    await meters.ledger().take(meters.up)
    await budgets.check()


async def spent(database: Database, budget: Budget) -> int:
    _, lines, _ = await Spending(database).lines(0, to_us(Meters(database).wall) * 2)
    return sum(line.total for line in lines if line.owner_id == budget.subject_id)


async def actions(database: Database) -> list[tuple[str, object]]:
    async with database.reading() as tx:
        entries = [entry for _, entry in await tx.audit.entries()]
    return [(one.action, (one.detail or {}).get("threshold")) for one in entries if "budget" in one.action]


async def test_twenty_workspaces_stop_before_a_minute_is_overrun(tmp_path: Path) -> None:
    limit = round(1800 * SECOND)
    budget = Budget(BudgetSubject.USER, FIRST_USER, limit, AtLimit.STOP)
    async with budgeted(tmp_path, budget) as (meters, budgets, stopping, events):
        await meters.ledger().take(meters.up)
        with events.subscribe() as told:
            for number in range(90):
                await turn(meters, budgets, 60 if number < 24 else 10)
                if stopping.asked:
                    # The longest that an orderly end may take.
                    meters.passes(10, dict.fromkeys(NAMES, 2.0))
                    await stopping.shut_down()
                if len(stopping.reasons) == len(NAMES):
                    break
            first = await anext(told)
        await turn(meters, budgets)
        assert set(stopping.reasons) == set(NAMES)
        assert "is used up" in stopping.reasons["ws-7"]
        assert not meters.up
        overrun = (await spent(meters.database, budget) - limit) / SECOND
        assert -30 < overrun <= 60
        # Each is told once, the warning long before the end.
        assert await actions(meters.database) == [
            ("set-budget", None),
            ("pass-budget-threshold", 50),
            ("warn-of-budget", 0),
            ("pass-budget-threshold", 80),
            ("reach-budget", None),
            ("pass-budget-threshold", 100),
        ]
        assert first.kind == "workspace.budget"
        # The volumes are there still, and cost what they cost.
        async with meters.database.reading() as tx:
            kept = await tx.workspaces.get("ws-7")
        assert kept is not None
        assert kept.volume_bytes > 0


async def test_a_budget_that_is_over_when_it_is_set_warns_first(tmp_path: Path) -> None:
    budget = Budget(BudgetSubject.WORKSPACE, "ws-3", 1, AtLimit.STOP)
    async with budgeted(tmp_path, budget) as (meters, budgets, stopping, _):
        await turn(meters, budgets)
        assert list(stopping.reasons) == []
        assert ("warn-of-budget", 0) in await actions(meters.database)
        await turn(meters, budgets)
        assert list(stopping.reasons) == ["ws-3"]


async def test_a_new_month_and_a_new_budget_begin_anew(tmp_path: Path) -> None:
    budget = Budget(BudgetSubject.USER, FIRST_USER, 1, AtLimit.NO_NEW)
    async with budgeted(tmp_path, budget) as (meters, budgets, stopping, _):
        for _ in range(3):
            await turn(meters, budgets)
        assert stopping.reasons == {}

        async def is_held() -> bool:
            try:
                async with meters.database.reading() as tx:
                    await budgets.hold(tx, FIRST_USER, "ws-1")
            except InsufficientResources as refused:
                return refused.code == "budget_reached"
            return False

        assert await is_held()
        await budgets.replace(replace(budget, amount_micro=10**15), principal=ADMIN)
        assert not await is_held()
        await budgets.replace(budget, principal=ADMIN)
        await turn(meters, budgets)
        assert await is_held()
        meters.passes(31 * 86400)
        assert not await is_held()
        await budgets.remove(BudgetSubject.USER, FIRST_USER, principal=ADMIN)
        with pytest.raises(NotFound):
            await budgets.remove(BudgetSubject.USER, FIRST_USER, principal=ADMIN)
        with pytest.raises(NotFound):
            await budgets.replace(replace(budget, subject_id="nobody"), principal=ADMIN)


async def test_the_service_refuses_and_stops(tmp_path: Path) -> None:
    async with fake_services(tmp_path, world=World()) as services:
        workspace = await running(services)
        budgets, verbs = services.metering.budgets, services.orchestrator
        async with services.database.transaction() as tx:
            await tx.prices.replace(BOOK)
        await budgets.replace(Budget(BudgetSubject.WORKSPACE, workspace.id, 1, AtLimit.STOP), principal=ADMIN)

        async def is_stopped() -> bool:
            await services.metering.turn()
            return (await services.workspaces.get(workspace.id, principal=ADMIN)).status is Status.STOPPED

        await eventually(is_stopped)
        async with services.database.reading() as tx:
            [stop] = [one for _, one in await tx.audit.entries(workspace.id) if one.action == "stop"]
        assert (stop.actor, stop.detail) == (
            "system",
            {"reason": "The budget of the workspace for this month is used up (0.00).", "seen": []},
        )
        with pytest.raises(InsufficientResources, match="used up"):
            await verbs.start_workspace(workspace.id, principal=ADMIN)
        await budgets.replace(Budget(BudgetSubject.USER, FIRST_USER, 1, AtLimit.NO_NEW), principal=ADMIN)
        await services.metering.turn()
        with pytest.raises(InsufficientResources, match="Your budget"):
            await verbs.create_workspace(replace(CONFIG, name="another"), principal=ADMIN)
        with pytest.raises(Forbidden):
            await budgets.remove(BudgetSubject.USER, FIRST_USER, principal=replace(ADMIN, scopes=frozenset()))
