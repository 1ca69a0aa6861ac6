"""Quotas of users and groups: set by administrators, read by those whom they bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from nixos_workspaces.auth.people.groups import found_group
from nixos_workspaces.auth.people.users import found
from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.model.access.people import Amounts, Quota, QuotaSubject


@dataclass(frozen=True, slots=True)
class OwnQuotas:
    """The amounts that a user has, and every quota that bounds them."""

    used: Amounts
    quotas: tuple[Quota, ...]


class Quotas:
    """The quotas. ``workspaces.admission`` holds verbs to them."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Keep them in ``database``."""
        self._database = database
        self._clock = clock

    async def own(self, *, principal: Principal) -> OwnQuotas:
        """Return what the principal has and may have."""
        authorise(principal, Action.READ_QUOTAS)
        async with self._database.reading() as tx:
            return OwnQuotas(await tx.quotas.used_by([principal.id]), await tx.quotas.of_user(principal.id))

    async def list(self, *, principal: Principal) -> tuple[Quota, ...]:
        """Return every quota with what is used."""
        authorise(principal, Action.READ_PEOPLE)
        async with self._database.reading() as tx:
            return await tx.quotas.all()

    async def replace(
        self, kind: QuotaSubject, reference: str, allowed: Amounts, *, principal: Principal, request_id: str = ""
    ) -> None:
        """Set the quota of a user or a group, given by id or name; without any bound it is removed.

        A quota below what is used ends nothing: it refuses more.
        """
        authorise(principal, Action.MANAGE_PEOPLE)
        async with self._database.transaction() as tx:
            subject = await (found if kind is QuotaSubject.USER else found_group)(tx, reference)
            before = await tx.quotas.find(kind, subject.id)
            await tx.quotas.replace(kind, subject.id, allowed)
            detail = {"kind": kind.value, "subject": subject.id, "allowed": asdict(allowed)}
            entry = AuditEntry(self._clock(), principal.id, "set-quota", "", "accepted", request_id, detail)
            await tx.audit.append(replace(entry, before=asdict(before), after=asdict(allowed)))
