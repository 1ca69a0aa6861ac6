"""One principal of every kind at one workspace, for tests of the policy."""

from __future__ import annotations

from dataclasses import replace

from clock import NOW

from nixos_workspaces.auth.policy import Principal, Role, Scope
from nixos_workspaces.model.access.shares import Access, Grant, Part, PartKind, Recipient
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import Resources
from nixos_workspaces.model.workspace import Desire, Workspace

TERMINAL = Part(PartKind.TERMINAL, "t-1")
PORT = Part(PartKind.PORT, "3000")


def _to(subject: str, access: Access, part: Part | None = None, *, files: bool = False) -> Grant:
    recipient = Recipient.GROUP if subject.startswith("grp-") else Recipient.USER
    recipient = Recipient.GUEST if subject.startswith("guest") else recipient
    return Grant(recipient, subject, access, part, files, f"shr-{subject}")


WORKSPACE = Workspace(
    id="ws-000000000001",
    name="shared",
    owner_id="owner",
    hostname="shared",
    created_at=NOW,
    last_accessed=NOW,
    desire=Desire.STOPPED,
    resources=Resources(1, 1 << 30, 1 << 30),
    environment=Environment("minimal"),
    grants=(
        _to("viewer", Access.VIEWER),
        _to("reader", Access.VIEWER, files=True),
        _to("editor", Access.EDITOR),
        _to("grp-1", Access.EDITOR),
        _to("guest-1", Access.VIEWER),
        _to("typist", Access.EDITOR, TERMINAL),
        _to("watcher", Access.VIEWER, TERMINAL),
        _to("visitor", Access.VIEWER, PORT),
    ),
)
OWNER = Principal("owner", "owner")

PEOPLE = {
    "owner": OWNER,
    "editor": Principal("editor", "editor"),
    "group": Principal("member", "member", groups=frozenset({"grp-1", "grp-2"})),
    "reader": Principal("reader", "reader"),
    "viewer": Principal("viewer", "viewer"),
    "guest": Principal("guest-1", "ann (guest)", Role.GUEST),
    "typist": Principal("typist", "typist"),
    "watcher": Principal("watcher", "watcher"),
    "visitor": Principal("visitor", "visitor"),
    "auditor": Principal("auditor", "auditor", Role.AUDITOR),
    "admin": Principal("admin", "admin", Role.ADMIN),
    "stranger": Principal("stranger", "stranger", groups=frozenset({"grp-2"})),
}
SCOPED = {f"owner with {one.value}": replace(OWNER, scopes=frozenset({one})) for one in Scope}
"""The owner, by credentials of one scope each."""
BOUND = {
    "owner of only this": replace(OWNER, workspaces=frozenset({WORKSPACE.id})),
    "owner of only another": replace(OWNER, workspaces=frozenset({"ws-000000000002"})),
    "admin of only another": replace(PEOPLE["admin"], workspaces=frozenset({"ws-000000000002"})),
}
"""Credentials of certain workspaces."""
