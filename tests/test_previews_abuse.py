"""Previews behind a real nginx with TLS, and what careless or hostile browsers and programs do to them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from browsing import PAGE
from nginx_fixture import documented_location, free_port, running_nginx, write_certificate
from preview_fixture import App, Place, previews, serving, value_of
from waiting import until
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.web.http import protocol
from nixos_workspaces.web.previews import exchange

OPERATIONS = Path(__file__).resolve().parent.parent / "docs/operations.md"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with previews(tmp_path_factory.mktemp("previews")) as opened:
        yield opened


@pytest.fixture
def app(place: Place) -> Iterator[App]:
    with serving() as program:
        place.listen(3000, program)
        yield program
        place.forget(3000)


def test_behind_tls_a_preview_has_cookies_that_no_other_host_can_set(tmp_path: Path) -> None:
    port = free_port()
    write_certificate(tmp_path)
    tls = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    front, host = f"https://127.0.0.1:{port}", f"3000--web.apps.test:{port}"
    with (
        previews(tmp_path / "data", public_url=front, trusted_proxies="127.0.0.1", apps_domain="apps.test") as place,
        running_nginx(tmp_path, port, documented_location(OPERATIONS, place.web.url)),
        serving() as app,
        httpx2.Client(base_url=front, verify=tls, headers={"host": host}, timeout=20) as browser,
    ):
        place.listen(3000, app)
        assert [one["url"] for one in place.ports()] == [f"https://{host}/"]
        ticket = place.api("POST", "/api/nixos/previews", json={"url": f"https://{host}/"})["url"]
        cookie = browser.get(ticket.partition(host)[2]).headers["set-cookie"]
        assert cookie.startswith("__Host-nixws_preview=")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
        assert "domain" not in cookie.lower()
        pair = cookie.partition(";")[0]

        assert browser.get("/", headers={"cookie": pair}).text == "hello"
        head = app.heads[-1]
        assert (value_of(head, "x-forwarded-proto"), value_of(head, "x-forwarded-for")) == ("https", "127.0.0.1")
        assert value_of(head, "host") == host
        assert "nixws_" not in head
        planted = pair.removeprefix("__Host-")
        assert browser.get("/", headers={"cookie": planted}).status_code == 404
        foreign = {"cookie": pair, "origin": f"http://{host}"}
        assert browser.post("/echo", headers=foreign).status_code == 403, "the same host without TLS is another origin"

        def socket_from(origin: str) -> ClientConnection:
            return connect(
                f"wss://{host}/socket",
                sock=socket.create_connection(("127.0.0.1", port), 20),
                ssl=tls,
                server_hostname="127.0.0.1",
                origin=Origin(origin),
                additional_headers={"Cookie": pair},
                compression=None,
            )

        with socket_from(f"https://{host}") as opened:
            opened.send("round")
            assert opened.recv(10) == "round"
        with pytest.raises(InvalidStatus, match="403"):
            socket_from(f"http://{host}")


def test_headers_of_ten_thousand_bytes_pass_both_ways(place: Place) -> None:
    long = "a" * 10_000

    async def repeat(head: str, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(f"HTTP/1.1 200 OK\r\nx-large: {value_of(head, 'x-large')}\r\ncontent-length: 0\r\n\r\n".encode())
        return True

    with serving(repeat) as app:
        place.listen(3000, app)
        assert place.opened().get("/", **{"x-large": long}).headers["x-large"] == long
        place.forget(3000)


def test_a_head_that_comes_too_slowly_ends_before_the_program_hears_of_it(
    place: Place, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.3)
    browser = place.opened()
    before = len(app.heads)
    with browser.raw(f"GET / HTTP/1.1\r\nHost: {browser.host}\r\nX-Slow: ".encode()) as connection:
        received = b""
        while piece := connection.recv(4096):
            received += piece
    assert received.startswith(b"HTTP/1.1 408 ")
    assert len(app.heads) == before


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=repr)
def test_a_program_that_does_not_come_to_its_answer_ends(
    place: Place, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(exchange, "HEAD_SECONDS", 0.3)

    async def linger(_: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(head)
        await reader.read(1)
        return False

    with serving(linger) as app:
        place.listen(3000, app)
        late = place.opened().get("/")
        assert (late.status_code, late.json()["error"]["code"]) == (503, "port_timeout")
        until("the program's connection ends", lambda: app.ended == 1)
        place.forget(3000)


def test_a_host_of_another_workspace_is_not_reached_with_this_ones_cookie(place: Place, app: App) -> None:
    other = place.web.create("other")
    place.web.reaches(other["id"], "running")
    browser = place.opened()
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    with serving() as target:
        place.world.servers[other["id"], 3000] = target.address
        requests = (
            f"GET / HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\n{last}\r\n"
            for host, last in ((browser.host, ""), (place.host(name="other"), "Connection: close\r\n"))
        )
        with browser.raw("".join(requests).encode()) as connection:
            received = b""
            while piece := connection.recv(65536):
                received += piece
        assert received.startswith(b"HTTP/1.1 200 ")
        assert received.partition(b"hello")[2].startswith(b"HTTP/1.1 404 ")
        assert (len(app.heads) > 0, target.heads) == (True, [])


def test_a_program_that_changed_between_list_and_open_is_its_owners_only(place: Place, app: App) -> None:
    place.show(3000, "signed_in")
    assert [one["program"] for one in place.ports() if one["port"] == 3000] == ["python3"]
    secret, _ = place.web.run(place.web.services.tokens.create("of another", principal=Principal("ann", "Ann")))
    place.listen(3000, app, program="postgres")
    guest = place.browser()
    with httpx2.Client(base_url=place.web.url, headers={"authorization": f"Bearer {secret}"}, verify=False) as http:
        told = http.post("/api/nixos/previews", json={"url": f"http://{guest.host}/"})
    assert guest.get(told.json()["url"].partition(guest.host)[2]).status_code == 303
    until("it is refused", lambda: guest.get("/").status_code == 409)
    assert guest.get("/").json()["error"]["code"] == "program_changed"
    assert place.opened().get("/").text == "hello"
    place.listen(3000, app)
    until("it is shown again", lambda: guest.get("/").status_code == 200)
    place.show(3000, "private")


@contextmanager
def signed_in(place: Place, secret: str) -> Iterator[httpx2.Client]:
    """Yield a browser at the service that holds the cookie of a session, as signing in gives it."""
    with httpx2.Client(
        event_hooks=PAGE, base_url=place.web.url, headers={"origin": place.web.url}, timeout=20, verify=False
    ) as client:
        assert client.post("/api/nixos/login", json={"token": secret}).status_code == 200
        assert client.cookies["nixws_session"]
        yield client


def test_another_person_sees_what_is_shown_to_the_signed_in_and_nothing_private(place: Place, app: App) -> None:
    """By a browser's own cookies: no ticket, no preview, nothing open, and nothing kept from when it was shown."""
    secret, _ = place.web.run(place.web.services.tokens.create("of another", principal=Principal("ann", "Ann")))
    guest = place.browser()
    wanted: dict[str, Any] = {"json": {"url": f"http://{guest.host}/"}}
    with signed_in(place, secret) as ann:
        refused = ann.post("/api/nixos/previews", **wanted)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "preview_not_found")
        assert ann.get(f"/api/nixos/workspaces/{place.id}/ports").status_code == 404
        stolen = {"cookie": f"nixws_session={ann.cookies['nixws_session']}"}
        assert guest.get("/", **stolen).status_code == 404, "the service's own cookie opens no preview"
        assert guest.get("/", authorization=f"Bearer {secret}").status_code == 401
        assert app.heads == []

        place.show(3000, "signed_in")
        assert place.browser().get("/").status_code == 404, "not for who is not signed in"
        told = ann.post("/api/nixos/previews", **wanted)
        assert guest.get(told.json()["url"].partition(guest.host)[2]).status_code == 303
        assert guest.get("/").text == "hello"
        assert ann.get(f"/api/nixos/workspaces/{place.id}/ports").status_code == 404, "the port is shown, not the rest"
        assert "nixws_" not in "".join(app.heads)

        cookies = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
        ask = f"GET /endless HTTP/1.1\r\nHost: {guest.host}\r\nCookie: {cookies}\r\n\r\n".encode()
        with guest.raw(ask) as stream:
            assert stream.recv(4096).startswith(b"HTTP/1.1 200 ")
            place.show(3000, "private")
            until("the stream ends", lambda: not stream.recv(65536))
        seen = len(app.heads)
        assert guest.get("/").status_code == 404
        assert ann.post("/api/nixos/previews", **wanted).status_code == 404
        assert len(app.heads) == seen

        place.show(3000, "signed_in")
        told = ann.post("/api/nixos/previews", **wanted)
        assert guest.get(told.json()["url"].partition(guest.host)[2]).status_code == 303
        assert ann.post("/api/nixos/logout").status_code == 204
        until("it ends with the session", lambda: guest.get("/").status_code == 404)
        assert place.opened().get("/").text == "hello"
        place.show(3000, "private")


def test_a_link_is_for_one_port_and_makes_nobody_somebody(place: Place, app: App) -> None:
    told = place.show(3000, "link", expires_in=3600)
    guest = place.browser()
    assert guest.get(told["link"].partition(guest.host)[2]).status_code == 303
    assert guest.get("/").text == "hello"
    with serving() as other:
        place.listen(3001, other)
        elsewhere = place.browser(3001)
        assert elsewhere.get(told["link"].partition(guest.host)[2]).status_code == 404
        elsewhere.cookies |= guest.cookies
        assert elsewhere.get("/").status_code == 404
        assert other.heads == []
        place.forget(3001)
    with httpx2.Client(base_url=place.web.url, cookies=guest.cookies, verify=False) as http:
        assert http.get("/api/nixos/workspaces").status_code == 401
    assert "nixws_" not in "".join(app.heads)
    place.show(3000, "private")
    until("it ends", lambda: guest.get("/").status_code == 404)
