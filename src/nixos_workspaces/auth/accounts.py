"""The parts for people: users, groups, quotas, sessions, passkeys, tokens and device logins, over one database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nixos_workspaces.auth.devices import DeviceLogins
from nixos_workspaces.auth.openid.identities import Identities
from nixos_workspaces.auth.own_tokens import OwnTokens
from nixos_workspaces.auth.passkeys.challenges import Challenges
from nixos_workspaces.auth.passkeys.own import OwnPasskeys
from nixos_workspaces.auth.passkeys.using import PasskeyUse
from nixos_workspaces.auth.people.groups import Groups
from nixos_workspaces.auth.people.passwords import Passwords
from nixos_workspaces.auth.people.quotas import Quotas
from nixos_workspaces.auth.people.users import Users
from nixos_workspaces.auth.recent import RecentTokens
from nixos_workspaces.auth.sessions import Sessions
from nixos_workspaces.auth.tokens import Token, Tokens
from nixos_workspaces.database import Database

if TYPE_CHECKING:
    from nixos_workspaces.auth.openid.sign_in import OpenIdSignIn


@dataclass(frozen=True, slots=True)
class People:
    """The parts for people."""

    users: Users
    groups: Groups
    quotas: Quotas
    sessions: Sessions
    tokens: OwnTokens
    devices: DeviceLogins
    passkeys: OwnPasskeys
    passkey_use: PasskeyUse
    identities: Identities
    openid: OpenIdSignIn | None
    """None where no provider is set."""


def open_people(
    database: Database,
    tokens: Tokens,
    recent: RecentTokens[Token],
    state_changed: Callable[[str], Awaitable[None]],
    openid: OpenIdSignIn | None = None,
    passwords: Passwords | None = None,
) -> People:
    """Return the parts; see ``Users`` for ``recent`` and ``state_changed``."""
    own, challenges = OwnTokens(database, tokens), Challenges()
    passwords = passwords or Passwords()
    use = PasskeyUse(database, tokens, passwords, challenges)
    return People(
        Users(database, tokens, recent, state_changed=state_changed),
        Groups(database, recent),
        Quotas(database),
        Sessions(database, tokens, passwords, use),
        own,
        DeviceLogins(own),
        OwnPasskeys(database, use, challenges),
        use,
        Identities(database),
        openid,
    )
