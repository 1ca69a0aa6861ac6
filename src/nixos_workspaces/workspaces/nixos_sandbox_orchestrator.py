"""Recording desired states: every verb of the product."""

from __future__ import annotations

import asyncio
import json
import secrets
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from nixos_workspaces.auth.policy import Action, Principal, authorise, knows
from nixos_workspaces.database import AuditEntry, Database, Transaction
from nixos_workspaces.errors import (
    Conflict,
    InsufficientResources,
    InvalidInput,
    NotFound,
    Unavailable,
    WorkspacesError,
)
from nixos_workspaces.model.contents.repositories import Dotfiles, Purpose, asked
from nixos_workspaces.model.environment import Generation
from nixos_workspaces.model.machine import Metrics
from nixos_workspaces.model.names import LONGEST_IDEMPOTENCY_KEY, is_idempotency_key
from nixos_workspaces.model.network import NetworkEntry, NetworkMode, NetworkPolicy
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Desire, Workspace, WorkspaceChange, WorkspaceConfig, WorkspaceStatus
from nixos_workspaces.nix.base import Environments
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.workspaces import desired, lifecycle
from nixos_workspaces.workspaces.admission import Admission, within_quotas
from nixos_workspaces.workspaces.lifecycle import Verb
from nixos_workspaces.workspaces.lookup import find, plain
from nixos_workspaces.workspaces.resting.causes import Cause, asked_by, explained, reason_told

IDEMPOTENCY_LIFETIME = timedelta(hours=24)
FirstNetwork = Callable[[NetworkMode | None, tuple[NetworkEntry, ...]], NetworkPolicy]
WithinBudget = Callable[[Transaction, str, str], Awaitable[None]]
"""Given the owner's and the workspace's id."""


async def _unbounded(_tx: Transaction, _owner_id: str, _workspace_id: str) -> None:
    """Refuse nothing."""


_ID_LETTERS = string.ascii_lowercase + string.digits


_ID_LENGTH = 12


def new_id() -> str:
    """Return an id that no other workspace has."""
    return "ws-" + "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


