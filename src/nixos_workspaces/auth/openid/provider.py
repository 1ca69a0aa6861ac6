"""The OpenID provider as it is asked: discovery, keys, codes for tokens, claims. Each with bounds of time and size."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from nixos_workspaces.auth.openid.tokens import Claims, Key, TokenRefused, UnknownKey, keys_of, verified
from nixos_workspaces.errors import Unauthenticated, Unavailable

log = logging.getLogger(__name__)

ASK_SECONDS = 10.0
"""Time of one question with its whole answer."""
KEPT_SECONDS = 600.0
"""How long what the provider says of itself, and its keys, are believed."""
LEAST_SECONDS = 10.0
"""The least time between two looks for a key that is not known."""
MOST_BYTES = 1 << 20
_OK = 200


@dataclass(frozen=True, slots=True)
class Client:
    """The provider, and this service as the provider knows it."""

    issuer: str
    client_id: str
    secret: str = field(repr=False)
    """Empty: a public client."""
    scopes: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """The provider's addresses."""

    authorize: str
    token: str
    jwks: str
    userinfo: str
    """Empty where it has none, as the next."""
    end_session: str
    method: str
    """How this client proves itself."""
    says_issuer: bool
    """Whether its answers name it (RFC 9207)."""


class Provider:
    """One provider. What it says is kept for ten minutes; keys that are not known yet are looked for sooner."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask nothing yet."""
        self.client = client
        self._clock = clock
        self._http: httpx2.AsyncClient | None = None
        self._asking = asyncio.Lock()
        self._metadata: tuple[Metadata, float] | None = None
        self._keys: tuple[dict[str, Key], float] | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def metadata(self) -> Metadata:
        """Return the provider's addresses. Raises ``Unavailable`` with code ``oidc_unavailable``."""
        async with self._asking:
            if self._metadata is None or self._clock() - self._metadata[1] > KEPT_SECONDS:
                where = f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration"
                self._metadata = _metadata(self.client, await self._ask("GET", where)), self._clock()
            return self._metadata[0]

    def address(self, metadata: Metadata, *, redirect: str, state: str, nonce: str, verifier: str) -> str:
        """Return the address that begins a sign-in."""
        given = {"nonce": nonce, "code_challenge": create_s256_code_challenge(verifier)}
        return str(
            prepare_grant_uri(
                metadata.authorize,
                self.client.client_id,
                "code",
                redirect_uri=redirect,
                scope=self.client.scopes,
                state=state,
                code_challenge_method="S256",
                **given,
            )
        )

    async def exchange(self, code: str, *, redirect: str, verifier: str) -> tuple[str, str]:
        """Return ID token and access token for a code; ``Unauthenticated`` with code ``oidc_answer``."""
        metadata, client = await self.metadata(), self.client
        body = prepare_token_request("authorization_code", code=code, redirect_uri=redirect, code_verifier=verifier)
        auth = ClientAuth(client.client_id, client.secret or None, metadata.method)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        where, headers, body = auth.prepare("POST", metadata.token, headers, body)
        try:
            answer = await self._ask("POST", where, headers, body)
        except _Refused as refused:
            raise not_valid() from refused
        id_token, access_token = answer.get("id_token"), answer.get("access_token", "")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise not_valid()
        return id_token, access_token

    async def verify(self, token: str) -> tuple[Claims, Claims]:
        """Return header and claims of a token that the provider has signed; ``TokenRefused`` for another's."""
        try:
            return verified(token, await self._known_keys())
        except UnknownKey:
            return verified(token, await self._known_keys(LEAST_SECONDS))

    async def userinfo(self, access_token: str, subject: str) -> Claims:
        """Return what the provider tells besides of the person who signs in; nothing where it tells nothing."""
        metadata = await self.metadata()
        if not metadata.userinfo or not access_token:
            return {}
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        try:
            told = await self._ask("GET", metadata.userinfo, headers)
        except _Refused as refused:
            raise not_valid() from refused
        if told.get("sub") != subject:
            raise not_valid()
        return told

    async def _known_keys(self, kept: float = KEPT_SECONDS) -> dict[str, Key]:
        """Return the provider's keys, none older than ``kept`` seconds."""
        metadata = await self.metadata()
        async with self._asking:
            if self._keys is None or self._clock() - self._keys[1] > kept:
                try:
                    self._keys = keys_of(await self._ask("GET", metadata.jwks)), self._clock()
                except TokenRefused as wrong:
                    raise _unavailable(str(wrong)) from wrong
            return self._keys[0]

    async def _ask(
        self, method: str, where: str, headers: Mapping[str, str] | None = None, body: str = ""
    ) -> dict[str, Any]:
        """Return the JSON object of an answer.

        Raises ``_Refused`` for an answer that is no success, ``Unavailable`` for none, or one that is too slow, too
        large or no JSON object.
        """
        if self._http is None:
            # In a thread: reading the certificates that are trusted takes long.
            self._http = await asyncio.to_thread(
                httpx2.AsyncClient, timeout=ASK_SECONDS, follow_redirects=False, headers={"Accept-Encoding": "identity"}
            )
        read = bytearray()
        try:
            async with (
                asyncio.timeout(ASK_SECONDS),
                self._http.stream(method, where, headers=headers, content=body or None) as answer,
            ):
                async for piece in answer.aiter_raw():
                    read += piece
                    if len(read) > MOST_BYTES:
                        raise _unavailable("its answer is too large")
        except (httpx2.HTTPError, TimeoutError, OSError) as failed:
            raise _unavailable(type(failed).__name__) from failed
        if answer.status_code != _OK:
            raise _Refused(f"{urlsplit(where).path} answers {answer.status_code}")
        try:
            told = orjson.loads(bytes(read))
        except ValueError as wrong:
            raise _unavailable("its answer is no JSON") from wrong
        if not isinstance(told, dict):
            raise _unavailable("its answer is no JSON object")
        return told


