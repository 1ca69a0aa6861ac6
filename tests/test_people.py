"""Users, groups, tokens within bounds, sessions and the migration that makes users of whom the database knows."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest
from alembic import command
from alembic.config import Config
from argon2.exceptions import VerifyMismatchError
from clock import NOW, Clock
from migrated_database import open_migrated
from sqlalchemy import create_engine

from nixos_workspaces.auth.accounts import People, open_people
from nixos_workspaces.auth.devices import INTERVAL_SECONDS, LIFETIME_SECONDS, Answer, DeviceLogins
from nixos_workspaces.auth.own_tokens import OwnTokens
from nixos_workspaces.auth.passkeys.challenges import Challenges
from nixos_workspaces.auth.passkeys.using import Asker, PasskeyUse, Proof
from nixos_workspaces.auth.people.passwords import Passwords
from nixos_workspaces.auth.people.rules import WantedToken
from nixos_workspaces.auth.people.users import UserChange
from nixos_workspaces.auth.policy import ADMIN, Principal, Role, Scope
from nixos_workspaces.auth.recent import RecentTokens
from nixos_workspaces.auth.sessions import Sessions
from nixos_workspaces.auth.tokens import Bounds, Device, Lifetimes, Token, TokenKind, Tokens, digest_of
from nixos_workspaces.database import Database, Uses, engine, open_database
from nixos_workspaces.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated, WorkspacesError
from nixos_workspaces.events import Events
from nixos_workspaces.gateway import open_ssh_access
from nixos_workspaces.gateway.entrants import Entrants, Way
from nixos_workspaces.keys.store import open_keys
from nixos_workspaces.model.access.passkeys import Site
from nixos_workspaces.model.access.people import UserKind, UserState
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import Resources
from nixos_workspaces.model.workspace import AuthorisedId, Desire, Workspace

PASSWORD = "seven green lanterns"
SITE = Site("http://localhost:5000")


class CountingHasher:
    """A hasher that counts its work; a real one is checked by ``test_real_hashes``."""

    def __init__(self) -> None:
        self.verified: list[str] = []

    def hash(self, password: str) -> str:
        return f"hash of {password}"

    def verify(self, hash: str, password: str) -> bool:  # noqa: A002  the library's name
        self.verified.append(hash)
        if hash != f"hash of {password}":
            raise VerifyMismatchError
        return True


class Place:
    """The parts over one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Clock()
        self.recent = RecentTokens[Token]()
        self.uses = Uses(database)
        lifetimes = Lifetimes(timedelta(days=14), timedelta(days=7))
        self.tokens = Tokens(database, self.clock, uses=self.uses, recent=self.recent, lifetimes=lifetimes)
        self.hasher = CountingHasher()
        passwords = Passwords(self.hasher, "decoy")
        passkeys = PasskeyUse(database, self.tokens, passwords, Challenges(), self.clock)
        self.sessions = Sessions(database, self.tokens, passwords, passkeys, self.clock)
        self.own = OwnTokens(database, self.tokens, self.clock)
        self.changed: list[str] = []
        self.people: People = open_people(database, self.tokens, self.recent, self._state_changed)

    async def _state_changed(self, user_id: str) -> None:
        self.changed.append(user_id)

    async def person(self, handle: str, role: Role = Role.MEMBER, kind: UserKind = UserKind.PERSON) -> Principal:
        user = await self.people.users.create(handle, principal=ADMIN, role=role, kind=kind)
        return Principal(user.id, handle, role)

    async def session(self, principal: Principal) -> tuple[str, str]:
        """Return secret and id of a new session."""
        secret, token = await self.tokens.create("browser", principal=principal, kind=TokenKind.SESSION)
        return secret, token.id


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    database = await open_migrated(tmp_path / "people.db")
    yield Place(database)
    await database.close()


async def test_a_new_database_has_its_first_administrator(place: Place) -> None:
    [user] = await place.people.users.list(principal=ADMIN)
    assert (user.id, user.handle, user.role, user.kind, user.state) == (
        "admin",
        "admin",
        "admin",
        UserKind.PERSON,
        UserState.ACTIVE,
    )


