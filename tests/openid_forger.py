"""An OpenID provider on loopback that signs whatever it is told to: forged, old and misdirected tokens.

What a good provider does is tested with a real one (``system/openid_provider.py``).
"""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey
from typing_extensions import override

CLIENT_ID = "workspaces"
CLIENT_SECRET = "forger-secret"
LOGOUT_EVENT: dict[str, dict[str, str]] = {"http://schemas.openid.net/event/backchannel-logout": {}}
Claims = dict[str, Any]


@dataclass
class Forger:
    """The provider; tests change what it says."""

    url: str
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    keys: list[RSAKey] = field(default_factory=list)
    """Those that it publishes."""
    make: Callable[[Claims], str] | None = None
    """Makes an ID token of the claims that would be right; None: signs them."""
    person: Claims = field(default_factory=lambda: {"sub": "alice-1", "preferred_username": "alice", "name": "Alice"})
    discovery: Claims = field(default_factory=dict)
    """Changes of the discovery document."""
    userinfo: Claims | None = None
    nonce: str = ""
    """Of the last sign-in, as the browser brought it."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Paths with the forms that came."""

    def __post_init__(self) -> None:
        self.keys = [self.key]

    def claims(self, **changed: Any) -> Claims:
        """Return the claims of a good ID token."""
        now = int(time.time())
        good = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": self.nonce, "sid": "s-1"}
        return {**good, **self.person, **changed}

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid, **header}, dict(claims), self.key, ["RS256"])

    def logout_token(self, **changed: Any) -> str:
        now = int(time.time())
        good = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 120,
            "jti": f"logout-{time.monotonic_ns()}",
            "sub": self.person["sub"],
            "events": LOGOUT_EVENT,
        }
        made = {name: value for name, value in {**good, **changed}.items() if value is not None}
        return self.sign(made, typ="logout+jwt")

    def by_public_key(self, claims: Claims) -> str:
        """Sign with HS256, the public key as the secret: what takes any algorithm for good takes this."""
        return by_secret({"alg": "HS256", "kid": self.key.kid}, claims, self.key.as_pem(private=False))


def part(value: object) -> str:
    """Return a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def by_secret(header: Claims, claims: Claims, secret: bytes) -> str:
    """Return a token of a HS algorithm; the library itself makes none with a public key."""
    signed = f"{part(header)}.{part(claims)}"
    mac = hmac.new(secret, signed.encode(), f"sha{header['alg'][2:]}").digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def unsigned(claims: Claims) -> str:
    """Return a token of the algorithm none."""
    return f"{part({'alg': 'none', 'kid': 'one'})}.{part(claims)}."


class _Handler(BaseHTTPRequestHandler):
    forger: Forger

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        forger, path = self.forger, urlsplit(self.path).path
        forger.asked.append((path, {}))
        match path:
            case "/.well-known/openid-configuration":
                self._answer(
                    {
                        "issuer": forger.url,
                        "authorization_endpoint": f"{forger.url}/authorize",
                        "token_endpoint": f"{forger.url}/token",
                        "jwks_uri": f"{forger.url}/jwks",
                        "end_session_endpoint": f"{forger.url}/end",
                        **({"userinfo_endpoint": f"{forger.url}/me"} if forger.userinfo is not None else {}),
                        **forger.discovery,
                    }
                )
            case "/jwks":
                self._answer({"keys": [key.as_dict(private=False) for key in forger.keys]})
            case "/me":
                self._answer(forger.userinfo or {})
            case _:
                self._answer({}, 404)

    def do_POST(self) -> None:
        forger = self.forger
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        forger.asked.append((self.path, {name: values[0] for name, values in parse_qs(body).items()}))
        claims = forger.claims()
        token = forger.make(claims) if forger.make else forger.sign(claims)
        self._answer({"access_token": "at", "token_type": "Bearer", "expires_in": 300, "id_token": token})

    def _answer(self, told: Claims, status: int = 200) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def forger() -> Iterator[Forger]:
    """Yield a running one."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    made = handler.forger = Forger(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="forger")
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