def _unavailable(reason: str) -> Unavailable:
    log.warning("the OpenID provider cannot be asked: %s", reason)
    return Unavailable(
        "The OpenID provider does not answer as it should. Try again later, or sign in in another way.",
        code="oidc_unavailable",
    )


class _Refused(Unavailable):
    """An answer that is no success."""

    def __init__(self, reason: str) -> None:
        super().__init__("The OpenID provider refuses what this service asks.", code="oidc_unavailable")
        log.warning("the OpenID provider refuses: %s", reason)


def not_valid() -> Unauthenticated:
    """Return the error for an answer of the provider that proves nobody's identity."""
    return Unauthenticated(
        "What the OpenID provider has answered does not prove who you are. Sign in again; if it goes on, tell an "
        "administrator: the service's log says more.",
        code="oidc_answer",
    )


def _metadata(client: Client, told: Mapping[str, Any]) -> Metadata:
    """Return the addresses of a discovery document, which must be of exactly this issuer."""
    if told.get("issuer") != client.issuer:
        raise _unavailable("its discovery document is of another issuer than the setting oidc_issuer")

    def address(name: str, *, required: bool = False) -> str:
        value = told.get(name, "")
        schemes = {"https"} if client.issuer.startswith("https:") else {"http", "https"}
        if (isinstance(value, str) and urlsplit(value).scheme in schemes) or (not value and not required):
            return str(value or "")
        raise _unavailable(f"its discovery document has no usable {name}")

    methods = told.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    chosen = next((one for one in ("client_secret_basic", "client_secret_post") if one in methods), None)
    if client.secret and chosen is None:
        raise _unavailable("it takes no client secret in a way that is known here")
    return Metadata(
        address("authorization_endpoint", required=True),
        address("token_endpoint", required=True),
        address("jwks_uri", required=True),
        address("userinfo_endpoint"),
        address("end_session_endpoint"),
        (chosen or "none") if client.secret else "none",
        told.get("authorization_response_iss_parameter_supported") is True,
    )
