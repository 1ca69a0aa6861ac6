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
from urllib.parse import quote, urlsplit

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
        "that is a path": "create",
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


def _bad_terminals() -> Iterator[Case]:
    for name, path in {"too long": "/" + "x" * 4095, "too long in UTF-8": "/" + "ß" * 2048, "relative": "tmp"}.items():
        body = _json({"cwd": path})
        yield Case(
            f"a terminal's directory {name}", 422, "invalid_input", "cwd", "POST", f"{LIST}/none/terminals", body
        )


def _bad_recordings() -> Iterator[Case]:
    choices = f"{LIST}/none/terminal-choices"
    wanted: tuple[tuple[str, object, str], ...] = (
        ("are no booleans", {"record": 1, "moderated": False}, "record"),
        ("are not all said", {"record": True}, "moderated"),
        ("are unknown", {"record": True, "moderated": True, "play": True}, "play"),
    )
    for name, said, field in wanted:
        yield Case(f"choices of terminals {name}", 422, "invalid_input", field, "PUT", choices, _json(said))
    for query, field in (("q=a&q=b", "q"), ("terminal=" + "f" * 17, "terminal"), ("find=x", "find")):
        path = f"{LIST}/none/recordings?{query}"
        yield Case(f"recordings by {query}", 422, "invalid_input", field, "GET", path)


def _bad_layouts() -> Iterator[Case]:
    pane: dict[str, object] = {"terminal": "0123456789abcdef"}
    deep: dict[str, object] = pane
    for number in range(6):
        deep = {"direction": "row", "parts": [{"terminal": f"{number:016x}"}, deep]}
    for name, tabs in {
        "no id": [{"terminal": "../../etc/passwd"}],
        "a terminal twice": [pane, pane],
        "a split of one": [{"direction": "row", "parts": [pane]}],
        "a split of no direction": [{"direction": "up", "parts": [pane, {"terminal": "0" * 16}]}],
        "no share": [{**pane, "share": 0}],
        "too deep": [deep],
        "too many": [{"terminal": f"{number:016x}"} for number in range(200)],
        "no list": "none",
    }.items():
        body = _json({"version": 0, "layout": {"tabs": tabs}})
        yield Case(
            f"a layout with {name}",
            422,
            "invalid_input",
            "layout",
            "PUT",
            f"{LIST}/none/terminal-layout",
            body,
        )


def _bad_networks() -> Iterator[Case]:
    path = f"{LIST}/none/network"
    for name, entry, code, part in (
        ("everything", {"cidr": "0.0.0.0/0"}, "everything", "/cidr"),
        ("all of IPv6", {"cidr": "::/0"}, "everything", "/cidr"),
        ("the metadata address", {"cidr": "169.254.169.254"}, "never_allowed", "/cidr"),
        ("loopback", {"cidr": "[::1]"}, "invalid_entry", "/cidr"),
        ("a private range", {"cidr": "10.0.0.0/24", "ports": [5432]}, "never_allowed", "/cidr"),
        ("an address in IPv6's clothes", {"cidr": "::ffff:10.0.0.1"}, "never_allowed", "/cidr"),
        ("a decimal address", {"name": "2130706433"}, "invalid_entry", "/name"),
        ("an octal address", {"name": "0177.0.0.1"}, "invalid_entry", "/name"),
        ("a hexadecimal address", {"name": "0x7f.0.0.1"}, "invalid_entry", "/name"),
        ("a URL", {"name": "https://a.example/"}, "invalid_entry", "/name"),
        ("this machine", {"name": "a.localhost"}, "never_allowed", "/name"),
        ("a whole domain", {"name": "*.org"}, "invalid_entry", "/name"),
        ("a name of another alphabet that is none", {"name": "\u200d.example"}, "invalid_entry", "/name"),
        ("port 0", {"name": "a.example", "ports": [0]}, "invalid_input", "/ports"),
        ("ports that go down", {"name": "a.example", "ports": ["9-8"]}, "invalid_entry", "/ports"),
        ("a number as its range", {"cidr": 1}, "invalid_input", "/cidr"),
        ("a time without a zone", {"name": "a.example", "expires_at": "2030-01-01"}, "invalid_input", "/expires_at"),
        ("nothing", {}, "invalid_entry", ""),
    ):
        body = _json({"mode": "locked", "allow": [{"name": "a.example"}, entry]})
        yield Case(f"a network with {name}", 422, code, f"/allow/1{part}", "PUT", path, body)
        body = _json({**VALID, "network": "locked", "allow": [{"name": "a.example"}, entry]})
        yield Case(f"a workspace with a network with {name}", 422, code, f"/allow/1{part}", body=body)
    many = [{"name": f"n{number}.example"} for number in range(10_000)]
    yield Case(
        "a workspace with a network of ten thousand names",
        422,
        "invalid_input",
        "allow",
        body=_json({**VALID, "allow": many}),
    )
    body = _json({"mode": "locked", "deny": many})
    yield Case("a network of ten thousand names", 422, "invalid_input", "deny", "PUT", path, body)
    body = _json({"mode": "locked", "allow": many[:200], "deny": many[:200]})
    yield Case("a network with too many entries", 422, "too_many_rules", "/allow", "PUT", path, body)
    for wrong in ("shut", "", None, 1, "OPEN"):
        yield Case(f"network mode {wrong!r}", 422, "invalid_input", "mode", "PUT", path, _json({"mode": wrong}))
    for wrong in ("9h", "0s", "-1m", 600, "ten minutes", "1e9s", None):
        yield Case(
            f"learning for {wrong!r}", 422, "invalid_input", "for", "POST", f"{path}/learn", _json({"for": wrong})
        )
    body = _json({"ttl": "1y"})
    yield Case("an approval for a year", 422, "invalid_input", "ttl", "POST", f"{path}/proposals/np-1/approve", body)


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
    for key in ("name", "cpu", "memory", "storage", "template", "packages", "ports"):
        body = _json({key: None})
        yield Case(f"change of {key} to null", 422, "invalid_input", key, "PATCH", f"{LIST}/none", body=body)
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


