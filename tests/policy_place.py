"""A running service with one workspace and a person, or a credential, of every kind at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from people_fixture import Person, give, group, guest, person, workspace
from policy_subjects import PORT, TERMINAL
from web_service import Web

from nixos_workspaces.auth.policy import Principal, Role, Scope
from nixos_workspaces.auth.tokens import TokenKind
from nixos_workspaces.model.access.identities import Identity
from nixos_workspaces.model.access.passkeys import Passkey
from nixos_workspaces.model.access.people import UserState
from nixos_workspaces.model.access.shares import Access, Recipient, ShareState
from nixos_workspaces.model.terminals import Recording, RecordingState

CANARY = "canary"
"""Part of every name that the owner has given."""
OWNER = f"{CANARY}-owner"
NAME = f"{CANARY}-workspace"
OTHER_ID = "ws-0000000other"
Make = Callable[[Web], Person]


def shared(web: Web, workspace_id: str, name: str) -> str:
    """Make a workspace of the owner, and every kind of share of it; return its id."""
    made = workspace(web, workspace_id, OWNER, name)
    for subject, access, part, files in (
        ("viewer", Access.VIEWER, None, False),
        ("reader", Access.VIEWER, None, True),
        ("editor", Access.EDITOR, None, True),
        ("typist", Access.EDITOR, TERMINAL, False),
        ("watcher", Access.VIEWER, TERMINAL, False),
        ("visitor", Access.VIEWER, PORT, False),
    ):
        give(web, made, subject, access, part=part, files=files)
    give(web, made, "grp-members", Access.EDITOR, recipient=Recipient.GROUP)
    give(web, made, "guest-1", recipient=Recipient.GUEST)
    give(web, made, "waiting", Access.EDITOR, state=ShareState.WAITING)
    give(web, made, "late", Access.EDITOR, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    return made


def _revoked(web: Web) -> Person:
    made = person(web, "revoked token", user=OWNER)

    async def work() -> None:
        principal = await web.services.tokens.authenticate(made.token)
        await web.services.tokens.revoke(made.token_id, principal=principal)

    web.run(work())
    return made


def _suspended(web: Web) -> Person:
    made = person(web, "suspended")

    async def work() -> None:
        async with web.services.database.transaction() as tx:
            user = await tx.users.find("suspended")
            assert user is not None
            await tx.users.save(replace(user, state=UserState.SUSPENDED))

    give(web, made_at(web), "suspended", Access.EDITOR)
    web.run(work())
    return made


def made_at(_web: Web) -> str:
    """Return the id of the workspace that everybody is at."""
    return "ws-0000000place"


SUBJECTS: Mapping[str, Make] = {
    "owner": lambda web: person(web, OWNER),
    "viewer": lambda web: person(web, "viewer"),
    "reader": lambda web: person(web, "reader"),
    "editor": lambda web: person(web, "editor"),
    "typist": lambda web: person(web, "typist"),
    "watcher": lambda web: person(web, "watcher"),
    "visitor": lambda web: person(web, "visitor"),
    "group member": lambda web: person(web, "member"),
    "guest by link": lambda web: guest(web, "guest-1"),
    "auditor": lambda web: person(web, "auditor", Role.AUDITOR),
    "admin": lambda web: person(web, "administrator", Role.ADMIN),
    "stranger": lambda web: person(web, "stranger"),
    "who has knocked": lambda web: person(web, "waiting"),
    "of an expired share": lambda web: person(web, "late"),
    "of a revoked share": lambda web: person(web, "left"),
    "guest of another": lambda web: guest(web, "guest-2"),
    **{
        f"owner with {scope.value}": lambda web, scope=scope: person(  # type: ignore[misc]
            web, f"only {scope.value}", user=OWNER, scopes=[scope]
        )
        for scope in Scope
    },
    "owner of this only": lambda web: person(web, "this only", user=OWNER, workspaces=[made_at(web)]),
    "owner of another only": lambda web: person(web, "another only", user=OWNER, workspaces=[OTHER_ID]),
    "admin of another only": lambda web: person(
        web, "admin another only", Role.ADMIN, user="administrator", workspaces=[OTHER_ID]
    ),
}
"""Everybody with a valid credential."""
NOBODY: Mapping[str, Make] = {
    "nobody": lambda web: Person(web, "", "", ""),
    "wrong token": lambda web: Person(web, "", "nixws_wrong", ""),
    "suspended": _suspended,
    "expired token": lambda web: person(web, "expired token", user=OWNER, lifetime=timedelta(seconds=-1)),
    "revoked token": _revoked,
}
"""Everybody without one."""


@dataclass(frozen=True)
class Place:
    """The service, the workspace, and everybody."""

    web: Web
    workspace: str
    people: Mapping[str, Person]
    nobody: Mapping[str, Person]
    victims: Mapping[str, str]
    """Ids of what the owner has, by the names that the document gives them."""


async def _store(web: Web, recording: Recording) -> None:
    identity = Identity("idn-victim", OWNER, "https://id.example", f"{CANARY}-subject", datetime.now(UTC))
    async with web.services.database.transaction() as tx:
        await tx.recordings.add(recording)
        await tx.identities.add(identity)


async def _store_passkey(web: Web) -> None:
    made = Passkey("psk-victim", OWNER, CANARY, "AA", b"", 0, "localhost", datetime.now(UTC))
    async with web.services.database.transaction() as tx:
        await tx.passkeys.add(made)


def make_place(web: Web) -> Place:
    """Fill a service that has just started."""
    owner = person(web, OWNER)
    person(web, "member")
    group(web, "grp-members", [person(web, "member")])
    at = shared(web, made_at(web), NAME)
    workspace(web, OTHER_ID, OWNER, f"{CANARY}-other")
    people = {who: make(web) for who, make in SUBJECTS.items()}
    nobody = {who: make(web) for who, make in NOBODY.items()}
    for scope, path in (("person", "/secrets"), ("workspace", f"/workspaces/{at}/secrets")):
        body: dict[str, Any] = {"kind": "environment", "value": f"{CANARY}-value"}
        assert owner.ask("PUT", f"{path}/CANARY_{scope.upper()}", json=body).status_code < 300
    entry = {"entries": [{"name": f"{CANARY}.example"}], "reason": CANARY}
    proposed = owner.ask("POST", f"/workspaces/{at}/network/proposals", json=entry)
    assert proposed.status_code == 201, proposed.text
    key = {
        "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBiHjzLh7WmyhNXyTDSEkhfRB1JCd3Ys4dhh7vMlmdRZ",
        "name": CANARY,
    }
    registered = owner.ask("POST", "/ssh-keys", json=key)
    assert registered.status_code == 201, registered.text
    group(web, "grp-victim", [])
    recording = Recording("rec-victim", at, TERMINAL.id, CANARY, datetime.now(UTC), state=RecordingState.COMPLETE)
    web.run(_store(web, recording))
    web.run(_store_passkey(web))
    principal = Principal("victim", "victim")
    _, session = web.run(web.services.tokens.create("browser", principal=principal, kind=TokenKind.SESSION))
    victims = {
        "workspace_id": at,
        "share_id": owner.ask("GET", f"/workspaces/{at}/shares").json()["shares"][0]["id"],
        "proposal_id": proposed.json()["proposal"]["id"],
        "key_id": registered.json()["ssh_key"]["id"],
        "name": "CANARY_WORKSPACE",
        "terminal_id": TERMINAL.id,
        "recording_id": recording.id,
        "seq": "1",
        "number": "1",
        "upload_id": "0" * 32,
        "port": PORT.id,
        "token_id": person(web, "of the victim", user="victim").token_id,
        "session_id": session.id,
        "identity_id": "idn-victim",
        "user_code": "AAAA-AAAA",
        "passkey_id": "psk-victim",
        "user": OWNER,
        "group": "grp-victim",
        "subject": f"user:{OWNER}",
        "file_path": f"home/nixos/{CANARY}",
    }
    return Place(web, at, people, nobody, victims)
