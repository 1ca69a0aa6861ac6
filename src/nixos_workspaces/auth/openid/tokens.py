"""Check ID tokens and logout tokens: pure, with the provider's keys and the time as arguments."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

LONGEST_TOKEN = 64 * 1024
LONGEST_NAME = 255
"""Of a subject and of a provider's session (OpenID Connect Core 1.0, section 2)."""
MOST_SECONDS = 600
"""A token that was made longer ago, or is good for longer, is none of this sign-in or logout."""
_LEAST_RSA_BITS = 2048
_EVENT = "http://schemas.openid.net/event/backchannel-logout"

_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("Ed25519",),
}
"""The algorithms by kind of key: asymmetric ones only, and a key fits those of its own kind only."""
ALGORITHMS = tuple(name for names in _FAMILIES.values() for name in names)

Key = RSAKey | ECKey | OKPKey
Claims = Mapping[str, Any]


class TokenRefused(Exception):
    """A token is not what the provider would have made for this; the message says what is wrong, and no secret."""


class UnknownKey(TokenRefused):
    """The token is signed by a key that is not among those given; newer ones may have it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The provider and the client that a token must be of, and the time that it is looked at."""

    issuer: str
    client_id: str
    now: float
    skew: float
    """Seconds by which the two clocks may differ."""


def keys_of(document: object) -> dict[str, Key]:
    """Return the public keys for signatures of a JWKS by their ids; others, weak ones and secrets are left out.

    A key without an id stands under the empty text. Raises ``TokenRefused`` for what is no JWKS.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise TokenRefused("the provider's keys are no JWKS")
    found: dict[str, Key] = {}
    for one in listed:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") not in {"RSA", "EC", "OKP"}:
            continue
        if one["kty"] == "RSA" and len(str(one.get("n"))) * 6 < _LEAST_RSA_BITS:
            continue  # the library would warn of it
        kid = one.get("kid", "")
        try:
            key = JWKRegistry.import_key({name: value for name, value in one.items() if name not in _PRIVATE})
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(kid, str) and isinstance(key, Key) and _algorithms(key):
            found[kid] = key
    return found


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "key_ops"})


def _algorithms(key: Key) -> tuple[str, ...]:
    """Return the algorithms that a key may have signed with."""
    if isinstance(key, RSAKey):
        names = _FAMILIES["RSA"] if key.public_key.key_size >= _LEAST_RSA_BITS else ()
    else:
        names = _FAMILIES.get(str(key.get("crv")), ())
    own = key.get("alg")
    return names if own is None else tuple(one for one in names if one == own)


def verified(token: str, keys: Mapping[str, Key]) -> tuple[Claims, Claims]:
    """Return header and claims of a token that one of the keys has signed.

    The key is the one that the header names. Without a name it is the only key, or none. Raises ``TokenRefused``.
    """
    if not token.isascii() or len(token) > LONGEST_TOKEN or token.count(".") != 2:  # noqa: PLR2004 - of a JWS
        raise TokenRefused("it is no signed token")
    try:
        header = orjson.loads(urlsafe_b64decode(token.partition(".")[0].encode()))
    except ValueError as wrong:
        raise TokenRefused("its header cannot be read") from wrong
    if not isinstance(header, dict) or header.get("alg") not in ALGORITHMS:
        raise TokenRefused("its algorithm is not one of asymmetric keys")
    kid = header.get("kid")
    if kid is None and len(keys) == 1:
        [key] = keys.values()
    elif isinstance(kid, str) and kid in keys:
        key = keys[kid]
    else:
        raise UnknownKey("the provider has no such key")
    try:
        read = jwt.decode(token, key, algorithms=list(_algorithms(key)))
    except (JoseError, ValueError, TypeError) as wrong:
        raise TokenRefused(f"its signature does not hold ({type(wrong).__name__})") from wrong
    return read.header, read.claims


def check_id_token(header: Claims, claims: Claims, expected: Expected, *, nonce: str, access_token: str) -> None:
    """Raise ``TokenRefused`` unless it is the ID token of the sign-in that has this ``nonce``."""
    if str(header.get("typ", "JWT")).lower() != "jwt":
        raise TokenRefused("it is a token for something else")
    _check_common(claims, expected)
    if not _is_name(claims.get("sub")):
        raise TokenRefused("it names no subject")
    given = claims.get("nonce")
    if not isinstance(given, str) or not secrets.compare_digest(given.encode(), nonce.encode()):
        raise TokenRefused("its nonce is another")
    if claims.get("azp", expected.client_id) != expected.client_id:
        raise TokenRefused("it was made for another client")
    try:
        CodeIDToken(dict(claims), dict(header), params={"access_token": access_token}).validate_at_hash()
    except (JoseError, ValueError, TypeError) as wrong:
        raise TokenRefused("it does not belong to the access token") from wrong


def check_logout_token(header: Claims, claims: Claims, expected: Expected) -> None:
    """Raise ``TokenRefused`` unless it is a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6)."""
    if str(header.get("typ", "JWT")).lower() not in {"jwt", "logout+jwt"}:
        raise TokenRefused("it is a token for something else")
    _check_common(claims, expected)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(_EVENT), dict):
        raise TokenRefused("it tells of no logout")
    if "nonce" in claims:
        raise TokenRefused("it has a nonce, as ID tokens have")
    if not _is_name(claims.get("jti")):
        raise TokenRefused("it has no id of its own")
    named = [claims[name] for name in ("sub", "sid") if name in claims]
    if not named or not all(_is_name(one) for one in named):
        raise TokenRefused("it names neither a subject nor a session")


def _check_common(claims: Claims, expected: Expected) -> None:
    """Check issuer, audience and times."""
    if claims.get("iss") != expected.issuer:
        raise TokenRefused("its issuer is another")
    if claims.get("aud") not in (expected.client_id, [expected.client_id]):
        raise TokenRefused("it is for another client, or for others too")
    moments = {name: claims[name] for name in ("iat", "exp", "nbf") if name in claims}
    if not {"iat", "exp"} <= moments.keys() or not all(_is_moment(one) for one in moments.values()):
        raise TokenRefused("it does not say its times")
    if expected.now >= moments["exp"] + expected.skew:
        raise TokenRefused("it has expired")
    if expected.now < max(moments["iat"], moments.get("nbf", 0)) - expected.skew:
        raise TokenRefused("it is of the future")
    if expected.now > moments["iat"] + MOST_SECONDS + expected.skew:
        raise TokenRefused("it was made long ago")


def _is_moment(value: object) -> bool:
    """Tell whether a claim is a number of seconds; booleans and infinities are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1 << 40


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()
