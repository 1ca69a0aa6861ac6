"""The routes of files, over HTTP to the real service."""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_from_bytes

import httpx2
import pytest
from files_web import FilesWeb, files_web

LIMIT_GB = 0.05


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilesWeb]:
    with files_web(tmp_path_factory.mktemp("data"), max_upload_gb=LIMIT_GB) as running:
        yield running


@pytest.fixture
def http(service: FilesWeb) -> Iterator[httpx2.Client]:
    with service.web.http() as client:
        yield client


@pytest.fixture
def home(service: FilesWeb, request: pytest.FixtureRequest) -> Path:
    path = service.server.home / f"t{abs(hash(request.node.nodeid)):x}"
    path.mkdir()
    os.chown(path, service.server.uid, service.server.uid)
    return path


def url(service: FilesWeb, path: Path | bytes) -> str:
    return f"{service.root}/files{quote_from_bytes(os.fsencode(path), safe='/')}"


def staged(service: FilesWeb) -> list[str]:
    directory = service.server.home / ".cache/nixws/uploads"
    return [path.name for path in directory.iterdir()] if directory.exists() else []


def test_put_list_get_delete(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    made = http.put(url(service, home / "a b.txt"), content=b"hello")
    assert (made.status_code, made.json()["created"]) == (201, True)
    assert http.put(url(service, home / "a b.txt"), content=b"hello!", params={"mode": "750"}).status_code == 200
    listed = http.get(f"{service.root}/files", params={"path": str(home)}).json()
    assert [(one["name"], one["type"], one["size"], one["mode"]) for one in listed["files"]] == [
        ("a b.txt", "file", 6, "0750")
    ]
    got = http.get(f"{service.root}/files{listed['files'][0]['path']}")
    assert got.content == b"hello!"
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    assert got.headers["content-disposition"].startswith("attachment;")
    head = http.head(url(service, home / "a b.txt"))
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "6", b"")
    assert http.delete(url(service, home / "a b.txt")).json() == {"count": 1}
    missing = http.get(url(service, home / "a b.txt"))
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "file_not_found")


def test_names_of_any_bytes_make_the_round_trip(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    names = [
        b"\xff\xfe",
        b"%41",
        b"a+b&c=d#?",
        "ünï☃".encode(),
        b"\r\nX: y",
        b'q"\\',
        "a\u202egpj.exe".encode(),
        b"\x01",
    ]
    for name in names:
        assert http.put(url(service, os.fsencode(home) + b"/" + name), content=name).status_code == 201, name
    listed = http.get(f"{service.root}/files?path={quote(str(home))}").json()["files"]
    assert len(listed) == len(names)
    for one in listed:
        got = http.get(f"{service.root}/files{one['path']}")
        assert got.status_code == 200
        assert got.content in names
        disposition = got.headers.get_list("content-disposition")
        assert len(disposition) == 1
        assert disposition[0].isascii()
        assert disposition[0].isprintable()
        assert "x" not in got.headers or got.headers["x"] != "y"
        inside = http.get(f"{service.root}/files?path={one['path']}")
        assert inside.json()["error"]["code"] == "not_a_directory"


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ("bytes=0-9", (206, 0, 10)),
        ("bytes=90-", (206, 90, 100)),
        ("bytes=-10", (206, 90, 100)),
        ("bytes=-1000", (206, 0, 100)),
        ("bytes=50-1000", (206, 50, 100)),
        ("bytes=100-", (416, 0, 0)),
        ("bytes=-0", (416, 0, 0)),
        ("bytes=9-1", (200, 0, 100)),
        ("bytes=0-1,5-6", (200, 0, 100)),
        ("lines=1-2", (200, 0, 100)),
        ("bytes=abc", (200, 0, 100)),
    ],
)
def test_ranges(service: FilesWeb, http: httpx2.Client, home: Path, wanted: str, answer: tuple[int, int, int]) -> None:
    status, start, end = answer
    content = os.urandom(100)
    http.put(url(service, home / "f"), content=content)
    got = http.get(url(service, home / "f"), headers={"Range": wanted})
    assert got.status_code == status
    if status == 416:
        assert got.headers["content-range"] == "bytes */100"
    else:
        assert got.content == content[start:end]
        assert (status == 206) == ("content-range" in got.headers)