def _names_and_plans() -> Iterator[Case]:
    for value in ("create", "Upper", "12345", "ws-abc", "-a", "a" * 64, ""):
        body = _json({"name": value})
        yield Case(f"rename to {value[:9]!r}", 422, "invalid_input", "name", "PATCH", f"{LIST}/none", body=body)
    yield Case(
        "a plan of nothing", 404, "workspace_not_found", "workspace_id", "POST", f"{LIST}/none/plan", b'{"cpu": 1}'
    )
    yield Case("an empty plan", 422, "invalid_input", None, "POST", f"{LIST}/none/plan", b"{}")


def _secrets() -> Iterator[Case]:
    mine = "/api/nixos/secrets"
    variable = {"kind": "environment", "value": "x"}
    for name in ("1st", "a b", "ü", "a" * 129, "-x", "%00"):
        path = f"{mine}/{quote(name, safe='%')}"
        yield Case(f"secret {name[:9]!r}", 422, "invalid_input", "name", "PUT", path, _json(variable))
    for name in ("PATH", "LD_PRELOAD", "with.dot", "with-hyphen", "BASH_ENV"):
        yield Case(f"variable {name}", 422, "invalid_input", "name", "PUT", f"{mine}/{name}", _json(variable))
    wrong: dict[str, tuple[str, dict[str, object]]] = {
        "no value": ("value", {"kind": "environment"}),
        "an empty value": ("value", {"kind": "environment", "value": ""}),
        "a value of bytes": ("value", {"kind": "environment", "value": 5}),
        "a long value": ("value", {"kind": "file", "value": "x" * 65_537}),
        "a long value of umlauts": ("value", {"kind": "file", "value": "ü" * 32_769}),
        "a NUL": ("value", {"kind": "environment", "value": "a\0b"}),
        "another kind": ("kind", {"kind": "keyring", "value": "x"}),
        "a mode for everybody": ("mode", {"kind": "file", "value": "x", "mode": "0644"}),
        "no mode": ("mode", {"kind": "file", "value": "x", "mode": "rw"}),
        "no host": ("host", {"kind": "git", "value": "x"}),
        "a host with a path": ("host", {"kind": "git", "value": "x", "host": "code.example/../x"}),
        "a token of two lines": ("value", {"kind": "git", "value": "x\nhost=other", "host": "code.example"}),
        "a user name of two lines": ("username", {"kind": "git", "value": "x", "host": "a.b", "username": "a\nb"}),
        "an unknown field": ("values", {"kind": "environment", "value": "x", "values": "y"}),
    }
    for about, (field, body) in wrong.items():
        yield Case(f"secret with {about}", 422, "invalid_input", field, "PUT", f"{mine}/A", _json(body))
    for place in (
        "/etc/passwd",
        "~/../x",
        "~/a//b",
        "~/",
        "/run/secrets",
        "/run/secrets/../x",
        "~/a\nb",
        "x",
        "~root/x",
    ):
        wanted = _json({"kind": "file", "value": "x", "path": place})
        yield Case(f"secret at {place!r}", 422, "invalid_path", "path", "PUT", f"{mine}/A", wanted)
    yield Case("no secret to delete", 404, "secret_not_found", "name", "DELETE", f"{mine}/NONE")
    of_none = f"{LIST}/none/secrets/A"
    yield Case("a secret of nothing", 404, "workspace_not_found", "workspace_id", "PUT", of_none, _json(variable))


