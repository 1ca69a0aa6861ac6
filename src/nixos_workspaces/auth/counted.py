"""Audit entries of what happens often: counted in memory, stored once a minute, one entry for each kind.

Refused requests, and uses of files, terminals and logs. Storing each would let anybody, without a credential too, make
the service sync the disk as often as they like, and reading writes nothing (decision 15). What changes a workspace has
an entry of its own, in one transaction with the change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nixos_workspaces.audit.entries import asker
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import WorkspacesError

MOST_TOLD_APART = 1000
"""Kinds between two times of storing; of those beyond, addresses, actors and workspaces are not told apart."""
OTHERS = "others"
ACCEPTED = "accepted"
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Origin:
    """The way by which an actor came."""

    chain: tuple[str, ...] = ()
    """As ``AuditEntry.chain``."""
    address: str = ""


NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class Kind:
    """Entries that are counted together."""

    action: str
    outcome: str = ACCEPTED
    actor: str = ""
    workspace_id: str = ""
    address: str = ""
    """Of who was refused: told apart by it."""
    target: str = ""
    """The object besides the workspace."""
    terminal: str = ""
    """The terminal where it was done, where that is not the target."""
    origin: Origin = NOWHERE

    def among_others(self) -> Kind:
        """Return the kind that stands for all of this action and outcome."""
        return Kind(self.action, self.outcome, OTHERS, "", OTHERS)


@dataclass(slots=True)
class _Count:
    """How often, and when first."""

    first_at: datetime
    request_id: str
    """Of the first one."""
    count: int = 0


class CountedAudit:
    """The entries that are not stored yet. A process that is killed loses those of its last minute."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Store into ``database``."""
        self._database = database
        self._clock = clock
        self._counts: dict[Kind, _Count] = {}

    def note(self, kind: Kind, request_id: str) -> None:
        """Count one; a kind without an origin has that of the request, where one is answered."""
        asked = asker.get()
        if asked is not None and request_id and asked.request_id == request_id and kind.origin == NOWHERE:
            kind = replace(kind, origin=Origin(asked.chain, asked.address))
        if kind not in self._counts and len(self._counts) >= MOST_TOLD_APART:
            kind = kind.among_others()
        self._counts.setdefault(kind, _Count(self._clock(), request_id)).count += 1

    async def store(self) -> None:
        """Store the counts, in one transaction.

        Raises ``Unavailable`` where the database cannot take them; then they are kept for the next time.
        """
        counts, self._counts = self._counts, {}
        if not counts:
            return
        try:
            async with self._database.transaction() as tx:
                for kind, one in counts.items():
                    await tx.audit.append(_entry(kind, one))
        except WorkspacesError:
            for kind, one in counts.items():
                later = self._counts.setdefault(kind, one)
                if later is not one:
                    one.count += later.count
                    self._counts[kind] = one
            raise


def _entry(kind: Kind, one: _Count) -> AuditEntry:
    told = {"address": kind.address, "terminal": kind.terminal, "count": one.count}
    detail = {name: value for name, value in told.items() if value}
    about = one.first_at, kind.actor, kind.action, kind.workspace_id, kind.outcome, one.request_id, detail
    return AuditEntry(*about, kind.target, chain=kind.origin.chain, address=kind.origin.address or kind.address)
