"""The wire types of ways to sign in, and of accounts at an OpenID provider."""

from __future__ import annotations

from pydantic import Field

from nixos_workspaces.schemas.wire import Answer, Time


class ProviderAnswer(Answer):
    """An OpenID provider that people may sign in by."""

    name: str
    url: str = Field(description="Where a browser begins; ?to=PATH names the page to come back to.")


class SignInMethods(Answer):
    """The ways to sign in besides codes, tokens and passwords."""

    openid: ProviderAnswer | None = Field(description="Null where none is set.")


class IdentityAnswer(Answer):
    """An account at an OpenID provider that signs the caller in."""

    id: str
    issuer: str
    subject: str = Field(description="The provider's own name of the account.")
    created_at: Time
    used_at: Time | None = Field(description="Of the last sign-in.")


class IdentityList(Answer):
    """The caller's accounts."""

    identities: list[IdentityAnswer]


class ConnectAnswer(Answer):
    """The way to connect an account."""

    url: str = Field(description="Address of the provider, for this very browser to go to within ten minutes.")