def _repositories() -> Iterator[Case]:
    urls = {
        "credentials_in_url": (
            "https://ann:token@code.example/x",
            "https://token@code.example/x",
            "ssh://a:b@c.example/x",
        ),
        "invalid_repository": (
            *("--upload-pack=touch /tmp/x", "ext::sh -c id", "file:///etc", "/etc", "../x", "-x", "git://a.example/x"),
            *("https://", "https://a.example", "http://a b/x", "ssh://-oProxyCommand=id/x", "a@-oProxyCommand=id:x"),
            *("https://a.example/x\n", "https://a.example/$(id)", "a@b.example:-x", "https://[::1/x", "fd::17/x"),
        ),
    }
    for code, given in urls.items():
        for url in given:
            body = _json({**VALID, "git": {"url": url}})
            yield Case(f"a repository at {url[:30]!r}", 422, code, "git", body=body)
    wrong: tuple[dict[str, str], ...] = (
        *(
            {"ref": "-x"},
            {"ref": "a..b"},
            {"ref": "a b"},
            {"directory": "../x"},
            {"directory": "/etc"},
            {"directory": "-x"},
        ),
        *({"directory": ".git/hooks"}, {"directory": "a/.git"}, {"directory": "a//b"}),
    )
    for one in wrong:
        body = _json({**VALID, "git": {"url": "https://code.example/x", **one}})
        yield Case(f"a repository with {one}", 422, "invalid_repository", "git", body=body)
    profile = "/api/nixos/profile"
    bad = _json({"dotfiles": {"url": "file:///etc"}})
    yield Case("dotfiles of a file", 422, "invalid_repository", "dotfiles", "PUT", profile, bad)
    bad = _json({"dotfiles": {"url": "https://code.example/x", "script": "../x"}})
    yield Case("dotfiles with a script elsewhere", 422, "invalid_path", "dotfiles", "PUT", profile, bad)
    yield Case("no profile", 422, "invalid_input", "dotfiles", "PUT", profile, b"{}")
    of_none = f"{LIST}/none/git"
    yield Case("a clone into nothing", 404, "workspace_not_found", "workspace_id", "POST", of_none)


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


