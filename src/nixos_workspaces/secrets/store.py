"""The secrets of people and workspaces, sealed under the master key; values go in, and never come out of the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import Conflict, LimitExceeded, NotFound
from nixos_workspaces.model.contents.secrets import (
    MOST_ENVIRONMENT,
    MOST_SECRETS,
    Secret,
    SecretKind,
    check_secret,
    is_secret_name,
    person_scope,
)
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.secrets.vault import Vault


class Secrets:
    """The secrets of each person (``workspace`` is None) and of each workspace.

    A method raises ``NotFound`` for a workspace that is not the principal's to see, ``Unavailable`` when the database
    cannot take it; then nothing has happened.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        changed: Callable[[], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep them in ``database``; ``changed`` is called after each change, to have it delivered."""
        self._database = database
        self._vault = vault
        self._changed = changed
        self._clock = clock

    async def list(self, principal: Principal, workspace: Workspace | None) -> tuple[Secret, ...]:
        """Return the secrets without their values, by name."""
        _authorise(principal, Action.READ_SECRETS, workspace)
        async with self._database.reading() as tx:
            return tuple(one.secret for one in await tx.secrets.of(_scope(principal, workspace)))

    async def put(
        self, principal: Principal, workspace: Workspace | None, secret: Secret, value: bytes, *, request_id: str = ""
    ) -> Secret:
        """Set a secret, in place of the one of its name; return it.

        Raises ``InvalidInput`` naming the field, ``LimitExceeded`` where there are too many, ``Conflict`` with code
        ``secret_place_taken`` where another one has its path or host.
        """
        _authorise(principal, Action.SET_SECRET, workspace)
        check_secret(secret, value)
        scope = _scope(principal, workspace)
        sealed = await self._vault.seal(scope, secret.name, value)
        async with self._database.transaction() as tx:
            others = [one for one in await tx.secrets.of(scope) if one.secret.name != secret.name]
            if len(others) >= MOST_SECRETS:
                raise LimitExceeded(f"There are {MOST_SECRETS} secrets already: delete one.", code="too_many_secrets")
            sizes = sum(len(one.sealed) for one in others if one.secret.kind is SecretKind.ENVIRONMENT)
            if secret.kind is SecretKind.ENVIRONMENT and sizes + len(value) > MOST_ENVIRONMENT:
                raise LimitExceeded(
                    f"All variables together have at most {MOST_ENVIRONMENT // 1024} KiB; take a file for large ones.",
                    code="too_many_secrets",
                )
            if secret.place and any(
                (one.secret.kind, one.secret.place) == (secret.kind, secret.place) for one in others
            ):
                raise Conflict(
                    "Another secret has this path or host: delete that one, or take its name.",
                    code="secret_place_taken",
                    field="host" if secret.kind is SecretKind.GIT else "path",
                )
            await tx.secrets.put(scope, secret, sealed)
            await tx.audit.append(self._entry(Action.SET_SECRET, principal, workspace, secret, request_id))
        self._changed()
        return secret

    async def delete(
        self, principal: Principal, workspace: Workspace | None, name: str, *, request_id: str = ""
    ) -> None:
        """Delete a secret, in running workspaces too; ``NotFound`` if there is none of this name."""
        _authorise(principal, Action.DELETE_SECRET, workspace)
        scope = _scope(principal, workspace)
        async with self._database.transaction() as tx:
            there = [one.secret for one in await tx.secrets.of(scope) if one.secret.name == name]
            if not is_secret_name(name) or not there:
                raise NotFound("There is no secret of this name.", code="secret_not_found", field="name")
            await tx.secrets.remove(scope, name)
            await tx.audit.append(self._entry(Action.DELETE_SECRET, principal, workspace, there[0], request_id))
        self._changed()

    def _entry(
        self, action: Action, principal: Principal, workspace: Workspace | None, secret: Secret, request_id: str
    ) -> AuditEntry:
        """Return the audit entry of a change: names only."""
        detail = {"name": secret.name, "kind": secret.kind.value}
        about = "" if workspace is None else workspace.id
        return AuditEntry(self._clock(), principal.id, action, about, "accepted", request_id, detail)


def _authorise(principal: Principal, action: Action, workspace: Workspace | None) -> None:
    """Authorise an action on secrets: on the person's own, or on those of a workspace."""
    if workspace is None:
        authorise(principal, action)
    elif action is Action.READ_SECRETS:
        authorise(principal, Action.READ_WORKSPACE_SECRETS, workspace)
    else:
        authorise(principal, Action.CHANGE_WORKSPACE_SECRETS, workspace)


def _scope(principal: Principal, workspace: Workspace | None) -> str:
    return person_scope(principal.id) if workspace is None else workspace.id
