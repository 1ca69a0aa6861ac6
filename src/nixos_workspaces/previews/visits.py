"""The people at a preview: which workspace a request means, and whether it may see that port.

Every request is a ``Visit``: a host and the secrets that came with it, as their digests. What was found of one is known
for half a second, as tokens are (``auth.tokens``), and looked at again before that is over while requests come, so that
none of them waits for the database; ``previews.open`` looks again at all that stays open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial

from nixos_workspaces.auth.policy import Action, Principal, Role, may
from nixos_workspaces.auth.tokens import digest_of, principal_of
from nixos_workspaces.database import Database, TokenRecord, Transaction
from nixos_workspaces.errors import LimitExceeded, NotFound, Unauthenticated
from nixos_workspaces.model.access.shares import port_part
from nixos_workspaces.model.reach.ports import SSH_PORT, PortShare, Visibility
from nixos_workspaces.model.workspace import Status, Workspace
from nixos_workspaces.previews.addresses import PreviewHost

SESSION_LIFETIME = timedelta(hours=12)
MOST_SESSIONS = 500
"""Previews that one credential may have opened in the last hours."""
KNOWN_SECONDS = 0.5
RENEWED_SECONDS = 0.25
"""Age from which on a verdict that is asked for is looked at again, beside the request that asks."""
_MOST_KNOWN = 4096


@dataclass(frozen=True, slots=True)
class Visit:
    """A request to a preview, as far as it decides."""

    reference: str
    port: int
    session: str = ""
    """Digest of the preview's session; empty without one."""
    link: str = ""
    """Digest of a link's secret."""
    token: str = ""
    """Digest of an API token, which programs send."""
    by_path: bool = False
    """It comes on the service's own host, where a program can do what its visitor can: for the owner only."""


class Outcome(Enum):
    """Whether a visit may see the port."""

    ALLOWED = "allowed"
    UNKNOWN = "unknown"
    """There is no such preview for this visit: no such workspace, or no valid credential."""
    EXPIRED = "expired"
    """The link is not valid any more."""
    OTHER_PROGRAM = "other_program"
    """Another program listens there than when the port was shown to others."""
    STOPPED = "stopped"
    """It may, but the workspace does not run."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, and the workspace where the visit may know of it."""

    outcome: Outcome
    workspace: Workspace | None = None
    principal: Principal | None = None
    """None for who came by a link."""


_UNKNOWN = Verdict(Outcome.UNKNOWN)
ProgramOf = Callable[[str, int], Awaitable[str | None]]
"""Returns the program that listens on a port of a workspace; None where none does, or it cannot be told."""