def _ways_in() -> Iterator[Case]:
    keys, certificates = "/api/nixos/ssh-keys", "/api/nixos/ssh-certificates"
    bad = {
        "no key": "x",
        "a type alone": "ssh-ed25519",
        "base64 of nothing": "ssh-ed25519 AAAA",
        "options": 'command="id" ssh-ed25519 AAAA',
        "two lines": "ssh-ed25519 AAAA\nssh-ed25519 AAAA",
        "a private key": "-----BEGIN OPENSSH PRIVATE KEY-----",
        "an old type": "ssh-dss AAAAB3NzaC1kc3MAAAAA",
    }
    for about, key in bad.items():
        body = _json({"public_key": key})
        yield Case(f"public key: {about}", 422, "invalid_public_key", "public_key", path=keys, body=body)
        yield Case(f"certificate of {about}", 422, "invalid_public_key", "public_key", path=certificates, body=body)
    for about, long in {"none": "", "a long one": "s" * 100_000}.items():
        wanted = _json({"public_key": long})
        yield Case(f"public key: {about}", 422, "invalid_input", "public_key", path=keys, body=wanted)
    for hours in (0, 13, -1, "a day"):
        wanted = _json({"public_key": "x", "valid_for": hours})
        yield Case(f"a certificate for {hours!r}", 422, "invalid_input", "valid_for", path=certificates, body=wanted)
    yield Case("no key to remove", 404, "ssh_key_not_found", "key_id", "DELETE", f"{keys}/sk-none")
    for port in ("0", "65536", "-1", "x", "9" * 30, "\uff12\uff12"):
        path = f"{LIST}/none/tunnel?port={quote(port)}"
        yield Case(f"a tunnel to {port[:9]!r}", 422, "invalid_input", "port", "GET", path)
        of_none = f"{LIST}/none/ports/{quote(port)}"
        private = _json({"visibility": "private"})
        yield Case(f"a preview of {port[:9]!r}", 422, "invalid_input", "port", "PUT", of_none, private)
    yield Case("a tunnel into nothing", 404, "workspace_not_found", "workspace_id", "GET", f"{LIST}/none/tunnel")
    yield Case("ports of nothing", 404, "workspace_not_found", "workspace_id", "GET", f"{LIST}/none/ports")
    shown = f"{LIST}/none/ports/3000"
    for about, stated in {"all": {"visibility": "all"}, "none": {}}.items():
        yield Case(f"a port for {about}", 422, "invalid_input", "visibility", "PUT", shown, _json(stated))
    ages = _json({"visibility": "link", "expires_in": 10**12})
    yield Case("a link for ages", 422, "invalid_input", "expires_in", "PUT", shown, ages)
    foreign = _json({"url": "http://other.example/"})
    yield Case("a preview elsewhere", 404, "preview_not_found", "url", path="/api/nixos/previews", body=foreign)


def _people() -> Iterator[Case]:
    root = "/api/nixos"
    handles = {"empty": "", "large": "Ann", "long": "a" * 41, "path": "../x", "blank": "a b", "number": 5, "null": None}
    for about, handle in handles.items():
        wanted = _json({"handle": handle})
        yield Case(f"a handle: {about}", 422, "invalid_input", "handle", path=f"{root}/users", body=wanted)
        named = _json({"name": handle})
        yield Case(f"a group: {about}", 422, "invalid_input", "name", path=f"{root}/groups", body=named)
    for field, value in {"role": "root", "kind": "robot", "id": "admin", "password": "x"}.items():
        wanted = _json({"handle": "x", field: value})
        yield Case(f"a user with {field}", 422, "invalid_input", field, path=f"{root}/users", body=wanted)
    yield Case("the first user again", 409, "handle_taken", "handle", path=f"{root}/users", body=b'{"handle":"admin"}')
    for field, value in {"role": "", "state": "gone", "handle": "x", "display_name": "x" * 101}.items():
        change = _json({field: value})
        yield Case(f"a user's {field}", 422, "invalid_input", field, "PATCH", f"{root}/users/admin", change)
    member = _json({"role": "member"})
    yield Case("no administrator", 409, "last_administrator", None, "PATCH", f"{root}/users/admin", member)
    suspended = _json({"state": "suspended"})
    yield Case("an own suspension", 409, "last_administrator", None, "PATCH", f"{root}/users/admin", suspended)
    for path, field in {"users/none": "user", "users/none/tokens": "user", "users/%00": "user"}.items():
        yield Case(f"no {path}", 404, "user_not_found", field, "GET", f"{root}/{path}")
    yield Case("no group", 404, "group_not_found", "group", "DELETE", f"{root}/groups/none")
    yield Case("no token to revoke", 404, "token_not_found", "token_id", "DELETE", f"{root}/tokens/tok-none")
    strange = "identity_id", "DELETE", f"{root}/me/identities/idn-none"
    yield Case("no account at a provider", 404, "identity_not_found", *strange)
    yield Case("no session", 404, "browser_session_not_found", "session_id", "DELETE", f"{root}/sessions/tok-none")
    tokens = {"name": "a/b", "scopes": ["everything"], "expires_in": "1y", "workspaces": "ws-a", "user": ""}
    for field, bad in tokens.items():
        wanted = _json({"name": "ci", field: bad})
        yield Case(f"a token's {field}", 422, "invalid_input", field, path=f"{root}/tokens", body=wanted)
    of_admin = _json({"name": "ci", "user": "admin"})
    yield Case("a token for a person", 409, "no_service_account", "user", path=f"{root}/tokens", body=of_admin)
    for about, bound in {"negative": -1, "text": "many", "endless": 10**12}.items():
        quota = _json({"workspaces": bound})
        path = f"{root}/quotas/users/admin"
        yield Case(f"a quota: {about}", 422, "invalid_input", "workspaces", "PUT", path, quota)
    weak = _json({"password": "short"})
    yield Case("a short password", 422, "password_length", "password", "PUT", f"{root}/me/password", weak)
    common = _json({"password": "Password1234"})
    yield Case("a common password", 422, "password_common", "password", "PUT", f"{root}/me/password", common)
    login = f"{root}/login"
    for about, given in {
        "a handle alone": {"handle": "x"},
        "all at once": {"code": "x", "handle": "x", "password": "y"},
    }.items():
        yield Case(f"a sign-in with {about}", 422, "invalid_input", None, path=login, body=_json(given), token=None)
    nobody = _json({"handle": "nobody", "password": "seven green lanterns"})
    yield Case("a sign-in of nobody", 401, "sign_in_failed", None, path=login, body=nobody, token=None)
    wrong = _json({"name": "x", "scopes": ["root"]})
    yield Case("a device with scopes", 422, "invalid_input", "scopes", path=f"{root}/device", body=wrong, token=None)
    ask = _json({"device_code": "x"})
    yield Case("a device code", 400, "expired_token", None, path=f"{root}/device/token", body=ask, token=None)
    yield Case("a user code", 404, "device_code_unknown", "user_code", "GET", f"{root}/device/BCDF-GHJK")


