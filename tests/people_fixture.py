"""People with accounts at a running service, and workspaces of theirs that were never started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from web_service import Web

from nixos_workspaces.auth.policy import Principal, Role, Scope
from nixos_workspaces.auth.tokens import Bounds
from nixos_workspaces.model.access.people import Group, User, UserKind, UserState
from nixos_workspaces.model.access.shares import Access, Part, Recipient, Share, ShareState
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import Resources
from nixos_workspaces.model.workspace import Desire, Status, Workspace


@dataclass
class Person:
    """A user with a token."""

    web: Web
    id: str
    token: str
    token_id: str

    def http(self) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.web.url,
            headers={"Authorization": f"Bearer {self.token}"} if self.token else {},
            timeout=20,
            trust_env=False,
            verify=False,  # making what checks certificates takes longer than all the rest
        )

    def ask(self, method: str, path: str, **given: Any) -> httpx2.Response:
        with self.http() as http:
            return http.request(method, f"/api/nixos{path}", **given)


def person(
    web: Web,
    user_id: str,
    role: Role = Role.MEMBER,
    *,
    scopes: Iterable[Scope] | None = None,
    workspaces: Iterable[str] | None = None,
    lifetime: timedelta | None = None,
    user: str = "",
) -> Person:
    """Make a user, unless there is one of that id, and a token; ``user``: make a token of that one."""
    of = user or user_id

    async def work() -> Person:
        async with web.services.database.transaction() as tx:
            if await tx.users.find(of) is None:
                now = datetime.now(UTC)
                await tx.users.add(User(of, of, of, role.value, UserKind.PERSON, UserState.ACTIVE, now))
        bounds = Bounds(
            None if scopes is None else frozenset(scopes), None if workspaces is None else frozenset(workspaces)
        )
        secret, token = await web.services.tokens.create(
            user_id.replace(" ", "-").replace(":", "-"),
            principal=Principal(of, of, role),
            bounds=bounds,
            lifetime=lifetime,
        )
        return Person(web, of, secret, token.id)

    return web.run(work())


def guest(web: Web, guest_id: str) -> Person:
    """Make a guest's session."""

    async def work() -> Person:
        principal = Principal(guest_id, f"{guest_id} (guest)", Role.GUEST)
        secret, token = await web.services.tokens.create("guest", principal=principal)
        return Person(web, guest_id, secret, token.id)

    return web.run(work())


def group(web: Web, group_id: str, members: Iterable[Person]) -> None:
    """Make a group."""

    async def work() -> None:
        async with web.services.database.transaction() as tx:
            await tx.groups.add(Group(group_id, group_id, datetime.now(UTC)))
            for one in members:
                await tx.groups.join(group_id, one.id)

    web.run(work())


def workspace(web: Web, workspace_id: str, owner_id: str, name: str = "") -> str:
    """Make a stopped workspace; return its id."""
    now = datetime.now(UTC)
    made = Workspace(
        id=workspace_id,
        name=name or f"of-{workspace_id.removeprefix('ws-')}",
        owner_id=owner_id,
        hostname=name or "stopped",
        created_at=now,
        last_accessed=now,
        desire=Desire.STOPPED,
        status=Status.STOPPED,
        resources=Resources(1, 1 << 30, 1 << 30),
        environment=Environment("minimal"),
    )

    async def work() -> None:
        async with web.services.database.transaction() as tx:
            await tx.workspaces.add(made)
            await tx.networks.replace(made.id, 0, web.services.network.first(None, ()), None, now)

    web.run(work())
    return workspace_id


def give(  # noqa: PLR0913
    web: Web,
    workspace_id: str,
    subject: str,
    access: Access = Access.VIEWER,
    *,
    recipient: Recipient = Recipient.USER,
    part: Part | None = None,
    files: bool = False,
    state: ShareState = ShareState.ACTIVE,
    expires_at: datetime | None = None,
) -> str:
    """Store a share, of any kind; return its id."""
    now = datetime.now(UTC)
    share = Share(
        id=f"shr-{workspace_id[3:]}-{subject}"[:32],
        workspace_id=workspace_id,
        recipient=recipient,
        subject=subject,
        name=subject,
        access=access,
        part=part,
        files=files,
        state=state,
        knock=False,
        via="",
        created_at=now,
        created_by="owner",
        expires_at=expires_at,
    )

    async def work() -> None:
        async with web.services.database.transaction() as tx:
            await tx.shares.add(share)

    web.run(work())
    return share.id