def test_conditions(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    where = url(service, home / "f")
    first = http.put(where, content=b"one").headers["etag"]
    assert http.get(where, headers={"If-None-Match": first}).status_code == 304
    assert http.get(where, headers={"If-None-Match": '"other"'}).status_code == 200
    assert http.get(where, headers={"If-None-Match": "*"}).status_code == 304
    assert http.get(where, headers={"Range": "bytes=0-0", "If-Range": first}).status_code == 206
    assert http.get(where, headers={"Range": "bytes=0-0", "If-Range": '"x"'}).status_code == 200
    second = http.put(where, content=b"two", headers={"If-Match": first})
    assert second.status_code == 200
    lost = http.put(where, content=b"lost", headers={"If-Match": first})
    assert (lost.status_code, lost.json()["error"]["code"]) == (412, "precondition_failed")
    assert http.put(where, content=b"lost", headers={"If-None-Match": "*"}).status_code == 412
    assert http.put(where, content=b"lost", headers={"If-Match": "junk"}).status_code == 422
    assert http.get(where).content == b"two"
    old = "Sun, 06 Nov 1994 08:49:37 GMT"
    assert http.get(where, headers={"If-Modified-Since": old}).status_code == 200
    present = second.headers["etag"]
    for wanted in (
        {"If-Match": present},
        {"If-Match": "*"},
        {"If-Match": f'"x", {present}', "If-Unmodified-Since": old},
    ):
        assert http.get(where, headers=wanted).content == b"two"
    for unwanted in ({"If-Match": first}, {"If-Match": "junk"}, {"If-Unmodified-Since": old}):
        lost = http.get(where, headers=unwanted)
        assert (lost.status_code, lost.json()["error"]["code"]) == (412, "precondition_failed")
    assert http.get(where, headers={"If-Unmodified-Since": "at no time"}).status_code == 200


def test_a_method_that_a_file_does_not_know_is_told_all_that_it_knows(
    service: FilesWeb, http: httpx2.Client, home: Path
) -> None:
    refused = http.post(url(service, home / "f"), content=b"")
    assert refused.status_code == 405
    assert set(refused.headers["allow"].split(", ")) == {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "PUT"}


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/%00", 422),
        ("/" + "x" * 256, 422),
        ("/" + "x/" * 2050, 422),
        ("/proc/self/mem", 403),
        ("/etc", 409),
        ("/dev/null", 409),
        ("/nowhere/at/all", 404),
        ("/..%2f..%2f..%2fetc", 409),
        ("/%2e%2e/%2e%2e/etc", 409),
        ("/%252e%252e/%252e%252e/etc", 404),
        ("/%c0%ae%c0%ae/%c0%ae%c0%ae/etc", 404),
        ("/..%c0%af..%c0%afetc", 404),
        ("/..%5c..%5cetc", 404),
        ("/....//....//etc", 404),
        ("//etc", 409),
    ],
)
def test_bad_paths_are_clear_errors(
    service: FilesWeb, http: httpx2.Client, method: str, path: str, status: int
) -> None:
    target = httpx2.URL(service.web.url).copy_with(raw_path=f"{service.root}/files{path}".encode())
    started = time.monotonic()
    got = http.request(method, target, content=b"x" if method == "PUT" else None)
    assert time.monotonic() - started < 3
    assert got.status_code < 500
    if method == "GET" and path != "/proc/self/mem":
        assert got.status_code == status, got.text
    else:
        assert got.status_code in {status, 403, 404, 409, 422}, got.text
    assert not staged(service)


