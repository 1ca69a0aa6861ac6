"""One of everything that stays open under a credential, as a client's plain socket: until the service ends it."""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raw_socket import handshake
from sshd_fixture import LocalSshd
from terminal_web import terminal_place
from waiting import until
from web_service import Web

REVOKED = (4401).to_bytes(2, "big")
_BYTES = 1 << 40
"""The size of files that no transfer comes to the end of."""


@dataclass
class Place:
    """A running service with one workspace that has terminals, files and a log."""

    web: Web
    sshd: LocalSshd
    workspace: str

    @property
    def root(self) -> str:
        return f"/api/nixos/workspaces/{self.workspace}"


@contextmanager
def running_place(data: Path, **settings: Any) -> Iterator[Place]:
    """Yield it, with a huge file in the workspace."""
    with terminal_place(data, **settings) as (web, inside):
        huge = inside.sshd.home / "huge"
        with huge.open("wb") as file:
            file.truncate(_BYTES)
        os.chown(huge, inside.sshd.uid, inside.sshd.uid)
        yield Place(web, inside.sshd, web.create("open")["id"])


class Open:
    """One open thing; ``over`` tells by its bytes, or by its end, whether the service has ended it."""

    def __init__(self, place: Place, request: bytes, begun: bytes, last_word: bytes) -> None:
        self.last_word = last_word
        self.heard = bytearray()
        self.closed = False
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self.socket.settimeout(20)
        self.socket.connect(place.web.address)
        self.socket.sendall(request)
        while begun not in self.heard:
            self.read()
            assert not self.closed, bytes(self.heard[:500])
        self.heard.clear()

    def read(self) -> None:
        """Take in what there is."""
        try:
            piece = self.socket.recv(1 << 16)
        except ConnectionError:
            piece = b""
        self.closed |= not piece
        self.heard = self.heard[-4096:] + piece

    @property
    def over(self) -> bool:
        return self.closed or bool(self.last_word and self.last_word in self.heard)

    def wait(self, seconds: float = 5) -> None:
        """Read until it is over."""
        deadline = time.monotonic() + seconds
        while not self.over:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            self.read()

    def close(self) -> None:
        self.socket.close()


def _request(method: str, path: str, token: str, *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def terminal(place: Place, token: str) -> Open:
    path = f"/ws/nixos/workspaces/{place.workspace}/terminal"
    return Open(place, handshake(path, {"Authorization": f"Bearer {token}"}), b'"session"', REVOKED)


def events(place: Place, token: str) -> Open:
    return Open(place, handshake("/ws/nixos/events", {"Authorization": f"Bearer {token}"}), b"hello", REVOKED)


def followed_log(place: Place, token: str) -> Open:
    return Open(place, _request("GET", f"{place.root}/logs?follow=1", token), b"\r\n\r\n", b'"unauthenticated"')


def download(place: Place, token: str) -> Open:
    path = f"{place.root}/files{place.sshd.home}/huge"
    return Open(place, _request("GET", path, token), b"\r\n\r\n", b"")


def archive(place: Place, token: str) -> Open:
    path = f"{place.root}/files{place.sshd.home}?archive=tar"
    return Open(place, _request("GET", path, token), b"\r\n\r\n", b"")


def _staged(place: Place) -> set[Path]:
    return set((place.sshd.home / ".cache/nixws/uploads").glob("*"))


def _sending(place: Place, request: bytes, body: bytes) -> Open:
    """Send a request that expects to be told to go on, then the beginning of its body."""
    before = _staged(place)
    opened = Open(place, request, b"HTTP/1.1 100", b"HTTP/1.1 401")
    opened.socket.sendall(body)
    if b"/files" in request:
        until("the upload has begun", lambda: bool(_staged(place) - before))
    return opened


_GO_ON = "Expect: 100-continue"


def upload(place: Place, token: str) -> Open:
    path = f"{place.root}/files{place.sshd.home}/up-{time.monotonic_ns()}"
    return _sending(place, _request("PUT", path, token, _GO_ON, "Content-Length: 1000000000"), b"x" * 100_000)


def form_upload(place: Place, token: str) -> Open:
    path = f"{place.root}/files/upload?path={place.sshd.home}"
    kind = "Content-Type: multipart/form-data; boundary=b"
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f%d"\r\n\r\n' % time.monotonic_ns()
    request = _request("POST", path, token, _GO_ON, kind, "Content-Length: 1000000000")
    return _sending(place, request, body + b"x" * 100_000)


def resumable_upload(place: Place, token: str) -> Open:
    metadata = base64.b64encode(f"{place.sshd.home}/tus-{time.monotonic_ns()}".encode()).decode()
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "1000000000", "Upload-Metadata": f"path {metadata}"}
    with place.web.http() as http:
        made = http.post(f"{place.root}/uploads", headers=tus)
        assert made.status_code == 201, made.text
    headers = ["Tus-Resumable: 1.0.0", "Upload-Offset: 0", "Content-Type: application/offset+octet-stream"]
    request = _request("PATCH", made.headers["location"], token, _GO_ON, *headers, "Content-Length: 1000000000")
    return _sending(place, request, b"x" * 100_000)


def slow_body(place: Place, token: str) -> Open:
    body = json.dumps({"name": "never"}).encode()[:-1]
    headers = [_GO_ON, "Content-Type: application/json", "Content-Length: 1000"]
    return _sending(place, _request("POST", "/api/nixos/workspaces/create", token, *headers), body)


KINDS: tuple[Callable[[Place, str], Open], ...] = (
    *(terminal, events, followed_log),
    *(download, archive),
    *(upload, form_upload, resumable_upload, slow_body),
)
