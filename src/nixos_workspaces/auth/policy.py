"""The one point of authorisation: principal, action, workspace.

Everything that reads or changes a workspace asks ``authorise`` first, below the web layer, so that HTTP, WebSocket and
command line cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nixos_workspaces.errors import Forbidden, NotFound
from nixos_workspaces.model.workspace import Workspace


class Role(StrEnum):
    """A principal's role in the whole service."""

    ADMIN = "admin"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller."""

    id: str
    """Stable; stored in ``Workspace.owner_id`` and in audit entries."""
    name: str
    role: Role = Role.USER


ADMIN = Principal("admin", "admin", Role.ADMIN)
"""The principal with access to the data directory: owner of the tokens that ``nixws token create`` makes."""


class Action(StrEnum):
    """An action that needs authorisation; audit entries carry its value."""

    CREATE = "create"
    LIST = "list"
    READ = "read"
    READ_SSH_KEY = "read-ssh-key"
    CONNECT = "connect"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    PAUSE = "pause"
    RESUME = "resume"
    RESIZE = "resize"
    REBUILD = "rebuild"
    DELETE = "delete"
    COLLECT_GARBAGE = "collect-garbage"


def not_found(reference: str) -> NotFound:
    """Return the error for a workspace that does not exist, or that the principal may not know of."""
    return NotFound(f"There is no workspace {reference!r}.", code="workspace_not_found", field="workspace_id")


def authorise(principal: Principal, action: Action, workspace: Workspace | None = None) -> None:
    """Return if ``principal`` may do ``action``, to ``workspace`` where the action has one.

    Raises ``NotFound`` where the principal may not even know that the workspace exists, ``Forbidden`` where they may
    see it but not do this: a private SSH key is its owner's alone.
    """
    if workspace is None:
        if action is Action.COLLECT_GARBAGE and principal.role is not Role.ADMIN:
            raise Forbidden("Only an administrator may collect garbage.")
        return
    if principal.id == workspace.owner_id:
        return
    if principal.role is not Role.ADMIN:
        raise not_found(workspace.id)
    if action is Action.READ_SSH_KEY:
        raise Forbidden("Only its owner may read a workspace's private key.")