async def test_the_role_is_the_users_and_not_the_tokens(place: Place) -> None:
    """It is read when the token is looked up."""
    ann = await place.person("ann")
    secret, _ = await place.tokens.create("ci", principal=ann)
    assert (await place.tokens.authenticate(secret)).role is Role.MEMBER
    await place.people.users.change("ann", UserChange(role=Role.AUDITOR), principal=ADMIN)
    assert (await place.tokens.authenticate(secret)).role is Role.AUDITOR
    await place.people.groups.create("crew", principal=ADMIN)
    group = await place.people.groups.join("crew", "ann", principal=ADMIN)
    found = await place.tokens.authenticate(secret)
    assert found.groups == {group.id}
    assert found.actor[0].startswith("tok-")
    await place.people.groups.leave("crew", "ann", principal=ADMIN)
    assert (await place.tokens.authenticate(secret)).groups == frozenset()


async def test_credentials_of_the_suspended_are_not_valid(place: Place) -> None:
    """At once, of every kind; and valid again afterwards, because nothing was revoked."""
    ann = await place.person("ann")
    token, _ = await place.tokens.create("ci", principal=ann)
    session, _ = await place.session(ann)
    await place.tokens.authenticate(token)
    code = await place.people.users.invite("ann", principal=ADMIN)
    await place.people.users.change("ann", UserChange(state=UserState.SUSPENDED), principal=ADMIN)
    assert place.changed == [ann.id]
    assert place.tokens.revoked.is_set()
    for secret in (token, session):
        with pytest.raises(Unauthenticated):
            await place.tokens.authenticate(secret)
    assert await place.tokens.invalid([token, session]) == {token, session}
    with pytest.raises(Unauthenticated):
        await place.tokens.redeem(code)
    with pytest.raises(Conflict):
        await place.people.users.invite("ann", principal=ADMIN)
    await place.people.users.change("ann", UserChange(state=UserState.ACTIVE), principal=ADMIN)
    assert await place.tokens.authenticate(token) == ann


@pytest.mark.parametrize(
    "change", [UserChange(state=UserState.SUSPENDED), UserChange(role=Role.MEMBER)], ids=["suspended", "demoted"]
)
async def test_the_last_administrator_stays(place: Place, change: UserChange) -> None:
    """Nobody else could undo it; a service account does not count."""
    await place.person("robot", Role.ADMIN, UserKind.SERVICE_ACCOUNT)
    with pytest.raises(Conflict) as refused:
        await place.people.users.change("admin", change, principal=ADMIN)
    assert refused.value.code == "last_administrator"
    await place.person("second", Role.ADMIN)
    await place.people.users.change("admin", change, principal=ADMIN)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.AUDITOR])
async def test_only_administrators_administer(place: Place, role: Role) -> None:
    """Auditors read; a token without the scope does not either."""
    ann = await place.person("ann", role)
    users, groups = place.people.users, place.people.groups
    bounded = Principal("admin", "admin", Role.ADMIN, scopes=frozenset({Scope.WORKSPACES_READ}))
    for caller in (ann, bounded):
        for work in (
            users.create("bob", principal=caller),
            users.change("admin", UserChange(display_name="x"), principal=caller),
            users.invite("ann", principal=caller),
            groups.create("crew", principal=caller),
        ):
            with pytest.raises(Forbidden):
                await work
    if role is Role.AUDITOR:
        assert len(await users.list(principal=ann)) == 2
    else:
        with pytest.raises(Forbidden):
            await users.list(principal=ann)
        with pytest.raises(Forbidden):
            await users.get("admin", principal=ann)
    assert (await users.get("ann", principal=ann)).handle == "ann"


async def test_names_are_taken_once(place: Place) -> None:
    await place.person("ann")
    await place.people.groups.create("crew", principal=ADMIN)
    with pytest.raises(Conflict):
        await place.people.users.create("ann", principal=ADMIN)
    with pytest.raises(Conflict):
        await place.people.groups.create("crew", principal=ADMIN)
    for wrong in ("", "Ann", "a b", "a" * 41, "-a"):
        with pytest.raises(InvalidInput):
            await place.people.users.create(wrong, principal=ADMIN)
    await place.people.groups.remove("crew", principal=ADMIN)
    with pytest.raises(NotFound):
        await place.people.groups.join("crew", "ann", principal=ADMIN)