def _passkeys() -> Iterator[Case]:
    root, sign_in = "/api/nixos/me/passkeys", "/api/nixos/passkey-login"
    none = f"{root}/psk-000000000000"
    answer = dict.fromkeys(("credential_id", "client_data", "authenticator_data", "signature", "user_handle"), "AAAA")
    made = {"credential_id": "AAAA", "client_data": "AAAA", "attestation_object": "AAAA"}
    yield Case(
        "a passkey that says nothing", 401, "passkey_refused", None, path=sign_in, body=_json(answer), token=None
    )
    for field in answer:
        for wrong in ("", "A=", "ä", 1, None, "A" * 20_000):
            body = _json(answer | {field: wrong})
            about = f"a passkey with {field} {str(wrong)[:5]!r}"
            yield Case(about, 422, "invalid_input", field, path=sign_in, body=body, token=None)
    yield Case(
        "a passkey with more", 422, "invalid_input", "id", path=sign_in, body=_json(answer | {"id": "A"}), token=None
    )
    for name in ("", "x" * 65, 1, None):
        about = f"a passkey named {str(name)[:5]!r}"
        yield Case(about, 422, "invalid_input", "name", path=root, body=_json({"name": name, "made": made}))
        yield Case(f"{about} anew", 422, "invalid_input", "name", "PATCH", none, _json({"name": name}))
    yield Case("a passkey without an answer", 422, "invalid_input", "made", path=root, body=_json({"name": "x"}))
    yield Case("no such passkey to rename", 404, "passkey_not_found", "passkey_id", "PATCH", none, _json({"name": "x"}))
    yield Case("no such passkey to remove", 404, "passkey_not_found", "passkey_id", "DELETE", none)
    yield Case("no passkey to confirm with", 404, "passkey_not_found", None, path=f"{root}/confirmation")
    yield Case("a passkey for numbers", 409, "passkey_needs_name", None, path=f"{root}/options", body=b"{}")
    yield Case(
        "a proof of numbers", 422, "invalid_input", "current", path=f"{root}/options", body=_json({"current": 1})
    )