class NixOSSandboxOrchestrator:
    """Records the desired state of workspaces; the reconciler makes it so (design section 3, rule 1).

    Every verb checks, writes the desire with its audit entry in one transaction and returns at once: the status of the
    workspace afterwards tells the work under way (``starting``), events and ``get_workspace_status`` tell how it ends.
    ``workspace_id`` may also be the name of one of the principal's own workspaces. Every verb raises ``NotFound`` for a
    workspace that does not exist or is not the principal's to see, ``Conflict`` (code ``wrong_state`` or
    ``being_deleted``) where the present state does not allow it, ``Unavailable`` when the database cannot take it (then
    nothing has happened).
    Verbs that return ``bool`` return True: the desire is recorded, or was fulfilled already.
    """

    def __init__(  # noqa: PLR0913  each is a part that is handed in
        self,
        database: Database,
        environments: Environments,
        runtime: Runtime,
        *,
        figures: Callable[[Workspace], Awaitable[Metrics | None]],
        changed: Callable[[Workspace], None],
        full_disk: Callable[[], Sentence | None] = lambda: None,
        first_network: FirstNetwork = lambda mode, allow: NetworkPolicy(mode or NetworkMode.NONE, allow),
        within_budget: WithinBudget = _unbounded,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        make_id: Callable[[], str] = new_id,
    ) -> None:
        """Record desires in ``database``; ``changed`` is called with each, to wake the reconciler and tell subscribers.

        ``full_disk`` tells why nothing may be created now, or is None.
        ``first_network`` returns what a new workspace may reach, or refuses what was asked for.
        ``within_budget`` refuses what would let a workspace run, in the transaction of its intent.
        ``figures`` reads a workspace's present figures; None while it does not run and where they cannot be told.
        """
        self._database = database
        self._environments = environments
        self._runtime = runtime
        self._changed = changed
        self._clock = clock
        self._make_id = make_id
        self._figures = figures
        self._full_disk = full_disk
        self._first_network = first_network
        self._within_budget = within_budget
        self._admission = Admission(database, runtime)

    async def create_workspace(
        self,
        config: WorkspaceConfig,
        *,
        principal: Principal,
        idempotency_key: str | None = None,
        request_id: str = "",
    ) -> Workspace:
        """Record a new workspace, to be built and run; returns it in status ``creating``.

        The same ``idempotency_key`` with an equal ``config`` returns the same workspace for 24 hours. Raises
        ``InvalidInput`` naming the field (name, cpu, memory, storage, template, packages, ports),
        ``InsufficientResources`` (storage, or a quota with code ``quota_exceeded``), ``Conflict`` with code
        ``name_taken`` or ``idempotency_key_reused``, ``Forbidden`` with code ``beyond_floor`` (network, /allow/3).
        """
        digest = desired.request_hash(config)
        async with self._refusals(principal, Action.CREATE, config.name, request_id):
            authorise(principal, Action.CREATE)
            if idempotency_key is not None and not is_idempotency_key(idempotency_key):
                raise InvalidInput(
                    f"An Idempotency-Key has 1 to {LONGEST_IDEMPOTENCY_KEY} visible ASCII letters.",
                    field="Idempotency-Key",
                )
            if idempotency_key is not None:
                async with self._database.reading() as tx:
                    if before := await _replayed(tx, principal, idempotency_key, digest, self._clock()):
                        return before
            desired.check_name(config.name)
            self._first_network(config.network, config.allow)
            async with self._database.reading() as tx:
                dotfiles = await tx.repositories.dotfiles(principal.id)
            if config.git is not None or dotfiles is not None:
                config = desired.with_git(config, await self._environments.templates())
            if full := await asyncio.to_thread(self._full_disk):
                raise InsufficientResources(Sentence("refused.disk_full", parts={"said": full}), code="disk_full")
            await self._environments.check(config.environment)
            config = replace(config, environment=desired.normal(config))
            return await self._admit(config, digest, principal, idempotency_key, request_id, dotfiles)

    async def start_workspace(self, workspace_id: str, *, principal: Principal, request_id: str = "") -> bool:
        """Want it running, from any state: boots a stopped one, resumes a paused one, retries after ``error``."""
        await self._ask(workspace_id, Verb.START, principal, request_id)
        return True

    async def stop_workspace(
        self, workspace_id: str, *, principal: Principal, request_id: str = "", cause: Cause | None = None
    ) -> bool:
        """Want it shut down; cancels a build under way. Without a ``cause`` it is a person's own wish."""
        await self._ask(workspace_id, Verb.STOP, principal, request_id, cause)
        return True

    async def restart_workspace(self, workspace_id: str, *, principal: Principal, request_id: str = "") -> bool:
        """Want it shut down and booted again; starts a stopped one."""
        await self._ask(workspace_id, Verb.RESTART, principal, request_id)
        return True

    async def pause_workspace(
        self, workspace_id: str, *, principal: Principal, request_id: str = "", cause: Cause | None = None
    ) -> bool:
        """Want a running workspace frozen with its memory; ``Conflict`` unless it is running or paused."""
        await self._ask(workspace_id, Verb.PAUSE, principal, request_id, cause)
        return True

    async def resume_workspace(self, workspace_id: str, *, principal: Principal, request_id: str = "") -> bool:
        """Want a paused workspace going on; ``Conflict`` unless it is paused or running."""
        await self._ask(workspace_id, Verb.RESUME, principal, request_id)
        return True

    async def delete_workspace(self, workspace_id: str, *, principal: Principal, request_id: str = "") -> bool:
        """Want it gone with its data, from any state; its keys are destroyed first. The name is free at once."""
        await self._ask(workspace_id, Verb.DELETE, principal, request_id)
        return True

    async def resize_workspace(
        self, workspace_id: str, change: WorkspaceChange, *, principal: Principal, request_id: str = ""
    ) -> Workspace:
        """Want other limits, another environment or another name; returns the workspace as it is wanted now.

        A name is taken at once, and by the machine as its host name with its next start; raises ``Conflict`` with code
        ``name_taken``. CPU, memory and open ports change live. Larger storage (smaller is ``InvalidInput``) and a
        changed environment restart a running workspace, the environment after it has been built beside; if that build
        fails, it runs on as it is and shows the fault. A stopped workspace is built when it is next started.
        """
        action = Action.RENAME if change == WorkspaceChange(name=change.name) else Action.RESIZE
        async with self._refusals(principal, action, workspace_id, request_id):
            now = await self._get(workspace_id, principal, action)
            if change.name is not None:
                authorise(principal, Action.RENAME, now)
            wanted = desired.changed(now, change)
            if wanted.environment != now.environment:
                await self._environments.check(wanted.environment)
            alter = partial(desired.changed, change=change)
            record = partial(self._record, now.id, Verb.RESIZE, principal, request_id, alter, action=action)
            if wanted.resources == now.resources:
                return await record()
            async with self._admission.reserved(wanted.resources, desired.growth(now, wanted.resources)):
                return await record()

    async def rebuild_workspace(
        self, workspace_id: str, *, principal: Principal, generation: int | None = None, request_id: str = ""
    ) -> bool:
        """Want its environment built again, or its older ``generation`` back, and that booted if it differs.

        Raises ``NotFound`` with field ``generation`` for a generation that does not exist.
        """
        async with self._refusals(principal, Action.REBUILD, workspace_id, request_id):
            now = await self._get(workspace_id, principal, Action.REBUILD)
            chosen: Generation | None = None
            if generation is not None:
                found = [one for one in await self._environments.generations(now.id) if one.number == generation]
                if not found:
                    raise NotFound(
                        f"Workspace {now.name} has no generation {generation}: list them to choose one.",
                        code="generation_not_found",
                        field="generation",
                    )
                chosen = found[0]
            await self._record(now.id, Verb.REBUILD, principal, request_id, partial(desired.rebuilt, chosen=chosen))
        return True

    async def get_workspace_status(self, workspace_id: str, *, principal: Principal) -> WorkspaceStatus:
        """Return its status and, while it runs, its present CPU, memory and storage use in percent."""
        async with self._database.reading() as tx:
            workspace = await find(tx, workspace_id, principal)
        authorise(principal, Action.READ, workspace)
        return WorkspaceStatus(workspace, await self._figures(workspace))

    async def _ask(
        self, reference: str, verb: Verb, principal: Principal, request_id: str, cause: Cause | None = None
    ) -> Workspace:
        """Record a verb that needs nothing besides."""
        async with self._refusals(principal, Action(verb), reference, request_id):
            return await self._record(reference, verb, principal, request_id, lambda workspace: workspace, cause=cause)

    async def _record(
        self,
        reference: str,
        verb: Verb,
        principal: Principal,
        request_id: str,
        alter: Callable[[Workspace], Workspace],
        *,
        action: Action | None = None,
        cause: Cause | None = None,
    ) -> Workspace:
        """Store the desired state with its audit entry, both or neither, and tell ``changed``.

        The entry is of the verb's own action where no other is given.
        """
        async with self._database.transaction() as tx:
            found = await find(tx, reference, principal, lock=True)
            authorise(principal, action or Action(verb), found)
            if cause is not None:
                await cause.require(tx, found)
            reason = asked_by(principal, verb, self._clock()) if cause is None else cause.reason
            wanted = explained(found, lifecycle.asked(found, verb), reason)
            altered = alter(wanted)
            if verb is Verb.RESIZE:
                altered = desired.renamed(found, altered) or altered
            if altered != found:
                if found.desire is Desire.STOPPED and altered.desire is Desire.RUNNING:
                    await self._within_budget(tx, found.owner_id, found.id)
                async with within_quotas(tx, found.owner_id):
                    await tx.workspaces.save_desired(altered)
            await tx.audit.append(
                AuditEntry(
                    self._clock(),
                    principal.id,
                    action or verb,
                    found.id,
                    "accepted",
                    request_id,
                    desired.difference(found, altered) or reason_told(altered, cause),
                )
            )
        if altered != found:
            self._changed(altered)
        return altered

    async def _get(self, reference: str, principal: Principal, action: Action) -> Workspace:
        """Return the workspace as it is now, if ``principal`` may do ``action`` to it."""
        async with self._database.reading() as tx:
            workspace = await find(tx, reference, principal)
        authorise(principal, action, workspace)
        return workspace

    async def _admit(
        self,
        config: WorkspaceConfig,
        digest: str,
        principal: Principal,
        key: str | None,
        request_id: str,
        dotfiles: Dotfiles | None,
    ) -> Workspace:
        """Store a new workspace, with what is to be cloned into it, if there is room for it."""
        async with self._admission.reserved(config.resources, config.resources.storage_bytes):
            now = self._clock()
            workspace = Workspace(
                id=self._make_id(),
                name=config.name,
                owner_id=principal.id,
                hostname=config.name,
                created_at=now,
                last_accessed=now,
                desire=Desire.RUNNING,
                resources=config.resources,
                environment=config.environment,
            )
            async with self._database.transaction() as tx:
                if key is not None and (before := await _replayed(tx, principal, key, digest, now)):
                    return before
                await self._within_budget(tx, workspace.owner_id, workspace.id)
                async with within_quotas(tx, workspace.owner_id):
                    await tx.workspaces.add(workspace)
                network = self._first_network(config.network, config.allow)
                await tx.networks.replace(workspace.id, 0, network, None, now)
                if config.git is not None:
                    await tx.repositories.ask(asked(workspace.id, Purpose.WORK, config.git, now))
                if dotfiles is not None:
                    wanted = asked(workspace.id, Purpose.DOTFILES, dotfiles.source, now, dotfiles.script)
                    await tx.repositories.ask(wanted)
                if key is not None:
                    until = now + IDEMPOTENCY_LIFETIME
                    await tx.idempotency.add(principal.id, key, digest, workspace.id, now, until)
                detail = json.loads(json.dumps(asdict(config), default=str))
                await tx.audit.append(
                    AuditEntry(now, principal.id, Action.CREATE, workspace.id, "accepted", request_id, detail)
                )
        self._changed(workspace)
        return workspace

    @asynccontextmanager
    async def _refusals(
        self, principal: Principal, action: Action, reference: str, request_id: str
    ) -> AsyncIterator[None]:
        """Keep an audit entry of a refused attempt; the refusal itself goes on to the caller."""
        try:
            yield
        except Unavailable:
            raise
        except WorkspacesError as refused:
            entry = AuditEntry(self._clock(), principal.id, action, plain(reference), refused.code, request_id)
            with suppress(Unavailable):
                async with self._database.transaction() as tx:
                    await tx.audit.append(entry)
            raise


async def _replayed(tx: Transaction, principal: Principal, key: str, digest: str, now: datetime) -> Workspace | None:
    """Return the workspace that an earlier request with this key made; None if there was none."""
    before = await tx.idempotency.find(principal.id, key, now)
    if before is None:
        return None
    earlier_digest, workspace_id = before
    if earlier_digest != digest:
        raise Conflict(
            "This Idempotency-Key was used for another request: take a new one.",
            code="idempotency_key_reused",
            field="Idempotency-Key",
        )
    workspace = await tx.workspaces.get(workspace_id)
    if workspace is None or not knows(principal, workspace):  # it may have another owner by now
        raise Conflict(
            "The workspace that was made with this Idempotency-Key has been deleted: take a new one.",
            code="idempotency_key_used",
            field="Idempotency-Key",
        )
    return workspace
