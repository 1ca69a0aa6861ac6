"""Previews over HTTP: the way in, what passes and what never does, and how they end."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from forked_nixws import run_nixws
from people_fixture import person
from preview_fixture import LARGE_BYTES, App, Place, large, previews, serving, value_of
from test_web_rates import entries
from waiting import until
from websockets.sync.client import connect

from nixos_workspaces.metering import live
from nixos_workspaces.model.access.people import UserState
from nixos_workspaces.model.reach.ports import Listener
from nixos_workspaces.previews import open as open_previews
from nixos_workspaces.previews import visits as visits_of_previews
from nixos_workspaces.previews.visits import Verdict, Visit
from nixos_workspaces.web.http import protocol
from nixos_workspaces.web.previews import exchange


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


@pytest.mark.usefixtures("app")
def test_what_listens_is_listed_with_the_address_of_its_preview(place: Place) -> None:
    (port,) = place.ports()
    assert port["port"] == 3000
    assert (port["program"], port["protocol"], port["visibility"]) == ("python3", "http", "private")
    assert port["addresses"] == ["127.0.0.1"]
    assert port["since"].endswith("Z")
    assert port["url"] == f"http://{place.host()}/"
    alone = place.api("GET", f"/api/nixos/workspaces/web/ports/{3001}")
    assert (alone["listening"], alone["url"]) == (False, f"http://{place.host(3001)}/")
    assert place.api("GET", "/api/nixos/workspaces/web/ports/22")["url"] is None


@pytest.mark.usefixtures("app")
def test_a_ticket_opens_one_preview_once_and_leaves_the_address(place: Place) -> None:
    browser = place.browser()
    told = place.api("POST", "/api/nixos/previews", json={"url": f"http://{browser.host}/deep/page?q=1"})
    path = told["url"].partition(browser.host)[2]
    entered = browser.get(path)
    assert (entered.status_code, entered.headers["location"]) == (303, "/deep/page?q=1")
    assert entered.headers["referrer-policy"] == "no-referrer"
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "domain" not in cookie.lower()
    assert browser.get("/echo").status_code == 200
    again = place.browser().page(path)
    assert (again.status_code, "opened a preview already" in again.text) == (404, True)
    told = place.api("POST", "/api/nixos/previews", json={"url": f"http://{browser.host}//evil.example/"})
    path = told["url"].partition(browser.host)[2]
    assert place.browser(3001).get(path).status_code == 404
    assert browser.get(path).status_code == 404, "a ticket is used up where it does not fit, too"
    told = place.api("POST", "/api/nixos/previews", json={"url": f"http://{browser.host}//evil.example/"})
    assert browser.get(told["url"].partition(browser.host)[2]).headers["location"] == "/"


def test_our_secrets_never_reach_the_program_and_its_cookies_stay_on_its_host(place: Place, app: App) -> None:
    browser = place.opened()
    browser.cookies |= {"theirs": "2", "nixws_session": "secret-session", "__Host-nixws_session": "secret-other"}
    got = browser.get("/cookies", **{"x-forwarded-for": "6.6.6.6", "forwarded": "for=6.6.6.6", "te": "trailers"})
    assert got.headers.get_list("set-cookie") == ["mine=1; Path=/"]
    assert "clear-site-data" not in got.headers
    head = app.heads[-1]
    assert value_of(head, "cookie") == "theirs=2"
    assert "nixws_" not in head
    assert "secret" not in head
    assert "6.6.6.6" not in head
    assert value_of(head, "x-forwarded-for") == "127.0.0.1"
    assert value_of(head, "x-forwarded-proto") == "http"
    assert value_of(head, "x-forwarded-host") == value_of(head, "host") == browser.host
    assert value_of(head, "forwarded") == "for=127.0.0.1;proto=http"
    by_token = place.browser().get("/", authorization=f"Bearer {place.web.token}")
    assert by_token.text == "hello"
    assert place.web.token not in "".join(app.heads)
    browser.get("/", authorization="Basic dTpw")
    assert value_of(app.heads[-1], "authorization") == "Basic dTpw"


@pytest.mark.usefixtures("app")
def test_bodies_pass_both_ways_whole(place: Place) -> None:
    browser = place.opened()
    content = bytes(range(256)) * 8192
    sent = browser.request("POST", "/echo?a=b", content=content)
    assert sent.text == f"POST /echo?a=b {len(content)} {hashlib.sha256(content).hexdigest()}"
    chunks = (content[at : at + 70_000] for at in range(0, len(content), 70_000))
    assert browser.request("PUT", "/echo", content=chunks).text.endswith(hashlib.sha256(content).hexdigest())
    for _ in range(20):
        assert browser.get("/large").content == large()
    head = browser.request("HEAD", "/large")
    assert (head.headers["content-length"], head.content) == (str(LARGE_BYTES), b"")
    assert browser.get("/none").status_code == 204
    assert "x-hop" not in browser.get("/none").headers
    assert browser.get("/close").text == "until the end"


def test_connections_to_the_program_are_used_again(place: Place, app: App) -> None:
    browser = place.opened()
    for _ in range(5):
        assert browser.get("/").text == "hello"
    assert app.connections == 1


def test_nothing_paces_a_browser_of_this_machine(place: Place) -> None:
    """There is no network to share, and pacing costs more than passing the bytes on."""
    with place.browser().raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        sockets = [one.transport.get_extra_info("socket") for one in place.web.server.server_state.connections]
        used = {one.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0") for one in sockets}
    assert used == {b"reno"}


def test_a_look_answers_all_who_come_meanwhile_and_none_waits_for_the_next(
    place: Place, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, visits = place.opened(), place.web.services.previews.visits
    looks, whole, slow = [], visits._renew, asyncio.Event()

    async def counted(visit: Visit) -> Verdict:
        looks.append(visit)
        await slow.wait()
        return await whole(visit)

    monkeypatch.setattr(visits, "_renew", counted)
    visits.forget()
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    ask = f"GET / HTTP/1.1\r\nHost: {browser.host}\r\nCookie: {cookies}\r\n\r\n".encode()
    with browser.raw(ask) as one, browser.raw(ask) as two:
        until("both wait for a look", lambda: len(visits._looking) == 1)
        until("both were read", lambda: len(place.web.server.server_state.tasks) >= 2)
        place.web.run(set_(slow))
        assert one.recv(12) == two.recv(12) == b"HTTP/1.1 200"
    assert len(looks) == 1
    slow.clear()
    monkeypatch.setattr(visits_of_previews, "RENEWED_SECONDS", 0.0)
    monkeypatch.setattr(visits_of_previews, "KNOWN_SECONDS", 60.0)
    assert browser.get("/").text == "hello", "the last verdict holds while the next look is under way"
    assert len(looks) == 2
    place.web.run(set_(slow))
    assert len(app.heads) == 3


async def set_(event: asyncio.Event) -> None:
    event.set()


def test_a_stream_comes_piece_by_piece_and_ends_with_its_browser(place: Place, app: App) -> None:
    browser = place.opened()
    with (
        httpx2.Client(base_url=place.web.url, timeout=20, verify=False) as http,
        http.stream("GET", "/endless", headers=browser.headers()) as got,
    ):
        lines = got.iter_lines()
        assert [next(lines) for _ in range(3)] == ["data: 0", "", "data: 1"]
    until("the program's connection ends", lambda: app.ended >= 1)


def handshake(host: str, cookies: str, origin: str = "", path: str = "/socket") -> bytes:
    lines = [
        *(f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: keep-alive, Upgrade"),
        *("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"),
        *([f"Origin: {origin}"] if origin else []),
        *([f"Cookie: {cookies}"] if cookies else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def frame(text: bytes, opcode: int = 1) -> bytes:
    return bytes((0x80 | opcode, 0x80 | len(text), 0, 0, 0, 0)) + text


def cookies_of(place: Place, port: int = 3000) -> str:
    return "; ".join(f"{name}={value}" for name, value in place.opened(port).cookies.items())


def test_a_websocket_passes_as_it_is_from_its_own_origin_only(place: Place, app: App) -> None:
    browser, cookies = place.browser(), cookies_of(place)
    own = f"http://{browser.host}"
    with browser.raw(handshake(browser.host, cookies, own)) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
        for text in (b"one", b"two"):
            connection.sendall(frame(text))
            assert connection.recv(4096) == bytes((0x81, len(text))) + text
        connection.sendall(frame(b"\x03\xe8", 8))
        assert connection.recv(4096)[:1] == b"\x88"
    assert "nixws_" not in app.heads[-1]
    sibling = f"http://{place.host(5173)}"
    with browser.raw(handshake(browser.host, cookies, sibling)) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
    port = place.web.address[1]
    foreign = (
        *("", "null", "http://evil.example", f"http://localhost:{port}", f"http://{place.host(name='other')}"),
        *(f"https://{browser.host}", f"http://x{browser.host}", f"http://{browser.host}.evil.example"),
    )
    before = len(app.heads)
    for origin in foreign:
        with browser.raw(handshake(browser.host, cookies, origin)) as connection:
            assert connection.recv(4096).startswith(b"HTTP/1.1 403 "), origin
    with browser.raw(handshake(browser.host, "", own)) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 404 ")
    assert len(app.heads) == before
    with browser.raw(handshake(browser.host, cookies, own, "/")) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("app")
def test_what_another_sites_page_sends_is_refused(place: Place) -> None:
    browser = place.opened()
    own = {"origin": f"http://{browser.host}"}
    assert browser.request("POST", "/echo", headers=own, content=b"x").status_code == 200
    assert browser.request("POST", "/echo", headers={"origin": "http://evil.example"}).status_code == 403
    part = {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}
    assert browser.get("/", **part).status_code == 403
    assert browser.get("/", **{**part, "sec-fetch-mode": "navigate"}).status_code == 200


@pytest.mark.parametrize(
    "spell", [str.upper, lambda host: host.replace(":", ".:"), str.title], ids=["upper", "dot", "title"]
)
@pytest.mark.usefixtures("app")
def test_a_host_is_the_same_however_it_is_spelled(place: Place, spell: Callable[[str], str]) -> None:
    browser = place.opened()
    assert browser.get("/", host=spell(browser.host)).text == "hello"


@pytest.mark.parametrize(
    "host", ["0--web", "65536--web", "99999999--web", "3000--other", "3000--ws-000000000000", "22--web", "3000---web"]
)
def test_hosts_that_are_no_preview_are_refused(place: Place, app: App, host: str) -> None:
    browser = place.opened()
    full = f"{host}.localhost:{place.web.address[1]}"
    for accept in ("text/html", "application/json"):
        got = browser.get("/", host=full, accept=accept)
        assert got.status_code in {403, 404}
        assert "hello" not in got.text
    assert got.json()["error"]["code"] in {"preview_not_found", "port_refused"}
    assert app.heads == []


@pytest.mark.usefixtures("app")
def test_a_cookie_of_one_port_opens_no_other(place: Place) -> None:
    with serving() as other:
        place.listen(3001, other)
        browser = place.opened(3000)
        assert browser.get("/", host=place.host(3001)).status_code == 404
        assert other.heads == []
        place.forget(3001)


def test_a_cookie_of_one_workspace_opens_no_other(place: Place, app: App) -> None:
    """Another workspace's host, over HTTP and for a WebSocket, with the cookie of a preview that is open."""
    made = place.web.create("beside")
    place.web.reaches(made["id"], "running")
    place.world.servers[made["id"], 3000] = app.address
    place.world.listeners[made["id"]] = list(place.world.listeners[place.id])
    browser, other = place.opened(), place.host(name="beside")
    app.heads.clear()
    told = browser.get("/", host=other, accept="text/html")
    assert (told.status_code, "hello" in told.text) == (404, False)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    with browser.raw(handshake(other, cookies, f"http://{other}")) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 404 ")
    assert app.heads == []
    assert browser.get("/").text == "hello"
    with place.web.http() as http:
        assert http.delete(f"/api/nixos/workspaces/{made['id']}").status_code == 202
    until("it is gone", lambda: http_status(place, made["id"]) == 404)
    for accept in ("text/html", "application/json"):
        told = browser.get("/", host=other, accept=accept)
        assert (told.status_code, "hello" in told.text) == (404, False)
    assert told.json()["error"]["code"] == "preview_not_found"