async def test_known_and_unknown_handles_take_the_same_operations(place: Place) -> None:
    """One check of one hash in every case: no clock tells whether there is such a user."""
    ann = await place.person("ann")
    secret, _ = await place.session(ann)
    await place.person("without")
    await place.person("robot", kind=UserKind.SERVICE_ACCOUNT)
    await place.person("gone")
    await place.sessions.set_password(PASSWORD, Proof(), Asker(SITE, secret), principal=ann)
    await place.people.users.change("gone", UserChange(state=UserState.SUSPENDED), principal=ADMIN)
    place.hasher.verified.clear()
    for handle in ("ann", "without", "robot", "gone", "nobody", "", "\ud800"):
        with pytest.raises(Unauthenticated) as refused:
            await place.sessions.sign_in(handle, "another password")
        assert (refused.value.code, refused.value.message) == ("sign_in_failed", "The handle or the password is wrong.")
    assert place.hasher.verified == [f"hash of {PASSWORD}", *["decoy"] * 6]


async def test_signing_in_with_a_password(place: Place) -> None:
    """The session acts as the user, and knows its device."""
    ann = await place.person("ann")
    secret, _ = await place.session(ann)
    other, _ = await place.session(ann)
    await place.sessions.set_password(PASSWORD, Proof(), Asker(SITE, secret), principal=ann)
    with pytest.raises(Unauthenticated):
        await place.tokens.authenticate(other)
    signed_in, token = await place.sessions.sign_in("ann", PASSWORD, Device("Firefox", "192.0.2.1"))
    assert await place.tokens.authenticate(signed_in) == ann
    assert token.device == Device("Firefox", "192.0.2.1")
    with pytest.raises(Forbidden):
        await place.sessions.set_password("eleven blue umbrellas", Proof("wrong"), Asker(SITE, secret), principal=ann)
    await place.sessions.set_password("eleven blue umbrellas", Proof(PASSWORD), Asker(SITE, secret), principal=ann)
    with pytest.raises(Unauthenticated):
        await place.sessions.sign_in("ann", PASSWORD)
    assert [one.id for one in await place.sessions.list(principal=ann)] == [await place.sessions.current(secret)]


async def test_real_hashes() -> None:
    """argon2id, each with a salt of its own; the decoy has the same parameters and no password."""
    passwords = Passwords()
    one, two = await asyncio.gather(passwords.hash(PASSWORD), passwords.hash(PASSWORD))
    assert one != two
    assert one.startswith("$argon2id$v=19$")
    assert one.split("$")[3] == passwords._decoy.split("$")[3]
    assert await passwords.matches(one, PASSWORD)
    assert not await passwords.matches(one, PASSWORD + "x")
    assert not await passwords.matches("", PASSWORD)
    assert not await passwords.matches("no hash", PASSWORD)


async def test_sessions_end_when_they_lie_idle(place: Place) -> None:
    """And go on while they are used, or something is open under them; at the latest after 14 days."""
    ann = await place.person("ann")
    idle, _ = await place.session(ann)
    used, _ = await place.session(ann)
    opened, _ = await place.session(ann)
    for _ in range(13):
        place.clock.now += timedelta(days=1)
        await place.tokens.authenticate(used)
        assert opened not in await place.tokens.invalid([opened])
        await place.uses.store()
    with pytest.raises(Unauthenticated):
        await place.tokens.authenticate(idle)
    assert await place.tokens.authenticate(used) == await place.tokens.authenticate(opened) == ann
    place.clock.now += timedelta(days=1)
    for secret in (used, opened):
        with pytest.raises(Unauthenticated):
            await place.tokens.authenticate(secret)


async def test_sessions_are_ended_one_or_all_others(place: Place) -> None:
    ann, bob = await place.person("ann"), await place.person("bob")
    mine, mine_id = await place.session(ann)
    one, one_id = await place.session(ann)
    two, _ = await place.session(ann)
    foreign, foreign_id = await place.session(bob)
    with pytest.raises(NotFound):
        await place.sessions.end(foreign_id, principal=ann)
    await place.sessions.end(one_id, principal=ann)
    assert await place.sessions.end_others(mine, principal=ann) == 1
    assert [each.id for each in await place.sessions.list(principal=ann)] == [mine_id]
    assert await place.tokens.invalid([mine, one, two, foreign]) == {one, two}


