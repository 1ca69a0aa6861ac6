"""Find a workspace by the reference in a request: an id, or a name of the principal's own."""

from __future__ import annotations

from nixos_workspaces.auth.policy import Principal, not_found
from nixos_workspaces.database import Transaction
from nixos_workspaces.logs.context import note_workspace
from nixos_workspaces.model.names import is_reference
from nixos_workspaces.model.workspace import Workspace


async def find(tx: Transaction, reference: str, principal: Principal, *, lock: bool = False) -> Workspace:
    """Return the workspace with that id, or the principal's own of that name; ``NotFound`` if there is none."""
    if not is_reference(reference):
        raise not_found(plain(reference))
    if not reference.startswith("ws-"):
        named = await tx.workspaces.find(reference, principal.id)
        if named is None:
            raise not_found(reference)
        reference = named.id
    workspace = await tx.workspaces.get(reference, lock=lock)
    if workspace is None:
        raise not_found(reference)
    note_workspace(workspace.id)
    return workspace


def plain(reference: str) -> str:
    """Return a client's reference as ASCII of at most 63 letters, fit to be stored and shown."""
    return reference[:63].encode("ascii", "replace").decode()
