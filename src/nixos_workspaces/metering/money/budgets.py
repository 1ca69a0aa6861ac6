"""Budgets: set by administrators, looked at with every turn of the ledger, held to in the transaction of an intent."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nixos_workspaces.audit.entries import ACCEPTED, SYSTEM
from nixos_workspaces.auth.policy import RULES, Action, Principal, authorise
from nixos_workspaces.database import AuditEntry, Database, Transaction
from nixos_workspaces.errors import InsufficientResources, NotFound, WorkspacesError
from nixos_workspaces.events import Event, Events
from nixos_workspaces.metering.money import costs
from nixos_workspaces.metering.money.spending import Spending
from nixos_workspaces.metering.usage.ledger import OpenInterval
from nixos_workspaces.metering.usage.recording import TAKE_SECONDS
from nixos_workspaces.model.metering.budgets import AtLimit, Budget, BudgetState, BudgetSubject
from nixos_workspaces.model.metering.costs import Line, money, month_of, month_window, to_us
from nixos_workspaces.model.metering.prices import Prices
from nixos_workspaces.model.metering.records import MACHINE, MeterState
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Desire

log = logging.getLogger(__name__)

WARNING_SECONDS = 600.0
"""Time before the end of a budget at which a stop is announced, at the highest rate that is possible."""
_NEAR = 0
"""The mark of that warning among the thresholds that were told."""

Stop = Callable[[str, Sentence], Awaitable[object]]
"""Shuts a workspace down, given its id and the reason."""


@dataclass(frozen=True, slots=True)
class _Spent:
    """The money that a budget's subject has spent, and the most that it spends in an hour as everything is now."""

    micro: int
    rate: int
    workspaces: tuple[str, ...]
    """The subject's workspaces."""

    def after(self, seconds: float) -> int:
        """Return the most that is spent by then."""
        return self.micro + round(self.rate * seconds / 3600)