def test_special_files_do_not_hang(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    os.mkfifo(home / "pipe")
    for method in ("GET", "PUT"):
        got = http.request(method, url(service, home / "pipe"))
        assert (got.status_code, got.json()["error"]["code"]) == (409, "not_a_file")


def test_changes(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    files = f"{service.root}/files"
    assert http.post(f"{files}/mkdir", json={"path": f"{home}/d/e", "parents": True}).status_code == 201
    assert http.post(f"{files}/mkdir", json={"path": f"{home}/d"}).status_code == 409
    assert http.post(f"{files}/mkdir", json={"path_encoded": f"{home}/%FF"}).status_code == 201
    assert http.post(f"{files}/mkdir", json={"path": f"{home}/x", "surprise": 1}).status_code == 422
    assert http.post(f"{files}/mkdir", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    http.put(url(service, home / "d/f"), content=b"x")
    assert http.post(f"{files}/copy", json={"path": f"{home}/d", "to": f"{home}/c"}).json() == {"count": 3}
    moved = http.patch(url(service, home / "c"), json={"to": f"{home}/m"})
    assert moved.json()["file"]["path"] == f"{home}/m"
    assert http.patch(url(service, home / "m"), json={"to": f"{home}/d"}).status_code == 409
    assert http.patch(url(service, home / "m/f"), json={"mode": "0700"}).json()["file"]["mode"] == "0700"
    assert http.patch(url(service, home / "m/f"), json={"mode": "4755"}).status_code == 422
    assert http.patch(url(service, home / "m/f"), json={}).status_code == 422
    assert http.delete(url(service, home / "m")).status_code == 409
    assert http.delete(url(service, home / "m"), params={"recursive": "1"}).json() == {"count": 3}
    found = http.get(files, params={"path": str(home), "q": "F"}).json()
    assert ([one["name"] for one in found["files"]], found["complete"]) == (["f"], True)
    for query in ("limit=0", "limit=x", "sort=odd", "hidden=2", "odd=1", "limit=1&limit=2", "cursor=%25"):
        assert http.get(f"{files}?path={home}&{query}").status_code == 422, query


def test_archives(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    (home / "t").mkdir()
    for number in range(5):
        (home / "t" / f"f{number}").write_bytes(b"x" * number)
    where = url(service, home / "t")
    assert http.get(where).json()["error"]["code"] == "is_a_directory"
    got = http.get(where, params={"archive": "zip"})
    assert got.headers["x-archive-bytes"] == "10"
    assert len(zipfile.ZipFile(io.BytesIO(got.content)).namelist()) == 6
    got = http.get(where, params={"archive": "tar.gz"})
    assert "t.tar.gz" in got.headers["content-disposition"]
    with tarfile.open(fileobj=io.BytesIO(got.content)) as unpacked:
        assert len(unpacked.getnames()) == 6
    assert http.get(where, params={"archive": "rar"}).status_code == 422


def form(*parts: tuple[str, bytes], boundary: bytes = b"XX") -> bytes:
    """A form whose parts have these Content-Disposition parameters."""
    return (
        b"".join(
            b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (boundary, head.encode(), body)
            for head, body in parts
        )
        + b"--%s--\r\n" % boundary
    )


def send(http: httpx2.Client, service: FilesWeb, body: bytes, query: str = "") -> httpx2.Response:
    headers = {"Content-Type": "multipart/form-data; boundary=XX"}
    return http.post(f"{service.root}/files/upload{query}", content=body, headers=headers)


def test_forms_with_many_files(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    (home / "dir").mkdir()
    parts = [("file", (f"sub{n % 2}/n{n}", b"y" * n)) for n in range(20)]
    got = http.post(f"{service.root}/files/upload", data={"path": str(home)}, files=parts)
    assert got.status_code == 200, got.text
    assert [one["size"] for one in got.json()["results"]] == list(range(20))
    assert (home / "sub1/n19").read_bytes() == b"y" * 19
    body = form(
        ('name="a"; filename="ok"', b"1"), ('name="a"; filename="../up"', b"2"), ('name="a"; filename="dir"', b"3")
    )
    got = send(http, service, body, f"?path={home}")
    assert got.status_code == 207
    assert [one["error"] and one["error"]["code"] for one in got.json()["results"]] == [
        None,
        "invalid_path",
        "not_a_file",
    ]
    assert (home / "ok").read_bytes() == b"1"
    assert not (home.parent / "up").exists()
    assert not staged(service)


GOOD = form(('name="path"', b"@"), ('name="f"; filename="partial"', b"z" * 1000))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"junk", 400),
        (GOOD[:-4], 400),
        (GOOD[:-20], 400),
        (GOOD[: len(GOOD) // 2], 400),
        (GOOD.replace(b"form-data", b"attachment", 1), 400),
        (GOOD.replace(b'name="path"', b'nam="path"'), 400),
        (GOOD.replace(b'; filename="partial"', b'; filename="partial'), 400),
        (GOOD.replace(b'; filename="partial"', b'; filename="partial"; filename="b"'), 400),
        (GOOD.replace(b"Content-Disposition", b"Content Disposition", 1), 400),
        (GOOD.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 2), 400),
        (GOOD.replace(b"\r\n\r\n", b"\r\n" + b"X: " + b"y" * 20_000 + b"\r\n\r\n", 1), 400),
        (GOOD.replace(b"\r\n", b"\n"), 400),
        (b"before" + GOOD, 400),
        (GOOD.replace(b"--XX\r\n", b"--XXY\r\n", 1), 400),
        (form(('name="f"; filename="partial"', b"z")), 422),
        (form(('name="path"', b"@")), 422),
        (form(('name="path"', b"x" * 20_000)), 400),
    ],
)
def test_malformed_forms_write_nothing(
    service: FilesWeb, http: httpx2.Client, home: Path, body: bytes, status: int
) -> None:
    got = send(http, service, body.replace(b"@", os.fsencode(home)))
    assert got.status_code == status, got.text
    assert [path.stat().st_size for path in home.iterdir()] in ([], [1000])
    wait_for(lambda: not staged(service))


def test_wrong_content_types(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    for kind in ("text/plain", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=XX"):
        got = http.post(f"{service.root}/files/upload?path={home}", content=GOOD, headers={"Content-Type": kind})
        assert got.status_code == 415, kind


def test_too_large_uploads_are_refused_before_they_are_read(service: FilesWeb, home: Path) -> None:
    too_large = int(LIMIT_GB * (1 << 30)) + 1
    for method, path in (("PUT", url(service, home / "f")), ("POST", f"{service.root}/files/upload?path={home}")):
        with socket.create_connection(service.web.address, 10) as sock:
            head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.web.token}\r\n"
            sock.sendall(
                f"{head}Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: {too_large}\r\n\r\n".encode()
            )
            assert b" 413 " in sock.recv(1000).partition(b"\r\n")[0] + b" "
    assert not (home / "f").exists()


def test_an_endless_body_is_refused_and_nothing_stays(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(80):
            yield b"x" * (1 << 20)

    try:
        status = http.put(url(service, home / "f"), content=endless()).status_code
    except httpx2.TransportError:
        status = 413
    assert status == 413
    assert not (home / "f").exists()


def test_a_client_that_leaves_leaves_nothing(service: FilesWeb, home: Path) -> None:
    (home / "f").write_bytes(b"old")
    os.chown(home / "f", service.server.uid, service.server.uid)
    with socket.create_connection(service.web.address, 10) as sock:
        head = f"PUT {url(service, home / 'f')} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.web.token}\r\n"
        sock.sendall(f"{head}Content-Length: 10000000\r\n\r\n".encode() + b"x" * 1_000_000)
        wait_for(lambda: bool(staged(service)))
    wait_for(lambda: not staged(service))
    assert (home / "f").read_bytes() == b"old"


def wait_for(condition: Any, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_file_that_shrinks_ends_the_connection(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    path = home / "f"
    path.write_bytes(b"x" * 60_000_000)
    os.utime(path, (0, 0))
    received = 0

    def download() -> None:
        nonlocal received
        with http.stream("GET", url(service, path)) as answer:
            for chunk in answer.iter_raw(1 << 16):
                if not received:
                    os.truncate(path, 1000)
                received += len(chunk)

    with pytest.raises(httpx2.TransportError):
        download()
    assert received < 60_000_000


def test_resumable_uploads(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    tus = {"Tus-Resumable": "1.0.0"}
    options = http.options(f"{service.root}/uploads")
    assert (options.status_code, options.headers["tus-version"]) == (204, "1.0.0")
    path = base64.b64encode(os.fsencode(home / "big")).decode()
    content = os.urandom(700_000)
    ask = {
        **tus,
        "Upload-Length": str(len(content)),
        "Upload-Metadata": f"path {path},mode {base64.b64encode(b'600').decode()}",
    }
    begun = http.post(f"{service.root}/uploads", headers=ask)
    assert begun.status_code == 201, begun.text
    where = begun.headers["location"]
    patch = {**tus, "Content-Type": "application/offset+octet-stream"}
    first = http.patch(where, headers={**patch, "Upload-Offset": "0"}, content=content[:300_000])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "300000")
    assert http.patch(where, headers={**patch, "Upload-Offset": "7"}, content=b"x").status_code == 409
    assert http.patch(where, headers={**tus, "Upload-Offset": "7"}, content=b"x").status_code == 415
    assert http.patch(where, headers={"Upload-Offset": "7"}, content=b"x").status_code == 412
    break_off(service, where, content[300_000:], 100_000)
    wait_for(lambda: http.head(where, headers=tus).headers["upload-offset"] != "300000")
    offset = int(http.head(where, headers=tus).headers["upload-offset"])
    assert 300_000 < offset <= 400_000
    last = http.patch(where, headers={**patch, "Upload-Offset": str(offset)}, content=content[offset:])
    assert (last.status_code, "etag" in last.headers) == (204, True)
    assert (home / "big").read_bytes() == content
    assert http.head(where, headers=tus).headers["upload-offset"] == str(len(content))
    again = http.post(f"{service.root}/uploads", headers={**ask, "Upload-Length": "5"}).headers["location"]
    assert http.delete(again, headers=tus).status_code == 204
    assert http.head(again, headers=tus).status_code == 404
    for bad in ({"Upload-Length": "-1"}, {"Upload-Metadata": "path %%%"}, {"Upload-Metadata": ""}):
        assert http.post(f"{service.root}/uploads", headers={**ask, **bad}).status_code == 422
    assert http.post(f"{service.root}/uploads", headers={**ask, "Upload-Length": str(1 << 40)}).status_code == 413


def break_off(service: FilesWeb, where: str, content: bytes, sent: int) -> None:
    """Send a part of a request, then leave."""
    with socket.create_connection(service.web.address, 10) as sock:
        lines = (
            f"PATCH {where} HTTP/1.1",
            "Host: x",
            f"Authorization: Bearer {service.web.token}",
            "Tus-Resumable: 1.0.0",
            "Content-Type: application/offset+octet-stream",
            "Upload-Offset: 300000",
            f"Content-Length: {len(content)}",
        )
        head = "\r\n".join(lines) + "\r\n\r\n"
        sock.sendall(head.encode() + content[:sent])


def test_a_stopped_workspace_says_start_it(service: FilesWeb, http: httpx2.Client) -> None:
    other = service.web.create("stopped")
    root = f"/api/nixos/workspaces/{other['id']}"
    http.post(f"{root}/stop")
    service.web.reaches(other["id"], "stopped")
    for got in (http.get(f"{root}/files?path=/"), http.put(f"{root}/files/x", content=b"")):
        assert (got.status_code, got.json()["error"]["code"]) == (409, "not_running")
        assert "start" in got.json()["error"]["message"]
    assert http.get(f"{root}/files?path=/&start=1").status_code == 200
    assert http.get(root).json()["workspace"]["status"] == "running"


def test_strangers_and_the_unknown_see_nothing(service: FilesWeb, http: httpx2.Client) -> None:
    assert http.get("/api/nixos/workspaces/ws-000000000000/files?path=/").status_code == 404
    with httpx2.Client(base_url=service.web.url, trust_env=False, verify=False) as nobody:
        assert nobody.get(f"{service.root}/files?path=/").status_code == 401
        assert nobody.put(f"{service.root}/files/tmp/x", content=b"").status_code == 401


def test_errors_have_the_one_shape(service: FilesWeb, http: httpx2.Client) -> None:
    got = http.get(f"{service.root}/files/nothing")
    assert set(json.loads(got.content)["error"]) == {"code", "message", "field", "request_id", "said"}


def lines(http: httpx2.Client, where: str, **params: str) -> list[Any]:
    with http.stream("GET", where, params=params) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
        return [json.loads(line) for line in answer.iter_lines()]


def test_search_in_files_and_all_names(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    assert http.put(url(service, home / "a &b.nix"), content=b"one\n  Two\n").status_code == 201
    *found, end = lines(http, f"{service.root}/files-search", path=str(home), q="two")
    assert found == [{"path": quote(f"{home}/a &b.nix"), "line": 2, "text": "  Two"}]
    assert end | {"tool": ""} == {"tool": "", "count": 1, "complete": True, "bound": None}
    assert lines(http, f"{service.root}/files-search", path=str(home), q="two", case="1")[0]["count"] == 0
    *found, end = lines(http, f"{service.root}/files-names", path=str(home), limit="1")
    assert (found, end["complete"]) == ([{"path": quote(f"{home}/a &b.nix")}], True)


@pytest.mark.parametrize(
    ("where", "query", "field"),
    [
        ("files-search", "", "q"),
        ("files-search", "q=", "q"),
        ("files-search", "q=a%0Ab", "q"),
        ("files-search", "q=%00", "q"),
        ("files-search", "q=%FF", "q"),
        ("files-search", f"q={'x' * 201}", "q"),
        ("files-search", "q=x&limit=0", "limit"),
        ("files-search", "q=x&limit=2001", "limit"),
        ("files-search", "q=x&case=maybe", "case"),
        ("files-search", "q=x&path=etc", "path"),
        ("files-search", "q=x&q=y", "q"),
        ("files-search", "q=x&regex=1", "regex"),
        ("files-names", "limit=50001", "limit"),
        ("files-names", "path=%00", "path"),
        ("files-names", "q=x", "q"),
    ],
)
def test_a_wrong_search_is_refused(service: FilesWeb, http: httpx2.Client, where: str, query: str, field: str) -> None:
    answer = http.get(f"{service.root}/{where}?{query}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_a_search_where_nothing_is(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    assert http.get(f"{service.root}/files-names?path={home}/no").status_code == 404
    assert http.put(url(service, home / "f"), content=b"").status_code == 201
    refused = http.get(f"{service.root}/files-search?q=x&path={home}/f")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_a_directory")


def test_an_archive_of_chosen_names(service: FilesWeb, http: httpx2.Client, home: Path) -> None:
    for name in ("a b", "c&d", "other", "deep/a b", "deep/x"):
        folder = {"path": str(home / Path(name).parent), "parents": True}
        assert http.post(f"{service.root}/files/mkdir", json=folder).is_success
        assert http.put(url(service, home / name), content=name.encode()).status_code == 201
    got = http.get(url(service, home), params={"archive": "zip", "only": "a b/deep"})
    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        names = {name.removeprefix(f"{home.name}/") for name in archive.namelist()}
    assert names == {"", "a b", "deep/", "deep/a b", "deep/x"}
    assert got.headers["x-archive-entries"] == "5"
    for query, status in (
        ("archive=zip&only=none", 404),
        ("archive=zip&only=", 422),
        ("archive=zip&only=x//y", 422),
        ("only=other", 422),
    ):
        refused = http.get(f"{url(service, home)}?{query}")
        assert (refused.status_code, refused.json()["error"]["field"]) == (status, "only"), query
