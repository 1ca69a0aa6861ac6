"""Requests that must be refused, with the status, code and field of each refusal.

``CASES`` is a table of names, numbers, JSON, headers, methods, paths, queries, bodies and plain garbage; ``send`` plays
one against any running service. Nothing may be made by any of them.
"""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

CREATE = "/api/nixos/workspaces/create"
LIST = "/api/nixos/workspaces"
VALID: Mapping[str, Any] = {
    "name": "refused",
    "cpu": 1,
    "memory": 1,
    "storage": 1,
    "template": "minimal",
    "packages": [],
}


@dataclass(frozen=True)
class Case:
    """One request and how it must be refused."""

    name: str
    status: int
    code: str
    field: str | None = None
    method: str = "POST"
    path: str = CREATE
    body: bytes | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    token: str | None = "valid"
    """``valid``: the runner's token; anything else is sent as it is; None: no Authorization header."""
    raw: bytes | None = None
    """The whole request; ``{token}`` in it becomes the runner's token."""


@dataclass(frozen=True)
class Refused:
    """A service's answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        stated: dict[str, Any] = json.loads(self.body)["error"]
        return stated


def send(case: Case, base_url: str, token: str, seconds: float = 10.0) -> Refused:
    """Send one case on a connection of its own and read the whole answer."""
    where = urlsplit(base_url)
    assert where.hostname is not None
    with socket.create_connection((where.hostname, where.port or 80), timeout=seconds) as connection:
        connection.sendall(request_bytes(case, where.netloc, token))
        received = b""
        while piece := connection.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return Refused(int(lines[0].split()[1]), headers, body)


def request_bytes(case: Case, host: str, token: str) -> bytes:
    """Return what goes over the wire."""
    if case.raw is not None:
        return case.raw.replace(b"{token}", token.encode())
    headers = {"Host": host, "Connection": "close"}
    if case.token is not None:
        headers["Authorization"] = f"Bearer {token}" if case.token == "valid" else case.token
    if case.body is not None:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(case.body))}
    headers |= case.headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value != "(none)")
    return f"{case.method} {case.path} HTTP/1.1\r\n{lines}\r\n".encode() + (case.body or b"")


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _with(**changed: object) -> bytes:
    return _json({**VALID, **changed})


def _bad_values() -> Iterator[Case]:
    names: dict[str, object] = {
        "empty": "",
        "of 64 letters": "a" * 64,
        "of 10,000 letters": "a" * 10_000,
        "with a capital": "Name",
        "with a blank": "my env",
        "with a slash": "a/b",
        "with dots": "../etc",
        "with a point": "a.b",
        "with an underscore": "a_b",
        "with a hyphen first": "-rf",
        "with a hyphen last": "a-",
        "like an option": "--help",
        "of digits": "12345",
        "like an id": "ws-abc123",
        "with a newline": "a\nb",
        "with a newline last": "abc\n",
        "with NUL": "a\x00b",
        "with an escape": "\x1b[31mred",
        "with markup": "<img src=x onerror=alert(1)>",
        "with SQL": "a'; DROP TABLE workspaces; --",
        "with Nix": "${builtins.readFile /etc/passwd}",
        "with a shell": "$(id)",
        "not in ASCII": "naïve",
        "in Cyrillic look-alikes": "\u0440\u0430\u0443l",
        "with right-to-left override": "a\u202eb",
        "of an emoji": "\U0001f600",
        "with a zero-width blank": "a\u200bb",
        "null": None,
        "a number": 5,
        "true": True,
        "a list": ["a"],
        "an object": {"a": 1},
    }
    for name, value in names.items():
        yield Case(f"name {name}", 422, "invalid_input", "name", body=_with(name=value))
    yield Case("name missing", 422, "invalid_input", "name", body=_json({"cpu": 1}))
    numbers: dict[str, object] = {
        "zero": 0,
        "negative": -1,
        "a little too small": 0.2499,
        "huge": 1e30,
        "true": True,
        "false": False,
        "a string": "2",
        "null": None,
        "a list": [2],
        "an object": {"gb": 2},
    }
    for key in ("cpu", "memory", "storage"):
        for name, value in numbers.items():
            yield Case(f"{key} {name}", 422, "invalid_input", key, body=_with(**{key: value}))
    for name, value in {
        "empty": "",
        "a path": "../minimal",
        "with a capital": "Minimal",
        "null": None,
        "a number": 1,
        "of 1,000 letters": "a" * 1000,
    }.items():
        yield Case(f"template {name}", 422, "invalid_input", "template", body=_with(template=value))
    packages: dict[str, object] = {
        "a string": "git",
        "null": None,
        "an object": {"git": True},
        "holding a number": [1],
        "holding null": [None],
        "holding nothing": [""],
        "with Nix code": ["git; builtins.abort"],
        "with an option": ["--option"],
        "with a path": ["/etc/passwd"],
        "with interpolation": ["${pkgs.git}"],
        "with a blank": ["git python3"],
        "with a flake": ["nixpkgs#git"],
        "with too many parts": ["a.b.c.d.e.f"],
        "of 200 letters": ["a" * 200],
        "of 257 items": ["git"] * 257,
        "with a newline last": ["git\n"],
    }
    for name, value in packages.items():
        yield Case(f"packages {name}", 422, "invalid_input", "packages", body=_with(packages=value))
    for name, value in {
        "zero": [0],
        "too high": [65_536],
        "a fraction": [80.5],
        "a string": ["80"],
        "true": [True],
        "no list": 80,
    }.items():
        yield Case(f"ports {name}", 422, "invalid_input", "ports", body=_with(ports=value))
    for key in ("id", "owner_id", "status", "host_path", "Name", "__proto__", "devices"):
        yield Case(f"unknown field {key}", 422, "invalid_input", key, body=_with(**{key: "x"}))


def _bad_json() -> Iterator[Case]:
    valid = _json(VALID)
    texts: dict[str, tuple[bytes, str | None]] = {
        "empty": (b"", None),
        "blanks": (b"   ", None),
        "cut off": (valid[:-1], None),
        "followed by more": (valid + b"{}", None),
        "with a trailing comma": (b'{"name": "a",}', None),
        "with single quotes": (b"{'name': 'a'}", None),
        "with a comment": (b'{"name": "a" /* no */}', None),
        "with a byte order mark": (b"\xef\xbb\xbf" + valid, None),
        "in UTF-16": (valid.decode().encode("utf-16"), None),
        "not UTF-8": (b'{"name": "\xff"}', None),
        "with an overlong encoding": (b'{"name": "\xc0\xaf"}', None),
        "with NaN": (b'{"name": "a", "cpu": NaN}', "cpu"),
        "with Infinity": (b'{"name": "a", "memory": Infinity}', "memory"),
        "with -Infinity": (b'{"name": "a", "storage": -Infinity}', "storage"),
        "with 1e999": (b'{"name": "a", "cpu": 1e999}', "cpu"),
        "with 5,000 digits": (b'{"name": "a", "cpu": ' + b"9" * 5000 + b"}", "cpu"),
        "with a duplicate key": (b'{"name": "a", "cpu": 1, "cpu": 2}', "cpu"),
        "with an escaped duplicate key": (b'{"name": "a", "n\\u0061me": "b"}', "name"),
        "with a lone surrogate": (b'{"name": "\\ud800"}', "name"),
        "with a reversed pair of surrogates": (b'{"name": "\\udc00\\ud800"}', "name"),
        "with a lone surrogate in a list": (b'{"name": "a", "packages": ["\\udfff"]}', "packages"),
        "with a raw control character": (b'{"name": "a\x01"}', None),
        "nested deep": (b'{"name": ' + b"[" * 50 + b"]" * 50 + b"}", "name"),
        "nested 100,000 deep": (b"[" * 100_000, None),
        "a bare word": (b"name", None),
        "form data": (b"name=a&cpu=1", None),
    }
    for name, (text, blamed) in texts.items():
        yield Case(f"JSON {name}", 400, "malformed_json", blamed, body=text)
    for name, value in {"a list": [VALID], "a string": "x", "a number": 1, "null": None, "true": True}.items():
        yield Case(f"JSON that is {name}", 422, "invalid_input", body=_json(value))


def _bad_http() -> Iterator[Case]:
    valid = _json(VALID)
    unsupported = (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "json",
        "(none)",
    )
    for kind in unsupported:
        yield Case(f"content type {kind}", 415, "unsupported_media_type", body=valid, headers={"Content-Type": kind})
    yield Case("gzip", 415, "unsupported_media_type", body=valid, headers={"Content-Encoding": "gzip"})
    too_long = {"Content-Length": "999999999999"}
    yield Case("announced too large", 413, "body_too_large", body=b"{", headers=too_long)
    yield Case("too large", 413, "body_too_large", body=_with(name="a" * 2_000_000))
    chunks = b"10000\r\n" + b" " * 65536 + b"\r\n"
    chunked = (
        f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    yield Case("too large in chunks", 413, "body_too_large", raw=chunked + chunks * 17)
    for name, token in {
        "no token": None,
        "an empty token": "Bearer ",
        "an unknown token": "Bearer nope",
        "another scheme": "Basic YWRtaW46YWRtaW4=",
        "a token without scheme": "nope",
        "a huge token": "Bearer " + "a" * 5000,
        "SQL as token": "Bearer ' OR 1=1 --",
    }.items():
        yield Case(name, 401, "unauthenticated", token=token, body=valid)


def _bad_routes() -> Iterator[Case]:
    valid = _json(VALID)
    yield Case("a token in the query", 401, "unauthenticated", method="GET", path=f"{LIST}?token=x", token=None)
    yield Case("an unknown route without token", 401, "unauthenticated", method="GET", path="/api/none", token=None)
    for key in ("limit", "cursor", "status", "template", "sort"):
        yield Case(f"query {key} empty", 422, "invalid_input", key, "GET", f"{LIST}?{key}=")
    for value in ("0", "201", "-1", "1e30", "1.0", "abc", "%31%30x", "99999999999999999999", "1_0", "%2b1", "NaN"):
        yield Case(f"limit {value}", 422, "invalid_input", "limit", "GET", f"{LIST}?limit={value}")
    yield Case("limit twice", 422, "invalid_input", "limit", "GET", f"{LIST}?limit=1&limit=2")
    yield Case("unknown status", 422, "invalid_input", "status", "GET", f"{LIST}?status=dead")
    yield Case("unknown sort", 422, "invalid_input", "sort", "GET", f"{LIST}?sort=owner")
    yield Case("unknown query", 422, "invalid_input", "owner", "GET", f"{LIST}?owner=me")
    yield Case("q too long", 422, "invalid_input", "q", "GET", f"{LIST}?q={'a' * 101}")
    yield Case("q not UTF-8", 422, "invalid_input", "q", "GET", f"{LIST}?q=%ff")
    yield Case("a garbled cursor", 422, "invalid_input", "cursor", "GET", f"{LIST}?cursor=garbled")
    for name in ("none", "ws-000000000000", "..%2e%2e", "%00", "%ff", "A", "a%20b", "a" * 64, "%3Cscript%3E"):
        path = f"{LIST}/{name}"
        yield Case(f"workspace {name[:20]} of {len(name)}", 404, "workspace_not_found", "workspace_id", "GET", path)
    verbs = ("start", "stop", "restart", "pause", "resume", "rebuild")
    for verb in verbs:
        path = f"{LIST}/none/{verb}"
        yield Case(f"{verb} of nothing", 404, "workspace_not_found", "workspace_id", "POST", path)
        yield Case(f"GET {verb}", 405, "method_not_allowed", None, "GET", path)
    yield Case("a body for start", 422, "invalid_input", None, "POST", f"{LIST}/none/start", body=b'{"force": true}')
    for value in ("0", "-1", "1.5", '"1"', "true", "null", "99999999999"):
        body = f'{{"generation": {value}}}'.encode()
        path = f"{LIST}/none/rebuild"
        yield Case(f"generation {value}", 422, "invalid_input", "generation", "POST", path, body=body)
    yield Case("an empty change", 422, "invalid_input", None, "PATCH", f"{LIST}/none", body=b"{}")
    yield Case(
        "a change of nothing", 404, "workspace_not_found", "workspace_id", "PATCH", f"{LIST}/none", b'{"cpu": 1}'
    )
    for key in ("cpu", "memory", "storage", "template", "packages", "ports"):
        body = _json({key: None})
        yield Case(f"change of {key} to null", 422, "invalid_input", key, "PATCH", f"{LIST}/none", body=body)
    yield Case("change of the name", 422, "invalid_input", "name", "PATCH", f"{LIST}/none", body=b'{"name": "b"}')
    for key in ("", "a b", "a" * 129, "ä"):
        headers = {"Idempotency-Key": key}
        yield Case(
            f"idempotency key {key[:9]!r} of {len(key)}",
            422,
            "invalid_input",
            "Idempotency-Key",
            body=valid,
            headers=headers,
        )
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
        yield Case(f"{method} of the list", 405, "method_not_allowed", None, method, LIST)
    for path in ("/api", "/api/", "/api/nixos/none", f"{LIST}/", f"{LIST}//", "/api/nixos/workspaces/a/b/c", "/x"):
        yield Case(f"path {path}", 404, "no_such_route", None, "GET", path)


def _garbage() -> Iterator[Case]:
    texts: dict[str, tuple[bytes, int, str]] = {
        "an unknown method": (b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_request"),
        "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed_request"),
        "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed_request"),
        "HTTP/9": (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400, "malformed_request"),
        "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400, "malformed_request"),
        "two hosts": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "malformed_request"),
        "two lengths": (
            b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
            "malformed_request",
        ),
        "length and chunks": (
            b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "malformed_request",
        ),
        "a negative length": (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "malformed_request"),
        "a wrong chunk": (
            (
                b"POST /api/nixos/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
            ),
            400,
            "malformed_request",
        ),
        "a header without colon": (b"GET / HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n", 400, "malformed_request"),
        "a folded header": (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400, "malformed_request"),
        "a blank before the colon": (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, "malformed_request"),
        "NUL in a header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n", 400, "malformed_request"),
        "CONNECT": (b"CONNECT other:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_request"),
        "a path with raw bytes": (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_request"),
        "a long URL": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "url_too_long"),
        "a long header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000 + b"\r\n\r\n", 431, "headers_too_large"),
        "an endless header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 300_000, 431, "headers_too_large"),
        "many headers": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431, "headers_too_large"),
    }
    for name, (text, status, code) in texts.items():
        yield Case(f"garbage: {name}", status, code, raw=text)


CASES: tuple[Case, ...] = (*_bad_values(), *_bad_json(), *_bad_http(), *_bad_routes(), *_garbage())