class Visits:
    """Decides on visits, and opens sessions for them."""

    def __init__(
        self, database: Database, program_of: ProgramOf, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Look into ``database``."""
        self._database = database
        self._program_of = program_of
        self._clock = clock
        self._known: dict[Visit, tuple[Verdict, float]] = {}
        self._looking: dict[Visit, asyncio.Task[Verdict]] = {}
        self.changed = asyncio.Event()
        """Set when a port's visibility was changed, for whoever waits for that and clears it."""

    def forget(self) -> None:
        """Look at every visit anew: a port is shown to others than before."""
        self._known.clear()
        self._looking.clear()
        self.changed.set()

    async def verdict(self, visit: Visit) -> Verdict:
        """Return whether a visit may see its port now; it may have been known for half a second."""
        known, at = self._known.get(visit, (None, 0.0))
        age = asyncio.get_running_loop().time() - at
        if known is None or age > KNOWN_SECONDS:
            # A request that goes away ends its own waiting, not the look of the others.
            return await asyncio.shield(self._look(visit))
        if age > RENEWED_SECONDS:
            self._look(visit)
        return known

    def _look(self, visit: Visit) -> asyncio.Task[Verdict]:
        """Begin to look at a visit; all requests that come meanwhile wait for the same look."""
        looking = self._looking.get(visit)
        if looking is None:
            looking = self._looking[visit] = asyncio.create_task(self._renew(visit))
            looking.add_done_callback(partial(self._looked, visit))
        return looking

    async def _renew(self, visit: Visit) -> Verdict:
        began = asyncio.get_running_loop().time()
        verdict = (await self.verdicts([visit]))[visit]
        if self._looking.get(visit) is asyncio.current_task():  # else it began before ``forget``
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[visit] = verdict, began
        return verdict

    def _looked(self, visit: Visit, looking: asyncio.Task[Verdict]) -> None:
        if self._looking.get(visit) is looking:
            del self._looking[visit]
        if not looking.cancelled():
            looking.exception()  # told to those who wait; one that nobody waits for comes again with the next request

    async def verdicts(self, visits: Collection[Visit]) -> dict[Visit, Verdict]:
        """Return whether each visit may see its port now, by one look into the database."""
        async with self._database.reading() as tx:
            facts = await _facts(tx, visits, self._clock())
        found = {visit: _decide(visit, facts) for visit in visits}
        return {visit: await self._checked(visit, facts, verdict) for visit, verdict in found.items()}

    async def _checked(self, visit: Visit, facts: _Facts, verdict: Verdict) -> Verdict:
        """Return a verdict that also says whether the program is still the one that is shown to others."""
        if verdict.outcome is not Outcome.ALLOWED or verdict.workspace is None:
            return verdict
        share = facts.shares.get((verdict.workspace.id, visit.port))
        principal = facts.principal(visit)
        if share is None or not share.program or (principal and may_connect(principal, verdict.workspace, visit.port)):
            return verdict
        program = await self._program_of(verdict.workspace.id, visit.port)
        return verdict if program in {None, share.program} else Verdict(Outcome.OTHER_PROGRAM)

    async def find(self, host: PreviewHost, principal: Principal) -> Workspace:
        """Return the workspace whose preview the principal may open at a host; raises ``NotFound``."""
        if host.is_possible and host.port != SSH_PORT:
            async with self._database.reading() as tx:
                facts = await _facts(tx, [Visit(host.reference, host.port)], self._clock())
            for workspace in facts.meant(host.reference):
                share = facts.shares.get((workspace.id, host.port))
                if may_see(principal, workspace, host.port, share, by_path=bool(host.base)):
                    return workspace
        raise NotFound("There is no such preview, or it is not yours to see.", code="preview_not_found", field="url")

    async def open_session(self, credential: str, workspace_id: str, port: int, secret: str) -> None:
        """Let a browser that has ``secret`` see a port as long as ``credential`` is valid, at most 12 hours.

        Raises ``Unauthenticated`` where ``credential`` is not valid any more.
        """
        now = self._clock()
        async with self._database.transaction() as tx:
            token = await tx.tokens.find(digest_of(credential), now)
            if token is None:
                raise Unauthenticated("The credential that this preview was opened with is not valid any more.")
            if await tx.ports.count_sessions(token.id) >= MOST_SESSIONS:
                raise LimitExceeded("Too many previews were opened with your credential; use the open ones.")
            digest, key = digest_of(secret), (workspace_id, port)
            await tx.ports.add_session(digest, key, token.id, now, now + SESSION_LIFETIME)


@dataclass(frozen=True, slots=True)
class _Facts:
    """Everything in the database that decides on some visits."""

    now: datetime
    ids: dict[str, tuple[str, ...]]
    workspaces: dict[str, Workspace]
    shares: dict[tuple[str, int], PortShare]
    """Those that have not expired."""
    sessions: dict[str, tuple[tuple[str, int], TokenRecord]]
    tokens: dict[str, TokenRecord]
    suspended: frozenset[str]
    """The owners whose links lead nowhere."""

    def meant(self, reference: str) -> list[Workspace]:
        """Return the workspaces that a reference may mean: names are unique for each owner only."""
        ids: Sequence[str] = self.ids.get(reference, ()) if not reference.startswith("ws-") else (reference,)
        return [self.workspaces[one] for one in ids if one in self.workspaces]

    def principal(self, visit: Visit) -> Principal | None:
        """Return the principal of a visit; None without a valid credential."""
        token = self.tokens.get(visit.token)
        if token is None and visit.session in self.sessions:
            _, token = self.sessions[visit.session]
        return None if token is None else principal_of(token)


async def _facts(tx: Transaction, visits: Iterable[Visit], now: datetime) -> _Facts:
    visits = [*visits]
    names = {one.reference for one in visits if not one.reference.startswith("ws-")}
    ids = await tx.ports.named(names)
    wanted = {one.reference for one in visits} - names | {one for several in ids.values() for one in several}
    found = await tx.workspaces.several(sorted(wanted))
    shares = await tx.ports.shares(wanted)
    sessions = await tx.ports.sessions({one.session for one in visits if one.session}, now)
    tokens = {one.token: await tx.tokens.find(one.token, now) for one in visits if one.token}
    return _Facts(
        now,
        ids,
        {one.id: one for one in found},
        {(one.workspace_id, one.port): one for one in shares if one.expires_at is None or one.expires_at > now},
        sessions,
        {digest: token for digest, token in tokens.items() if token is not None},
        await tx.users.suspended({one.owner_id for one in found}),
    )


def _decide(visit: Visit, facts: _Facts) -> Verdict:
    """Return the verdict, but for the program."""
    principal = facts.principal(visit)
    opened, _ = facts.sessions.get(visit.session, (None, None))
    for workspace in facts.meant(visit.reference):
        share = facts.shares.get((workspace.id, visit.port))
        is_opened = visit.token in facts.tokens or opened == (workspace.id, visit.port)
        by_name = (
            principal is not None
            and is_opened
            and may_see(principal, workspace, visit.port, share, by_path=visit.by_path)
        )
        has_link = share is not None and share.link_digest is not None and share.link_digest == visit.link
        by_link = has_link and not visit.by_path and workspace.owner_id not in facts.suspended
        if not by_name and not by_link:
            continue
        outcome = Outcome.ALLOWED if workspace.status is Status.RUNNING else Outcome.STOPPED
        return Verdict(outcome, workspace, principal if by_name else None)
    return Verdict(Outcome.EXPIRED) if visit.link and not visit.session else _UNKNOWN


def may_see(principal: Principal, workspace: Workspace, port: int, share: PortShare | None, *, by_path: bool) -> bool:
    """Tell whether a principal may see a port that is shown as ``share`` says.

    ``by_path``: on the service's own host, where the program may do what its visitor may. Then it is the owner's only,
    whoever it is shown to: neither may another person's program use an administrator's session.
    """
    if by_path and principal.id != workspace.owner_id:
        return False
    return may_connect(principal, workspace, port) or (
        share is not None
        and share.visibility is Visibility.SIGNED_IN
        and principal.role is not Role.GUEST
        and principal.scopes is None
        and principal.workspaces is None
    )


def may_connect(principal: Principal, workspace: Workspace, port: int) -> bool:
    """Tell whether a principal may see a port whether it is shown to others or not."""
    return may(principal, Action.OPEN_PORT, workspace, port_part(port))