class Budgets:
    """The budgets of users, groups and workspaces."""

    def __init__(
        self,
        database: Database,
        spending: Spending,
        events: Events,
        *,
        stop: Stop,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep them in ``database``; ``stop`` shuts down what may not run on."""
        self._database = database
        self._spending = spending
        self._events = events
        self._stop = stop
        self._clock = clock

    async def list(self, *, principal: Principal) -> tuple[BudgetState, ...]:
        """Return the budgets that the principal may see: all, or their own and those of their groups."""
        authorise(principal, Action.READ_COSTS)
        async with self._database.reading() as tx:
            found, names = await tx.budgets.all(), await tx.budgets.names()
            owners = {one: (await tx.workspaces.get(one)) for one in _workspaces(found)}
        owned = {one for one, workspace in owners.items() if workspace and workspace.owner_id == principal.id}
        own = owned | {principal.id} | principal.groups
        every = principal.role in RULES[Action.READ_USAGE].roles
        shown = [one for one in found if every or one.subject_id in own]
        spent = await self._spent(shown)
        return tuple(
            BudgetState(one, names[one.kind].get(one.subject_id, one.subject_id), spent[one].micro) for one in shown
        )

    async def replace(self, wanted: Budget, *, principal: Principal, request_id: str = "") -> None:
        """Set a budget, whose subject is given by id or name. What was told of the month is told anew."""
        authorise(principal, Action.MANAGE_BUDGETS)
        async with self._database.transaction() as tx:
            subject = await _subject(tx, wanted.kind, wanted.subject_id)
            before = await tx.budgets.find(wanted.kind, subject)
            await tx.budgets.replace(replace(wanted, subject_id=subject))
            entry = self._entry(principal.id, "set-budget", wanted.kind, subject, request_id)
            await tx.audit.append(replace(entry, before=None if before is None else _told(before), after=_told(wanted)))

    async def remove(self, kind: BudgetSubject, reference: str, *, principal: Principal, request_id: str = "") -> None:
        """Remove a budget; ``NotFound`` if there is none."""
        authorise(principal, Action.MANAGE_BUDGETS)
        async with self._database.transaction() as tx:
            subject = await _subject(tx, kind, reference)
            before = await tx.budgets.find(kind, subject)
            if before is None:
                raise NotFound(f"There is no budget of {reference!r}.", code="budget_not_found", field="subject")
            await tx.budgets.remove(kind, subject)
            entry = self._entry(principal.id, "remove-budget", kind, subject, request_id)
            await tx.audit.append(replace(entry, before=_told(before)))

    async def hold(self, tx: Transaction, owner_id: str, workspace_id: str) -> None:
        """Refuse what would let a workspace run, in the transaction of the intent, where a budget is used up.

        Raises ``InsufficientResources`` with code ``budget_reached``.
        """
        month = month_of(self._clock())
        for one in await tx.budgets.over(owner_id, workspace_id):
            if one.holds_back(month):
                whose = Sentence(f"budget.{one.kind}")
                said = Sentence("refused.budget", {"amount": money(one.amount_micro)[:-4]}, {"whose": whose})
                raise InsufficientResources(said, code="budget_reached")

    async def allow(self, owner_id: str, workspace_id: str) -> bool:
        """Tell whether no budget that holds back new use is used up."""
        try:
            async with self._database.reading() as tx:
                await self.hold(tx, owner_id, workspace_id)
        except InsufficientResources:
            return False
        return True

    async def check(self) -> None:
        """Tell what has passed a threshold, and stop what may not run on; call it with every turn of the ledger."""
        async with self._database.reading(once=True) as tx:
            budgets = await tx.budgets.all()
        if not budgets:
            return
        spent = await self._spent(budgets)
        for one in budgets:
            await self._hold_to(one, spent[one])

    async def _hold_to(self, budget: Budget, spent: _Spent) -> None:
        month = month_of(self._clock())
        told = budget.told if budget.month == month else ()
        passed = [at for at in budget.thresholds if spent.micro * 100 >= at * budget.amount_micro]
        near = budget.at_limit is AtLimit.STOP and spent.after(WARNING_SECONDS) >= budget.amount_micro
        news = [at for at in ([_NEAR] if near else []) + passed if at not in told]
        # Of the time until the next look, so that the budget is not passed meanwhile.
        reached = spent.after(TAKE_SECONDS) >= budget.amount_micro
        announced = budget.at_limit is not AtLimit.STOP or _NEAR in told
        if news or (reached and announced and budget.reached != month):
            changed = replace(budget, month=month, told=(*told, *news))
            if reached and announced:
                changed = replace(changed, reached=month)
            await self._tell(budget, changed, spent, news)
        if reached and announced and budget.at_limit is AtLimit.STOP:
            await self._stop_all(budget, spent.workspaces)

    async def _tell(self, before: Budget, after: Budget, spent: _Spent, news: Sequence[int]) -> None:
        """Store and tell what has become of a budget."""
        async with self._database.transaction() as tx:
            if await tx.budgets.find(before.kind, before.subject_id) != before:
                # It was set anew, or another plane of control has told it.
                return
            await tx.budgets.replace(after)
            percent = spent.micro * 100 // max(before.amount_micro, 1)
            detail = {"amount": money(before.amount_micro), "spent": money(spent.micro), "percent": percent}
            for at in news:
                action = "warn-of-budget" if at == _NEAR else "pass-budget-threshold"
                entry = self._entry(SYSTEM, action, before.kind, before.subject_id)
                await tx.audit.append(replace(entry, detail={**detail, "threshold": at}))
            if after.reached != before.reached:
                entry = self._entry(SYSTEM, "reach-budget", before.kind, before.subject_id)
                await tx.audit.append(replace(entry, detail={**detail, "at_limit": before.at_limit}))
        for workspace_id in spent.workspaces:
            data = {"percent": percent, "stops": before.at_limit is AtLimit.STOP, "kind": before.kind.value}
            self._events.publish(Event("workspace.budget", workspace_id, data))

    async def _stop_all(self, budget: Budget, workspaces: Sequence[str]) -> None:
        amount = money(budget.amount_micro)[:-4]
        reason = Sentence("stop.budget", {"kind": budget.kind.value, "amount": amount})
        async with self._database.reading(once=True) as tx:
            found = await tx.workspaces.several(workspaces)
        for workspace_id in (one.id for one in found if one.desire in {Desire.RUNNING, Desire.PAUSED}):
            try:
                await self._stop(workspace_id, reason)
            except WorkspacesError as failed:
                # The next turn tries again.
                log.warning("A workspace beyond its budget could not be stopped: %s", failed)

    async def _spent(self, budgets: Sequence[Budget]) -> Mapping[Budget, _Spent]:
        """Return what each budget's subject has spent in this month."""
        now = self._clock()
        book, lines, intervals = await self._spending.lines(*month_window(month_of(now)))
        prices = book.at(to_us(now))
        own = [one for one in intervals if one.workspace_id != MACHINE]
        return {
            budget: _Spent(
                sum(line.total for line in lines if _is_of(budget, line)),
                sum(_most(one, prices) for one in own if _is_of(budget, one)),
                tuple(one.workspace_id for one in own if _is_of(budget, one)),
            )
            for budget in budgets
        }

    def _entry(self, actor: str, action: str, kind: BudgetSubject, subject: str, request_id: str = "") -> AuditEntry:
        workspace_id = subject if kind is BudgetSubject.WORKSPACE else ""
        target = "" if workspace_id else f"{kind}:{subject}"
        return AuditEntry(self._clock(), actor, action, workspace_id, ACCEPTED, request_id, target=target)


def _is_of(budget: Budget, one: Line | OpenInterval) -> bool:
    """Tell whether a budget bounds what a line or an interval is of."""
    if one.workspace_id == MACHINE:
        return False
    of = one.shape if isinstance(one, OpenInterval) else one
    match budget.kind:
        case BudgetSubject.USER:
            return of.owner_id == budget.subject_id
        case BudgetSubject.GROUP:
            return budget.subject_id in of.groups
        case BudgetSubject.WORKSPACE:
            return one.workspace_id == budget.subject_id


def _most(interval: OpenInterval, prices: Prices | None) -> int:
    """Return the most that an interval may cost in an hour."""
    shape = interval.shape
    up = shape.state in {MeterState.RUNNING, MeterState.PAUSED}
    cpu, memory = (shape.cpu_milli, shape.memory_bytes) if up else (0, 0)
    return costs.rate(costs.hourly(cpu, cpu, memory, memory, shape.storage_bytes), prices)


def _workspaces(budgets: Iterable[Budget]) -> list[str]:
    return [one.subject_id for one in budgets if one.kind is BudgetSubject.WORKSPACE]


async def _subject(tx: Transaction, kind: BudgetSubject, reference: str) -> str:
    """Return the id of a subject that is given by id or name."""
    found = await tx.budgets.subjects(kind, reference)
    if reference in found:
        return reference
    if len(found) != 1:
        many = " Several have that name: give its id." if found else ""
        raise NotFound(f"There is no {kind} {reference!r}.{many}", code=f"{kind}_not_found", field="subject")
    return found[0]


def _told(budget: Budget) -> dict[str, object]:
    return {
        "amount": money(budget.amount_micro),
        "at_limit": budget.at_limit.value,
        "thresholds": list(budget.thresholds),
    }
