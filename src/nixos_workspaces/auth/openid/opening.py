"""Open the sign-in by an OpenID provider, as the settings say."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from nixos_workspaces.auth.openid.mapping import rules_of
from nixos_workspaces.auth.recent import RecentTokens
from nixos_workspaces.auth.tokens import Token, Tokens
from nixos_workspaces.database import Database
from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.settings import Settings

if TYPE_CHECKING:
    from nixos_workspaces.auth.openid.sign_in import OpenIdSignIn


def open_sign_in(
    stack: AsyncExitStack, settings: Settings, database: Database, tokens: Tokens, recent: RecentTokens[Token]
) -> OpenIdSignIn | None:
    """Return the sign-in, which ends with ``stack``; None where no provider is set.

    Asks the provider nothing yet: it may be away.
    Raises ``InvalidInput`` for a secret that cannot be read.
    """
    if not settings.oidc_issuer:
        return None
    # These libraries take 6 MB of memory; most services have no provider.
    from nixos_workspaces.auth.openid.accounts import Accounts
    from nixos_workspaces.auth.openid.provider import Client, Provider
    from nixos_workspaces.auth.openid.sign_in import OpenIdSignIn, Rules

    client = Client(settings.oidc_issuer, settings.oidc_client_id, _secret(settings), settings.oidc_scopes)
    group_rules = rules_of(settings.roles_by_group, settings.groups_by_group, settings.oidc_new_users)
    rules = Rules(settings.oidc_name, settings.oidc_groups_claim, settings.oidc_clock_skew)
    accounts = Accounts(database, group_rules, recent)
    sign_in = OpenIdSignIn(database, tokens, recent, Provider(client), accounts, rules)
    stack.push_async_callback(sign_in.close)
    return sign_in


def _secret(settings: Settings) -> str:
    """Return the client's secret."""
    if not settings.oidc_client_secret_file:
        return ""
    try:
        secret = Path(settings.oidc_client_secret_file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as wrong:
        raise InvalidInput(
            f"Setting oidc_client_secret_file: {settings.oidc_client_secret_file} cannot be read "
            f"({type(wrong).__name__}).",
            field="oidc_client_secret_file",
        ) from wrong
    if not secret:
        raise InvalidInput("Setting oidc_client_secret_file: the file is empty.", field="oidc_client_secret_file")
    return secret
