"""How long bodies of audit entries are kept, by class. Hashes stay for ever, so that proofs remain valid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from nixos_workspaces.audit.entries import ACCEPTED, EXPIRE, SYSTEM, AuditClass, AuditEntry
from nixos_workspaces.audit.tree import Range
from nixos_workspaces.database import Database
from nixos_workspaces.errors import InvalidInput

RETENTION_SECONDS = 3600.0
AT_ONCE = 500
_MOST_DAYS = 36_500


class Retention:
    """Removes bodies whose time is over, and tells in an entry which."""

    def __init__(
        self,
        database: Database,
        days: Mapping[AuditClass, int],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep the entries of each class so many days; classes without a number for ever."""
        self._database = database
        self._days = days
        self._clock = clock

    async def expire(self) -> int:
        """Remove all that are due, some in each transaction; return how many."""
        removed = 0
        for kind, days in self._days.items():
            while gone := await self._expire_some(kind, self._clock() - timedelta(days=days)):
                removed += gone
        return removed

    async def _expire_some(self, kind: AuditClass, before: datetime) -> int:
        async with self._database.reading(once=True) as tx:
            if not (await tx.audit.expirable(kind, before, 1)).numbers:
                return 0
        async with self._database.transaction() as tx:
            due = await tx.audit.expirable(kind, before, AT_ONCE)
            if due.numbers:
                after = {"class": kind.value, "numbers": [list(one) for one in ranges_of(due.numbers)]}
                told = AuditEntry(self._clock(), SYSTEM, EXPIRE, "", ACCEPTED, after=after)
                await tx.audit.expire(due, await tx.audit.append(told))
        return len(due.numbers)


def ranges_of(numbers: Iterable[int]) -> list[Range]:
    """Return ascending numbers as ranges, first and last."""
    found = list[Range]()
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def read_days(setting: str) -> dict[AuditClass, int]:
    """Return the days of each class out of ``CLASS=DAYS,…``; ``InvalidInput`` (field audit_keep) for other text."""
    found = dict[AuditClass, int]()
    for part in filter(None, (one.strip() for one in setting.split(","))):
        name, _, days = part.partition("=")
        known = name in set(AuditClass) - {AuditClass.RECORD}
        if not known or not (days.isascii() and days.isdigit()) or not 1 <= int(days) <= _MOST_DAYS:
            names = ", ".join(sorted(set(AuditClass) - {AuditClass.RECORD}))
            raise InvalidInput(
                f"Setting audit_keep: {part!r} is not CLASS=DAYS with a class of {names}.", field="audit_keep"
            )
        found[AuditClass(name)] = int(days)
    return found