async def test_tokens_that_are_made_with_a_token_end_with_it(place: Place) -> None:
    """All the way down; those that are made in a browser outlive its session."""
    ann = await place.person("ann")
    session, session_id = await place.session(ann)
    secret, first = await place.own.make(WantedToken("one"), principal=ann, credential=session)
    assert first.parent_id is None
    assert first.expires_at == place.clock.now + timedelta(days=90)
    assert secret.startswith(first.prefix)
    assert len(first.prefix) == len("nixws_") + 6
    chain = [secret]
    for name in ("two", "three"):
        principal = await place.tokens.authenticate(chain[-1])
        made, record = await place.own.make(WantedToken(name), principal=principal, credential=chain[-1])
        assert record.parent_id is not None
        chain.append(made)
    opened, _ = await place.tokens.open_session(chain[-1])
    [three] = [one for one in await place.own.list(principal=ann) if one.name == "three"]
    links = await place.own.links((three,))
    assert [links[one].name for one in three.chain] == ["browser", "one", "two"]
    assert three.chain == (session_id, first.id, three.parent_id)
    actor = (await place.tokens.authenticate(opened)).actor
    assert actor[:-1] == (*three.chain, three.id)
    await place.sessions.end(session_id, principal=ann)
    assert await place.tokens.invalid([*chain, opened]) == frozenset()
    await place.own.revoke(first.id, principal=ann)
    assert await place.tokens.invalid([*chain, opened]) == {*chain, opened}


async def test_bounds_are_inherited(place: Place) -> None:
    """By what is made with a bounded token, session and token alike; and it lives no longer."""
    ann = await place.person("ann")
    bounds = Bounds(frozenset({Scope.FILES_READ, Scope.NETWORK}), frozenset({"ws-a"}))
    lifetime = timedelta(days=3)
    secret, _ = await place.tokens.create("ci", principal=ann, bounds=bounds, lifetime=lifetime)
    principal = await place.tokens.authenticate(secret)
    assert (principal.scopes, principal.workspaces) == (bounds.scopes, bounds.workspaces)
    session, _ = await place.tokens.open_session(secret)
    assert (await place.tokens.authenticate(session)).scopes == bounds.scopes
    narrow = WantedToken("x", scopes=frozenset({Scope.NETWORK}))
    _, made = await place.own.make(narrow, principal=principal, credential=session)
    assert (made.principal.scopes, made.principal.workspaces) == (frozenset({Scope.NETWORK}), frozenset({"ws-a"}))
    assert made.expires_at == place.clock.now + lifetime
    wide = WantedToken("x", scopes=frozenset({Scope.SECRETS}))
    with pytest.raises(Forbidden):
        await place.own.make(wide, principal=principal, credential=session)
    for work in (place.own.list(principal=principal), place.sessions.list(principal=principal)):
        with pytest.raises(Forbidden):
            await work


async def test_tokens_of_service_accounts_are_made_by_administrators(place: Place) -> None:
    ann = await place.person("ann")
    robot = await place.person("robot", kind=UserKind.SERVICE_ACCOUNT)
    root, _ = await place.session(ADMIN)
    session, _ = await place.session(ann)
    secret, token = await place.own.make(
        WantedToken("ci", lifetime=None), principal=ADMIN, credential=root, user="robot"
    )
    assert await place.tokens.authenticate(secret) == robot
    assert token.expires_at is None
    with pytest.raises(Forbidden):
        await place.own.make(WantedToken("ci"), principal=ann, credential=session, user="robot")
    with pytest.raises(Forbidden):
        await place.own.make(WantedToken("ci", lifetime=None), principal=ann, credential=session)
    with pytest.raises(Conflict):
        await place.own.make(WantedToken("ci"), principal=ADMIN, credential=root, user="ann")
    assert [one.id for one in await place.own.of_user("robot", principal=ADMIN)] == [token.id]
    await place.own.revoke(token.id, principal=ADMIN)
    with pytest.raises(Unauthenticated):
        await place.tokens.authenticate(secret)


async def test_keys_of_the_suspended_open_nothing(place: Place, tmp_path: Path) -> None:
    """At the gateway at once, also what they have opened; nor are they written into workspaces."""
    no_machines: Any = SimpleNamespace(connect=None)
    access = await open_ssh_access(place.database, no_machines, await asyncio.to_thread(open_keys, tmp_path), Events())
    ann = await place.person("ann")
    line = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    key = await access.keys.add(line, principal=ann)
    opened = Workspace(
        id="ws-1",
        name="one",
        owner_id=ann.id,
        hostname="one",
        created_at=NOW,
        last_accessed=NOW,
        desire=Desire.RUNNING,
        resources=Resources(1, 1, 1),
        environment=Environment("minimal"),
    )

    async def enter(_: str, principal: Principal) -> tuple[Workspace, AuthorisedId]:
        assert principal == ann
        return opened, AuthorisedId(opened.id)

    async def is_moderated(_: AuthorisedId) -> bool:
        return False

    waking: Any = None
    entrants = Entrants(place.database, access.authorities, access.tokens, Way(enter, waking, is_moderated))
    assert (await entrants.by_key("one", key.key)) is not None
    ends: list[WorkspacesError] = []
    users = open_people(place.database, place.tokens, place.recent, access.user_changed).users
    with access.connections.entered(key.id, ends.append):
        await users.change("ann", UserChange(state=UserState.SUSPENDED), principal=ADMIN)
        assert len(ends) == 1
    assert await entrants.by_key("one", key.key) is None
    assert await access.keys.list(principal=ann) == ()
    await users.change("ann", UserChange(state=UserState.ACTIVE), principal=ADMIN)
    assert await entrants.by_key("one", key.key) is not None