def http_status(place: Place, workspace_id: str) -> int:
    with place.web.http() as http:
        return http.get(f"/api/nixos/workspaces/{workspace_id}").status_code


def test_pages_speak_the_browsers_language_and_run_nothing_foreign(place: Place) -> None:
    browser = place.opened(3009)
    waiting = browser.page("/")
    assert waiting.status_code == 503
    assert waiting.headers["x-nixws-preview"] == "waiting"
    assert "Nothing listens on port 3009 yet" in waiting.text
    german = browser.page("/", **{"accept-language": "fr, de-AT;q=0.9, en;q=0.5"})
    assert "Auf Port 3009 antwortet noch nichts" in german.text
    policy = waiting.headers["content-security-policy"]
    nonce = re.search(r"'nonce-([^']+)'", policy)
    assert nonce is not None
    assert "default-src 'none'" in policy
    assert waiting.text.count(f'nonce="{nonce[1]}"') == 2
    assert browser.get("/").json()["error"]["code"] == "port_closed"
    unknown = place.browser(3000).page("/")
    assert (unknown.status_code, unknown.headers["x-nixws-preview"]) == (404, "refused")
    same = place.browser(3000, "nobodys").page("/")
    assert re.sub(r'nonce="[^"]*"|nobodys|web', "", same.text) == re.sub(r'nonce="[^"]*"|nobodys|web', "", unknown.text)


