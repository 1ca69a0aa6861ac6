"""Headers on their way through a preview: which pass, which are ours, which never leave (RFC 9110, section 7.6).

The app behind a preview is not trusted: it gets neither our cookies nor our tokens, and can set no cookie that another
host would get.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from nixos_workspaces.auth.tokens import PREFIX

Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    }
)
_SAID_BY_US = frozenset(
    {
        *(b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port", b"x-forwarded-prefix"),
        b"forwarded",
    }
)
_NOT_TO_THE_APP = _HOP_BY_HOP | _SAID_BY_US | {b"expect", b"via", b"cookie", b"authorization", b"content-length"}
_NOT_TO_THE_BROWSER = _HOP_BY_HOP | {b"date", b"alt-svc", b"clear-site-data", b"set-cookie"}
"""``Clear-Site-Data`` may clear cookies of the whole registrable domain, which may be the service's too."""
_NOT_ON_OUR_HOST = frozenset({b"service-worker-allowed"})
"""It lets a script answer for paths above its own, which are ours."""
_LEADING_ON = frozenset({b"location", b"content-location"})
OUR_COOKIES = ("nixws_", "__host-nixws_", "__secure-nixws_")
_MOST_HOPS = 4
_AUTHORITY = re.compile(rb"(?:[a-z][a-z0-9+.-]*:)?//([^/?#\\]*)", re.IGNORECASE)


def cookies(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return our own cookies of a request."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                key, equals, content = part.strip().partition("=")
                if equals and key.lower().startswith(OUR_COOKIES):
                    found[key] = content
    return found


def bearer(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the token of ours that a request carries; empty without one."""
    for name, value in headers:
        scheme, _, token = value.decode("latin-1").partition(" ")
        if name == b"authorization" and scheme.lower() == "bearer" and token.strip().startswith(PREFIX):
            return token.strip()
    return ""


def is_intent(headers: Headers) -> bool:
    """Tell whether a request comes from a person's doing, or from a program of theirs that asks for it.

    What a page that is open does by itself is none: its parts, what its scripts fetch, its WebSockets (Fetch Metadata).
    """
    asked = dict(headers)
    return asked.get(b"sec-fetch-mode", b"navigate") == b"navigate" and b"upgrade" not in asked


def hop(workspace_id: str, port: int) -> bytes:
    """Return the name by which a preview signs in ``Via``; it tells nothing of the workspace."""
    return b"nixws-" + hashlib.sha256(f"{workspace_id}:{port}".encode()).hexdigest()[:12].encode()


def is_loop(headers: Iterable[tuple[bytes, bytes]], own: bytes) -> bool:
    """Tell whether a request has passed the same preview before, or too many."""
    hops = [one.split()[-1] for name, value in headers if name == b"via" for one in value.split(b",") if one.split()]
    return own in hops or sum(one.startswith(b"nixws-") for one in hops) >= _MOST_HOPS


def to_app(headers: Headers, *, client: str, scheme: str, host: str, own: bytes, base: str = "") -> Headers:
    """Return a request's headers as the app gets them, without framing; ``base`` is the path that the app is at."""
    dropped = _NOT_TO_THE_APP | _named(headers)
    passed = [(name, value) for name, value in headers if name not in dropped]
    kept = b"; ".join(
        part.strip()
        for name, value in headers
        if name == b"cookie"
        for part in value.split(b";")
        if part.strip() and not part.strip().lower().startswith(tuple(map(str.encode, OUR_COOKIES)))
    )
    if kept:
        passed.append((b"cookie", kept))
    if not bearer(headers):
        passed += [(name, value) for name, value in headers if name == b"authorization"]
    via = [value for name, value in headers if name == b"via"]
    if base:
        passed.append((b"x-forwarded-prefix", base.encode()))
    node = f'"[{client}]"' if ":" in client else client
    return [
        *passed,
        (b"x-forwarded-for", client.encode()),
        (b"x-forwarded-host", host.encode()),
        (b"x-forwarded-proto", scheme.encode()),
        # Without the host, which would have to be quoted for its port: programs take the quotes for a part of it.
        (b"forwarded", f"for={node};proto={scheme}".encode()),
        (b"via", b", ".join([*via, b"1.1 " + own])),
    ]


def to_browser(headers: Headers, *, host: str = "", base: str = "") -> Headers:
    """Return an answer's headers as the browser gets them, without framing but for its length.

    An app at the path ``base`` of ``host`` has its cookies there, and what leads to a path of its own leads below it.
    """
    dropped = _NOT_TO_THE_BROWSER | _named(headers) | (_NOT_ON_OUR_HOST if base else frozenset())
    passed = [
        (name, _below(value, host.encode(), base.encode()) if base and name in _LEADING_ON else value)
        for name, value in headers
        if name not in dropped
    ]
    set_cookies = (_own_cookie(value, base.encode()) for name, value in headers if name == b"set-cookie")
    return passed + [(b"set-cookie", value) for value in set_cookies if value]


def _below(target: bytes, host: bytes, base: bytes) -> bytes:
    """Return an app's reference to a path of its own as one below ``base``; any other is left as it is."""
    authority = _AUTHORITY.match(target)
    if authority is not None and authority[1].lower() == host:
        target = target[authority.end() :]
        target = target if target.startswith(b"/") else b"/" + target
    elif authority is not None or not target.startswith(b"/"):
        return target
    return _at(target, base)


def _at(path: bytes, base: bytes) -> bytes:
    """Return an app's path as one below ``base``; one that is there already is left as it is."""
    return path if path == base or path.startswith(base + b"/") else base + path


def _named(headers: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """Return the headers that ``Connection`` says are for one hop only."""
    return {one.strip().lower() for name, value in headers if name == b"connection" for one in value.split(b",")} - {
        b"content-length",
        b"host",
        b"cookie",
        b"set-cookie",
        b"authorization",
        b"via",
    }


def _own_cookie(value: bytes, base: bytes) -> bytes:
    """Return a cookie for this host alone, below ``base``; empty for one that would pass for ours."""
    pair, *attributes = value.split(b";")
    if pair.strip().lower().startswith(tuple(map(str.encode, OUR_COOKIES))):
        return b""
    kept = (one for one in attributes if one.strip().lower().partition(b"=")[0].strip() != b"domain")
    if not base:
        return b";".join((pair, *kept))
    path, others = b"/", []
    for one in kept:
        key, _, told = one.strip().partition(b"=")
        if key.strip().lower() == b"path":
            path = told.strip() if told.strip().startswith(b"/") else b"/"
        else:
            others.append(one)
    return b";".join((pair, *others, b" Path=" + _at(path, base)))


def session_cookie(name: str, value: str, *, seconds: int, secure: bool, base: str = "") -> bytes:
    """Return the header that gives a browser a cookie of this host, below ``base``, which scripts cannot read."""
    tail = "; Secure" if secure else ""
    own = cookie_name(name, secure=secure, base=base)
    return f"{own}={value}; Path={base}/; Max-Age={seconds}; HttpOnly; SameSite=Lax{tail}".encode()


def cookie_name(name: str, *, secure: bool, base: str = "") -> str:
    """Return the name of a cookie of ours: over TLS one that no other host can set."""
    return f"{'__Secure-' if base else '__Host-'}{name}" if secure else name