async def test_a_device_is_signed_in_by_its_code(place: Place) -> None:
    """Once; it is told what RFC 8628 says until then."""
    now = [0.0]
    devices = DeviceLogins(place.own, lambda: now[0])
    ann = await place.person("ann")
    session, _ = await place.session(ann)

    async def refused(code: str) -> str:
        now[0] += INTERVAL_SECONDS
        with pytest.raises(InvalidInput) as error:
            await devices.claim(code)
        return error.value.code

    code, login = devices.begin(WantedToken("laptop", frozenset({Scope.FILES_READ})), "192.0.2.1")
    assert await refused(code) == "authorization_pending"
    with pytest.raises(InvalidInput) as error:
        await devices.claim(code)
    assert error.value.code == "slow_down"
    spelled = f"{login.user_code[:4].lower()}-{login.user_code[4:]} "
    assert devices.look(spelled, principal=ann).address == "192.0.2.1"
    devices.answer(spelled, Answer.YES, principal=ann, credential=session)
    with pytest.raises(NotFound):
        devices.answer(spelled, Answer.NO, principal=ann, credential=session)
    now[0] += INTERVAL_SECONDS
    secret, _ = await devices.claim(code)
    assert (await place.tokens.authenticate(secret)).scopes == frozenset({Scope.FILES_READ})
    assert await refused(code) == "expired_token"
    code, login = devices.begin(WantedToken("laptop"), "192.0.2.1")
    devices.answer(login.user_code, Answer.NO, principal=ann, credential=session)
    assert await refused(code) == "access_denied"
    code, login = devices.begin(WantedToken("laptop"), "192.0.2.1")
    now[0] += LIFETIME_SECONDS
    assert await refused(code) == "expired_token"
    with pytest.raises(NotFound):
        devices.look(login.user_code, principal=ann)
    bounded = Principal("ann", "ann", scopes=frozenset({Scope.FILES_READ}))
    with pytest.raises(Forbidden):
        devices.answer(login.user_code, Answer.YES, principal=bounded, credential=session)


def _database_of_0008(path: Path) -> None:
    """Make a database as the version before users left it, with tokens of two people."""
    config = Config()
    config.set_main_option("script_location", str(Path(engine.__file__).parent / "migrations"))
    made = create_engine(f"sqlite:///{path}")
    with made.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
    made.dispose()


async def test_a_database_from_before_users_goes_on(tmp_path: Path) -> None:
    """Its tokens are valid still; each principal has become a user, with the role that the tokens had."""
    path = tmp_path / "old.db"
    _database_of_0008(path)
    secrets = {"admin": "nixws_old-admin", "ann": "nixws_old-ann"}
    with closing(sqlite3.connect(path)) as raw, raw:
        for number, (who, role) in enumerate([("admin", "admin"), ("ann", "user")]):
            raw.execute(
                "INSERT INTO tokens (id, hash, name, kind, principal_id, principal_name, role, created_at) "
                "VALUES (?, ?, 'ci', 'api', ?, ?, ?, '2026-01-01 00:00:00.000000')",
                (f"tok-{number}", digest_of(secrets[who]), who, who, role),
            )
    database = await open_database(path)
    try:
        tokens = Tokens(database, Clock())
        assert await tokens.authenticate(secrets["admin"]) == ADMIN
        assert await tokens.authenticate(secrets["ann"]) == Principal("ann", "ann", Role.MEMBER)
        assert [one.name for one in await tokens.list(principal=ADMIN)] == ["ci"]
        async with database.reading() as tx:
            assert {one.id: one.role for one in await tx.users.all()} == {"admin": "admin", "ann": "member"}
    finally:
        await database.close()