def _shares() -> Iterator[Case]:
    none = "/api/nixos/workspaces/none"
    missing = "workspace_not_found", "workspace_id"
    yield Case("shares of nothing", 404, *missing, "GET", f"{none}/shares")
    yield Case("a share of nothing", 404, *missing, path=f"{none}/shares", body=_json({"with": "link"}))
    yield Case("an end of a share of nothing", 404, *missing, "DELETE", f"{none}/shares/shr-1")
    yield Case("nobody to admit to nothing", 404, *missing, path=f"{none}/shares/shr-1/admit")
    yield Case("leaving nothing", 404, *missing, path=f"{none}/leave")
    yield Case("nothing for somebody else", 404, *missing, path=f"{none}/transfer", body=_json({"to": "ann"}))
    wishes: dict[str, tuple[object, str | None]] = {
        "with nobody": ({}, "with"),
        "with an empty name": ({"with": "user:"}, "with"),
        "with an unknown kind": ({"with": "team:x"}, "with"),
        "with a number": ({"with": 7}, "with"),
        "with a long name": ({"with": "user:" + "a" * 100}, "with"),
        "as owner": ({"with": "link", "access": "owner"}, "access"),
        "of a file": ({"with": "link", "part": "file:/etc/passwd"}, "part"),
        "of port 0": ({"with": "link", "part": "port:0"}, "part"),
        "of port 65536": ({"with": "link", "part": "port:65536"}, "part"),
        "of a terminal with blanks": ({"with": "link", "part": "terminal:a b"}, "part"),
        "for a second": ({"with": "link", "expires_in": 1}, None),
        "for less than nothing": ({"with": "link", "expires_in": -60}, "expires_in"),
        "for ever and a day": ({"with": "link", "expires_in": 10**12}, "expires_in"),
        "that knocks by a word": ({"with": "link", "knock": "yes"}, "knock"),
        "with another owner": ({"with": "link", "created_by": "admin"}, "created_by"),
    }
    for about, (wanted, field) in wishes.items():
        yield Case(f"a share {about}", 422, "invalid_input", field, path=f"{none}/shares", body=_json(wanted))
    for about, to in {"nobody": "", "a number": 1, "a long name": "a" * 41}.items():
        yield Case(
            f"a transfer to {about}", 422, "invalid_input", "to", path=f"{none}/transfer", body=_json({"to": to})
        )
    yield Case("no offer to withdraw", 404, *missing, "DELETE", f"{none}/transfer")
    offer = "/api/nixos/transfers/ws-00000000none"
    gone = 404, "transfer_not_found", "workspace_id"
    yield Case("an acceptance of nothing", *gone, path=f"{offer}/accept", body=_json({}))
    yield Case("a refusal of nothing", *gone, path=f"{offer}/refuse")
    wrong = _json({"deliver_secrets": "yes"})
    yield Case("an acceptance by a word", 422, "invalid_input", "deliver_secrets", path=f"{offer}/accept", body=wrong)
    secret = f"{none}/personal-secrets"
    yield Case("secrets for nothing", 404, *missing, "PUT", secret, body=_json({"deliver": True}))
    yield Case("secrets by a number", 422, "invalid_input", "deliver", "PUT", secret, body=_json({"deliver": 1}))
    yield Case("a link that is none", 401, "link_invalid", None, path="/api/nixos/join", body=_json({"secret": "x"}))
    yield Case("an empty link", 422, "invalid_input", "secret", path="/api/nixos/join", body=_json({"secret": ""}))
    guests: dict[str, tuple[object, int, str, str | None]] = {
        "by a wrong link": ({"secret": "x", "name": "Ann"}, 401, "link_invalid", None),
        "without a name": ({"secret": "x"}, 422, "invalid_input", "name"),
        "with an empty name": ({"secret": "x", "name": ""}, 422, "invalid_input", "name"),
        "with markup": ({"secret": "x", "name": "<b>"}, 422, "invalid_input", "name"),
        "with a line end": ({"secret": "x", "name": "a\nb"}, 422, "invalid_input", "name"),
        "with a role": ({"secret": "x", "name": "Ann", "role": "admin"}, 422, "invalid_input", "role"),
    }
    for about, (wanted, status, code, field) in guests.items():
        path = "/api/nixos/join-as-guest"
        yield Case(f"a guest {about}", status, code, field, path=path, body=_json(wanted), token=None)