@pytest.mark.usefixtures("app")
def test_answers_that_are_no_http_are_told_as_that(place: Place) -> None:
    browser = place.opened()
    for path in ("/garbage", "/huge-head"):
        got = browser.get(path)
        assert (got.status_code, got.json()["error"]["code"]) == (502, "bad_answer")
    with pytest.raises(httpx2.HTTPError):
        browser.get("/short")
    assert browser.get("/").text == "hello"


def test_a_preview_that_leads_to_itself_ends(place: Place) -> None:
    browser = place.opened()
    port = place.web.address[1]

    async def passing(head: str, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Pass a request on to the preview that it came by, as a careless proxy does."""
        reader, inner = await asyncio.open_connection("127.0.0.1", port)
        inner.write(head.replace("cookie:", f"connection: close\r\ncookie: {cookie};").encode("latin-1"))
        writer.write(await reader.read())
        inner.close()
        return False

    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    with serving(passing) as app:
        place.listen(3000, app)
        got = browser.get("/", cookie=cookie + "; other=1")
        assert got.status_code == 508
        assert got.json()["error"]["code"] == "preview_loop"
        assert len(app.heads) == 1
        place.forget(3000)


@pytest.mark.usefixtures("app")
def test_links_open_until_they_expire_or_are_replaced(place: Place) -> None:
    told = place.show(3000, "link", expires_in=3600)
    assert told["port"]["visibility"] == "link"
    guest = place.browser()
    path = told["link"].partition(guest.host)[2]
    assert guest.get(path.replace("key=", "key=x")).status_code == 404
    entered = guest.get(path)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert guest.get("/").text == "hello"
    assert place.browser().get("/").status_code == 404
    place.show(3000, "link")
    gone = guest.page("/")
    assert (gone.status_code, "not valid any more" in gone.text) == (404, True)
    place.show(3000, "private")


@pytest.mark.usefixtures("app")
def test_a_link_of_who_is_suspended_opens_nothing(place: Place) -> None:
    async def becomes(state: UserState) -> None:
        async with place.web.services.database.transaction() as tx:
            owner = await tx.users.find("admin")
            assert owner is not None
            await tx.users.save(replace(owner, state=state))

    guest = place.browser()
    guest.get(place.show(3000, "link")["link"].partition(guest.host)[2])
    assert guest.get("/").text == "hello"
    place.web.run(becomes(UserState.SUSPENDED))
    try:
        until("it is refused", lambda: guest.get("/").status_code == 404)
    finally:
        place.web.run(becomes(UserState.ACTIVE))
    until("it is open again", lambda: guest.get("/").status_code == 200)
    place.show(3000, "private")


def test_another_program_is_not_shown_to_others(place: Place, app: App) -> None:
    told = place.show(3000, "link")
    guest = place.browser()
    guest.get(told["link"].partition(guest.host)[2])
    assert guest.get("/").text == "hello"
    place.listen(3000, app, program="secrets")
    until("it is refused", lambda: guest.get("/").status_code == 409)
    assert "Another program listens here now" in guest.page("/").text
    assert place.opened().get("/").text == "hello"
    place.show(3000, "private")


@pytest.mark.usefixtures("app")
def test_what_is_open_ends_when_the_port_is_private_again(place: Place) -> None:
    told = place.show(3000, "link")
    guest = place.browser()
    guest.get(told["link"].partition(guest.host)[2])
    cookies = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
    with (
        guest.raw(handshake(guest.host, cookies, f"http://{guest.host}")) as opened,
        guest.raw(f"GET /endless HTTP/1.1\r\nHost: {guest.host}\r\nCookie: {cookies}\r\n\r\n".encode()) as stream,
    ):
        assert opened.recv(4096).startswith(b"HTTP/1.1 101 ")
        assert stream.recv(4096).startswith(b"HTTP/1.1 200 ")
        place.show(3000, "private")
        assert ends(opened) < 1
        assert ends(stream) < 1


async def torrent(_head: str, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer with a terabyte, as fast as it is taken."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (1 << 40))
    while True:
        writer.write(bytes(1 << 16))
        await writer.drain()


def test_a_body_that_the_kernel_passes_on_ends_too(place: Place) -> None:
    with serving(torrent) as program:
        place.listen(3002, program)
        told = place.show(3002, "link")
        guest = place.browser(3002)
        guest.get(told["link"].partition(guest.host)[2])
        cookies = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
        with guest.raw(f"GET / HTTP/1.1\r\nHost: {guest.host}\r\nCookie: {cookies}\r\n\r\n".encode()) as body:
            got = 0
            while got < 50_000_000:
                count = len(body.recv(1 << 20))
                assert count
                got += count
            place.show(3002, "private")
            assert ends(body) < 1
        until("the program is left", lambda: program.ended == program.connections)
        place.forget(3002)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("wanted", [{"part": "port:3000"}, {"access": "editor"}], ids=["port", "editor"])
def test_what_is_open_ends_with_its_share(place: Place, wanted: dict[str, str]) -> None:
    who = person(place.web, "visitor")
    told = place.api("POST", f"/api/nixos/workspaces/{place.id}/shares", 201, json={"with": f"user:{who.id}", **wanted})
    hers, own = place.opened(name=place.id, token=who.token), place.opened()
    cookies = "; ".join(f"{name}={value}" for name, value in hers.cookies.items())
    of_owner = "; ".join(f"{name}={value}" for name, value in own.cookies.items())
    with (
        hers.raw(handshake(hers.host, cookies, f"http://{hers.host}")) as opened,
        hers.raw(f"GET /endless HTTP/1.1\r\nHost: {hers.host}\r\nCookie: {cookies}\r\n\r\n".encode()) as stream,
        own.raw(f"GET /endless HTTP/1.1\r\nHost: {own.host}\r\nCookie: {of_owner}\r\n\r\n".encode()) as untouched,
    ):
        for one, status in ((opened, 101), (stream, 200), (untouched, 200)):
            assert one.recv(4096).startswith(b"HTTP/1.1 %d " % status)
        with place.web.http() as http:
            path = f"/api/nixos/workspaces/{place.id}/shares/{told['share']['id']}"
            assert http.delete(path).status_code == 204
        assert ends(opened) < 1
        assert ends(stream) < 1
        assert untouched.recv(4096)
    until("it is refused", lambda: hers.get("/").status_code == 404)


def ends(connection: socket.socket) -> float:
    """Return after how many seconds a connection ends."""
    began = time.monotonic()
    connection.settimeout(10)
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - began


def test_what_is_open_ends_with_the_credential_and_with_the_workspace(tmp_path: Path) -> None:
    with previews(tmp_path) as place, serving() as app:
        place.listen(3000, app)
        session = place.api("POST", "/api/nixos/login", json={"token": place.web.token})["token"]
        browser = place.browser()
        headers = {"authorization": f"Bearer {session}"}
        with httpx2.Client(base_url=place.web.url, verify=False) as http:
            url = f"http://{browser.host}/"
            told = http.post("/api/nixos/previews", json={"url": url}, headers=headers).json()
            browser.get(told["url"].partition(browser.host)[2])
            cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
            shake = handshake(browser.host, cookies, f"http://{browser.host}")
            with browser.raw(shake) as opened:
                assert opened.recv(4096).startswith(b"HTTP/1.1 101 ")
                assert http.post("/api/nixos/logout", headers=headers).status_code == 204
                assert ends(opened) < 1
        until("it is refused", lambda: browser.get("/").status_code == 404)
        again = place.opened()
        cookies = "; ".join(f"{name}={value}" for name, value in again.cookies.items())
        with again.raw(handshake(again.host, cookies, f"http://{again.host}")) as opened:
            assert opened.recv(4096).startswith(b"HTTP/1.1 101 ")
            place.api("POST", "/api/nixos/workspaces/web/stop", 202)
            assert ends(opened) < 5
        until("it is told", lambda: again.get("/").status_code == 409)
        stopped = again.page("/")
        assert (stopped.status_code, "does not run" in stopped.text) == (409, True)
        with place.web.http() as http:
            assert http.delete("/api/nixos/workspaces/web").status_code == 202
        until("it is gone", lambda: again.get("/").status_code == 404)


@pytest.mark.usefixtures("app")
def test_visibility_is_audited_and_ssh_is_never_shown(place: Place) -> None:
    place.show(3000, "signed_in")
    refused = place.api("PUT", "/api/nixos/workspaces/web/ports/22", 403, json={"visibility": "link"})
    assert refused["error"]["code"] == "port_refused"
    place.show(3000, "private")

    detail = {"port": 3000, "visibility": "signed_in"}
    assert detail in [one.detail for one in entries(place.web, "share-port")]


def test_large_heads_and_slow_ones_end(place: Place, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = place.opened()
    huge = browser.get("/", **{"x-large": "a" * 40_000})
    assert huge.status_code == 431
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.5)
    with browser.raw(f"GET / HTTP/1.1\r\nHost: {browser.host}\r\nX: ".encode()) as connection:
        connection.settimeout(0.05)
        answer = b""
        while True:
            try:
                piece = connection.recv(4096)
            except TimeoutError:
                connection.sendall(b"a")
                continue
            except ConnectionResetError:
                break
            if not piece:
                break
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert app.heads == []


@pytest.mark.usefixtures("app")
def test_the_command_line_lists_opens_and_shows_ports(place: Place) -> None:
    def nixws(*words: str, code: int = 0, columns: str = "160") -> str:
        environ = {"PATH": os.environ["PATH"], "NIXWS_URL": place.web.url, "NIXWS_TOKEN": place.web.token}
        done = run_nixws(words, environ | {"COLUMNS": columns})
        assert done.returncode == code, done.stderr
        return done.stdout if not code else done.stderr

    listed = nixws("ports", "web")
    assert re.search(rf"3000 +python3 .* only me +http://{re.escape(place.host())}/", listed)
    place.world.listeners[place.id].append(Listener(3001, ("::1",), "a-program-whose-name-is-long", datetime.now(UTC)))
    narrow = nixws("ports", "web", columns="72")
    assert re.search(rf"(?m)^3001 +a-prog…-long  .*  http://{re.escape(place.host(3001))}/$", narrow)
    assert "a-program-whose-name-is-long" in nixws("ports", "web")
    assert len(listed.splitlines()) == len(narrow.splitlines()) - 1
    place.world.listeners[place.id].pop()
    browser = place.browser()
    opened = browser.get(nixws("open", "web", "3000").strip().partition(browser.host)[2])
    assert opened.status_code == 303
    assert browser.get("/").text == "hello"
    guest = place.browser()
    link = nixws("share-port", "web", "3000", "--for", "2h").strip()
    assert guest.get(link.partition(guest.host)[2]).status_code == 303
    assert guest.get("/").text == "hello"
    assert " link " in nixws("ports", "web")
    nixws("share-port", "web", "3000", "--with", "private")
    assert guest.get("/").status_code == 404
    assert "--with takes" in nixws("share-port", "web", "3000", "--with", "all", code=2)
    assert "--for takes" in nixws("share-port", "web", "3000", "--for", "soon", code=2)
    assert "Port 22 is" in nixws("share-port", "web", "22", code=4)


def test_ports_are_told_live_while_they_are_watched(place: Place) -> None:
    url = place.web.url.replace("http", "ws") + "/ws/nixos/events"
    with connect(url, additional_headers=place.web.headers, proxy=None) as socket_, serving() as program:
        assert json.loads(socket_.recv(5))["type"] == "hello"
        socket_.send(json.dumps({"type": "watch", "ports": [place.id]}))

        def told() -> dict[str, object]:
            while (message := json.loads(socket_.recv(10)))["type"] != "workspace.listening":
                pass
            return dict(message)

        assert told()["ports"] == []
        place.listen(3005, program, "node")
        began = time.monotonic()
        assert told()["ports"] == [{"port": 3005, "program": "node"}]
        assert time.monotonic() - began < 2
        place.forget(3005)
        assert told()["ports"] == []


def test_a_row_is_told_its_ports_when_something_is_done_in_it(place: Place) -> None:
    """At once where something is done through the service: a change of the terminals or of a watched list of ports."""
    url = place.web.url.replace("http", "ws") + "/ws/nixos/events"
    with connect(url, additional_headers=place.web.headers, proxy=None) as socket_, serving() as program:
        place.listen(3007, program)
        place.listen(5432, program, "postgres")
        socket_.send(json.dumps({"type": "watch", "usage": [place.id]}))

        def told() -> object:
            while (message := json.loads(socket_.recv(10)))["type"] != "workspace.open":
                pass
            return message["open"]["ports"]

        assert told() == [3007]
        place.forget(5432)
        place.listen(3006, program)
        place.web.services.live.terminals_changed(place.id)
        assert told() == [3006, 3007]
        socket_.send(json.dumps({"type": "watch", "usage": [place.id], "ports": [place.id]}))
        while json.loads(socket_.recv(10))["type"] != "workspace.listening":
            pass
        place.forget(3006)
        place.forget(3007)
        assert told() == []


def test_a_row_is_told_a_program_that_nobody_announced(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is started by SSH in a workspace without a terminal: the next pass over the figures sees it."""
    monkeypatch.setattr(live, "USAGE_SECONDS", 0.2)
    url = place.web.url.replace("http", "ws") + "/ws/nixos/events"
    with connect(url, additional_headers=place.web.headers, proxy=None) as socket_, serving() as program:
        socket_.send(json.dumps({"type": "watch", "usage": [place.id]}))

        def told() -> object:
            while (message := json.loads(socket_.recv(10)))["type"] != "workspace.open":
                pass
            return message["open"]["ports"]

        told()
        began = time.monotonic()
        place.listen(3008, program)
        while told() != [3008]:
            pass
        place.forget(3008)
        while told() != []:
            pass
        assert time.monotonic() - began < live.COUNT_SECONDS / 2


def test_a_body_that_comes_too_slowly_ends(place: Place, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PIECE_SECONDS", 0.2)
    browser = place.opened()
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    head = f"POST /echo HTTP/1.1\r\nHost: {browser.host}\r\nCookie: {cookies}\r\nContent-Length: 100\r\n\r\nsome"
    with browser.raw(head.encode()) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")
    until("the program's connection ends", lambda: app.ended >= 1)


def test_one_visit_has_a_bounded_number_of_open_requests(
    place: Place, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_previews, "MOST_OPEN", 2)
    browser = place.opened()
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    ask = f"GET /endless HTTP/1.1\r\nHost: {browser.host}\r\nCookie: {cookies}\r\n\r\n".encode()
    with browser.raw(ask) as one, browser.raw(ask) as two:
        assert one.recv(12) == two.recv(12) == b"HTTP/1.1 200"
        refused = browser.get("/")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "limit_exceeded")
    until("there is room again", lambda: browser.get("/").status_code == 200)
    assert app.connections >= 2