def _sizes() -> Iterator[Case]:
    none = "/api/nixos/workspaces/none"
    missing = 404, "workspace_not_found", "workspace_id"
    good = {"cpu": {"min": 1, "max": 2}, "memory": {"min": 1, "max": 2}}
    yield Case("advice about nothing", *missing, "GET", f"{none}/advice")
    yield Case("advice for nothing to follow", *missing, path=f"{none}/advice/apply")
    yield Case("an end of no changes", *missing, "DELETE", f"{none}/autoscale")
    yield Case("an end of no boost", *missing, "DELETE", f"{none}/boost")
    wishes: dict[str, tuple[object, str]] = {
        "without memory": ({"cpu": good["cpu"]}, "memory"),
        "with one number": (good | {"cpu": 2}, "cpu"),
        "the wrong way round": (good | {"cpu": {"min": 2, "max": 1}}, "cpu"),
        "with memory the wrong way round": (good | {"memory": {"min": 2, "max": 1}}, "memory"),
        "from nothing": (good | {"memory": {"min": 0, "max": 1}}, "memory"),
        "without an end": (good | {"cpu": {"min": 1}}, "cpu"),
        "after a second": (good | {"down_after": "1s"}, "down_after"),
        "after a number": (good | {"down_after": 600}, "down_after"),
        "with more": (good | {"storage": {"min": 1, "max": 2}}, "storage"),
    }
    for about, (wanted, field) in wishes.items():
        yield Case(f"sizes {about}", 422, "invalid_input", field, "PUT", f"{none}/autoscale", _json(wanted))
    boosts: dict[str, tuple[object, str]] = {
        "without an end": ({"cpu": 2}, "for"),
        "for ever": ({"cpu": 2, "for": "8d"}, "for"),
        "for a second": ({"cpu": 2, "for": "1s"}, "for"),
        "of null": ({"cpu": None, "for": "1h"}, "cpu"),
        "of no cores": ({"cpu": 0, "for": "1h"}, "cpu"),
        "of storage": ({"storage": 2, "for": "1h"}, "storage"),
    }
    for about, (wanted, field) in boosts.items():
        yield Case(f"a boost {about}", 422, "invalid_input", field, path=f"{none}/boost", body=_json(wanted))


def _audit() -> Iterator[Case]:
    audit = "/api/nixos/audit"
    for seq in ("0", "-1", "x", "1e3", "9" * 30):
        yield Case(f"audit entry {seq[:9]}", 422, "invalid_input", "seq", "GET", f"{audit}/{seq}")
        yield Case(f"proof of audit entry {seq[:9]}", 422, "invalid_input", "seq", "GET", f"{audit}/{seq}/proof")
    yield Case("no such audit entry", 404, "audit_entry_not_found", "seq", "GET", f"{audit}/{(1 << 53) - 1}")
    yield Case("a proof of nothing", 404, "audit_entry_not_found", "seq", "GET", f"{audit}/{(1 << 53) - 1}/proof")
    yield Case("a proof to come", 422, "audit_size_unknown", "size", "GET", f"{audit}/1/proof?size={1 << 50}")
    queries = {
        "kind=all": "kind",
        "since=now": "since",
        "until=2026": "until",
        "cursor=0": "cursor",
        "limit=0": "limit",
    }
    for query, field in {**queries, "actor=" + "x" * 65: "actor", "who=me": "who"}.items():
        yield Case(f"audit by {query[:9]}", 422, "invalid_input", field, "GET", f"{audit}?{query}")
    yield Case("audit as a table", 422, "invalid_input", "format", "GET", f"{audit}/export?format=csv")
    for query in ("", "?from=0", "?from=x"):
        yield Case(f"consistency {query}", 422, "invalid_input", "from", "GET", f"{audit}/consistency{query}")
    yield Case(
        "consistency to come", 422, "audit_size_unknown", "size", "GET", f"{audit}/consistency?from=1&to={1 << 50}"
    )
    yield Case("an entry for the audit log", 405, "method_not_allowed", None, "POST", audit, b"{}")


CASES: tuple[Case, ...] = (
    *_audit(),
    *_bad_values(),
    *_bad_json(),
    *_bad_http(),
    *_bad_routes(),
    *_names_and_plans(),
    *_secrets(),
    *_repositories(),
    *_ways_in(),
    *_people(),
    *_passkeys(),
    *_shares(),
    *_sizes(),
    *_bad_terminals(),
    *_bad_recordings(),
    *_bad_layouts(),
    *_bad_networks(),
    *_garbage(),
)
