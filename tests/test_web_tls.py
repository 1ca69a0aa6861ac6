"""TLS and a fixed origin: behind a real nginx, with a certificate of its own, and what a login link may cost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets.exceptions
from browsing import PAGE
from fakes import fake_services
from nginx_fixture import documented_location, free_port, running_nginx, write_certificate
from open_things import Place, running_place
from test_web_rates import entries
from tls_socket import TlsSocket, tls_socket
from waiting import until
from web_service import Web, running_web

from nixos_workspaces.client import Client
from nixos_workspaces.errors import InvalidInput, Unavailable
from nixos_workspaces.services import Services
from nixos_workspaces.settings import load
from nixos_workspaces.web.http.access import tls
from nixos_workspaces.web.http.access.tls import Certificate

OPERATIONS = Path(__file__).resolve().parent.parent / "docs/operations.md"


def trusting(directory: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=directory / "cert.pem")


# ---- behind nginx


class Behind:
    """The service behind nginx, as browsers see it."""

    def __init__(self, place: Place, url: str, directory: Path) -> None:
        self.place, self.url, self.tls = place, url, trusting(directory)
        self.clients: list[httpx2.Client] = []

    def http(self, *, address: str = "127.0.0.1", **headers: str) -> httpx2.Client:
        transport = httpx2.HTTPTransport(verify=self.tls, local_address=address)
        self.clients.append(
            httpx2.Client(event_hooks=PAGE, base_url=self.url, transport=transport, headers=headers, timeout=20)
        )
        return self.clients[-1]

    def signed_in(self) -> httpx2.Client:
        """Return a browser that has followed a login link and sent its form."""
        code = self.place.web.run(self.place.web.services.tokens.login_code())
        browser = self.http()
        page = browser.get("/login", params={"code": code})
        assert f'value="{code}"' in page.text
        done = browser.post("/login", data={"code": code}, headers={"Origin": self.url})
        assert (done.status_code, done.headers["location"]) == (303, "/")
        return browser

    def socket(self, path: str, browser: httpx2.Client, **headers: str) -> AbstractContextManager[TlsSocket]:
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        sent = {"Cookie": cookies, "Origin": self.url, **headers}
        return tls_socket(self.url.replace("http", "ws") + path, self.tls, sent)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    directory, port = tmp_path_factory.mktemp("nginx"), free_port()
    write_certificate(directory)
    url = f"https://127.0.0.1:{port}"
    data = tmp_path_factory.mktemp("data")
    with (
        running_place(data, public_url=url, trusted_proxies="127.0.0.1") as place,
        running_nginx(directory, port, documented_location(OPERATIONS, place.web.url)),
    ):
        seen = Behind(place, url, directory)
        yield seen
        for client in seen.clients:
            client.close()


def test_a_browser_signs_in_behind_a_proxy(behind: Behind) -> None:
    browser = behind.signed_in()
    assert list(browser.cookies) == ["__Host-nixws_session"]
    assert browser.get("/api/nixos/session").json()["name"] == "admin"
    given = behind.http().post("/api/nixos/login", json={"token": behind.place.web.token}).headers["set-cookie"]
    assert given.startswith("__Host-nixws_session=")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=strict"} <= {part.strip() for part in given.split(";")}
    assert "Domain" not in given
    out = browser.post("/api/nixos/logout", headers={"Origin": behind.url})
    assert out.status_code == 204
    assert browser.get("/api/nixos/session").status_code == 401


def test_a_cookie_that_another_host_could_plant_is_not_taken(behind: Behind) -> None:
    browser = behind.signed_in()
    planted = f"nixws_session={browser.cookies['__Host-nixws_session']}"
    assert behind.http(Cookie=planted).get("/api/nixos/session").status_code == 401


def test_a_terminal_and_events_work_behind_a_proxy(behind: Behind) -> None:
    browser = behind.signed_in()
    where = browser.get(f"{behind.place.root}/terminal").json()["terminal"]["websocket_url"]
    assert where == f"{behind.url.replace('http', 'ws')}/ws/nixos/workspaces/{behind.place.workspace}/terminal"
    with behind.socket(f"/ws/nixos/workspaces/{behind.place.workspace}/terminal", browser) as terminal:
        terminal.send(json.dumps({"type": "input", "data": "echo $((40 + 2))x\n"}))
        seen = ""
        while "42x" not in seen:
            said = json.loads(terminal.recv(20))
            seen += said.get("data", "")
    with behind.socket("/ws/nixos/events", browser) as events:
        assert json.loads(events.recv(20)) == {"type": "hello"}


def test_files_go_up_and_down_behind_a_proxy(behind: Behind) -> None:
    browser, content = behind.signed_in(), b"x" * 9_000_000
    path = f"{behind.place.root}/files{behind.place.sshd.home}/behind"
    assert browser.put(path, content=content, headers={"Origin": behind.url}).status_code == 201
    assert browser.get(path).content == content
    assert behind.place.sshd.home.joinpath("behind").read_bytes() == content


@pytest.mark.parametrize("origin", ["http://{host}", "https://evil.example", "null"])
def test_the_setting_alone_decides_the_origin(behind: Behind, origin: str) -> None:
    """Not what the request says of its host: neither through the proxy nor past it."""
    browser = behind.signed_in()
    given = {"Origin": origin.format(host=behind.url.removeprefix("https://"))}
    assert browser.post(f"{behind.place.root}/start", headers=given).status_code == 403
    with (
        pytest.raises(websockets.exceptions.InvalidStatus) as refused,
        behind.socket("/ws/nixos/events", browser, **given),
    ):
        pass
    assert refused.value.response.status_code == 403
    direct = behind.place.web.url
    cookie = f"__Host-nixws_session={browser.cookies['__Host-nixws_session']}"
    with httpx2.Client(base_url=direct, trust_env=False, headers={"Cookie": cookie}) as past:
        assert past.post(f"{behind.place.root}/start", headers={"Origin": direct}).status_code == 403


def test_clients_behind_a_proxy_are_told_apart(behind: Behind) -> None:
    """Each has a rate of its own, and the address in the audit log; none can say another."""
    most = behind.place.web.services.settings.sign_in_attempts
    bad = {"Authorization": "Bearer nope", "X-Forwarded-For": "192.0.2.7"}
    with behind.http(address="127.0.0.5", **bad) as one, behind.http(address="127.0.0.6", **bad) as other:
        assert [one.get("/api/nixos/session").status_code for _ in range(most + 1)] == [401] * most + [429]
        assert other.get("/api/nixos/session").status_code == 401
    behind.place.web.run(behind.place.web.services.counted_audit.store())
    found = [one.detail for one in entries(behind.place.web, "authenticate") if one.detail]
    assert {"address": "127.0.0.5", "count": most + 1} in found
    assert not [one for one in found if one["address"] == "192.0.2.7"]


# ---- without a proxy that is trusted


@asynccontextmanager
async def plain_services(data: Path) -> AsyncIterator[Services]:
    async with fake_services(data) as services:
        yield services


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(tmp_path_factory.mktemp("plain"), plain_services) as running:
        yield running


def test_others_say_nothing_of_where_they_come_from(plain: Web) -> None:
    headers = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    with httpx2.Client(event_hooks=PAGE, base_url=plain.url, trust_env=False, headers=headers, verify=False) as http:
        cookie = http.post("/api/nixos/login", json={"token": plain.token}).headers["set-cookie"]
        assert cookie.startswith("nixws_session=")
        assert "Secure" not in cookie
        assert http.get("/api/nixos/session", headers={"Authorization": "Bearer nope"}).status_code == 401
    plain.run(plain.services.counted_audit.store())
    assert [one.detail for one in entries(plain, "authenticate")] == [{"address": "127.0.0.1", "count": 1}]


def test_looking_at_a_login_link_spends_no_code(plain: Web) -> None:
    """Mail scanners, previews and browsers that fetch ahead look; only the form's POST signs in, once."""
    code = plain.run(plain.services.tokens.login_code())
    with httpx2.Client(base_url=plain.url, trust_env=False, verify=False) as http:
        for look in (http.head, http.get, http.head, http.get):
            answer = look("/login", params={"code": code})
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers
            assert answer.headers["cache-control"] == "no-store"
        foreign = http.post("/login", data={"code": code}, headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403
        script = http.get("/login.js")
        assert script.headers["content-type"].startswith("text/javascript")
        done = http.post("/login", data={"code": code}, headers={"Origin": plain.url})
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert http.get("/api/nixos/session").status_code == 200
        again = http.post("/login", data={"code": code}, headers={"Origin": plain.url})
        assert "set-cookie" not in again.headers


def test_a_code_is_shown_as_text_only(plain: Web) -> None:
    with httpx2.Client(base_url=plain.url, trust_env=False, verify=False) as http:
        page = http.get("/login", params={"code": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page


# ---- its own TLS


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Path]]:
    directory = tmp_path_factory.mktemp("tls")
    write_certificate(directory)

    @asynccontextmanager
    async def services_at(data: Path) -> AsyncIterator[Services]:
        files = {"tls_certificate": str(directory / "cert.pem"), "tls_key": str(directory / "key.pem")}
        async with fake_services(data) as services:
            yield replace(services, settings=replace(services.settings, **files))  # type: ignore[arg-type]

    with running_web(tmp_path_factory.mktemp("data"), services_at) as running:
        yield running, directory


def serial(web: Web) -> str:
    """Return the serial number of the certificate that a new connection is shown."""
    from cryptography import x509

    shown = ssl.get_server_certificate(web.address, timeout=20)
    return f"{x509.load_pem_x509_certificate(shown.encode()).serial_number:X}"


def test_the_service_speaks_tls_itself(own: tuple[Web, Path]) -> None:
    web, directory = own
    with httpx2.Client(event_hooks=PAGE, base_url=web.url, trust_env=False, verify=trusting(directory)) as browser:
        signed_in = browser.post("/api/nixos/login", json={"token": web.token})
        assert signed_in.headers["set-cookie"].startswith("__Host-nixws_session=")
        assert browser.post("/api/nixos/workspaces/none/start", headers={"Origin": web.url}).status_code == 404
    address = web.url.replace("http", "ws") + "/ws/nixos/events"
    with tls_socket(address, trusting(directory), web.headers) as events:
        assert json.loads(events.recv()) == {"type": "hello"}


def test_refusals_below_the_application_arrive_over_tls(own: tuple[Web, Path]) -> None:
    web, directory = own
    with (
        socket.create_connection(web.address, timeout=20) as raw,
        trusting(directory).wrap_socket(raw, server_hostname="127.0.0.1") as line,
    ):
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000 + b"\r\n\r\n")
        assert line.recv(65536).split()[1] == b"431"


def test_a_changed_certificate_is_taken_up_and_a_wrong_one_is_not(
    own: tuple[Web, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, directory = own
    monkeypatch.setattr(tls, "LOOK_SECONDS", 0.05)
    first = serial(web)
    (directory / "key.pem").write_bytes(b"not yet")
    second = write_certificate(directory, "second")
    until("the new one is shown", lambda: serial(web) == second, seconds=30)
    assert first != second
    write_certificate(tmp_path, "third")
    (directory / "cert.pem").write_bytes((tmp_path / "cert.pem").read_bytes())
    web.run(_looked(web))
    assert serial(web) == second


async def _looked(web: Web) -> None:
    """Let the files be looked at, whatever they are now."""
    certificate: Any = web.server._certificate
    seen = certificate._versions
    looked = asyncio.Event()

    def noting() -> Any:
        web.loop.call_soon_threadsafe(looked.set)
        return seen()

    certificate._versions = noting
    for _ in range(2):
        await looked.wait()
        looked.clear()
    certificate._versions = seen


def test_the_command_line_expects_that_very_certificate(own: tuple[Web, Path], tmp_path: Path) -> None:
    """Whatever name is in it; another one is refused before the token is sent."""
    web, directory = own
    write_certificate(tmp_path, "another")
    localhost = web.url.replace("127.0.0.1", "localhost")
    shown = tmp_path / "shown.pem"
    shown.write_text(ssl.get_server_certificate(web.address, timeout=20))
    with Client(localhost, web.token, certificate=shown) as client:
        assert client.call("GET", "/api/nixos/session")["name"] == "admin"
    for certificate in (tmp_path / "cert.pem", None):
        with Client(localhost, web.token, certificate=certificate) as client, pytest.raises(Unavailable):
            client.call("GET", "/api/nixos/session")
    assert directory != tmp_path


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(InvalidInput) as refused:
        Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    assert refused.value.field == "tls_certificate"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("public_url", "work.example"),
        ("public_url", "ftp://work.example"),
        ("public_url", "https://work.example/path"),
        ("public_url", "https://user@work.example"),
        ("tls_certificate", "/only/this"),
        ("tls_key", "/only/this"),
        ("trusted_proxies", "127.0.0.1, proxy"),
        ("trusted_proxies", "*"),
    ],
)
def test_wrong_settings_are_refused_with_their_name(name: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        load({name: value}, {})
    assert refused.value.field in {name, "tls_certificate"}


def test_settings_are_read_as_people_write_them() -> None:
    read = load({"public_url": "https://Work.example:8443/", "trusted_proxies": "10.0.0.0/8, ::1"}, {})
    assert (read.public_url, read.proxies) == ("https://Work.example:8443", ["10.0.0.0/8", "::1"])


def test_files_that_are_replaced_while_they_are_taken_up_break_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is another's once the pair was seen to fit; the context goes on with the pair that it has."""
    shown = write_certificate(tmp_path, "first")
    certificate = Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    key, load = (tmp_path / "key.pem").read_bytes(), tls._loaded

    def replaced(*pair: str) -> ssl.SSLContext:
        done = load(*pair)
        (tmp_path / "key.pem").write_bytes(key)
        return done

    monkeypatch.setattr(tls, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(tls, "_loaded", replaced)
    again = write_certificate(tmp_path, "second")
    with contextlib.suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(certificate.keep_fresh(), 0.5))
    assert offered(certificate.context, tmp_path) == again != shown


def offered(context: ssl.SSLContext, directory: Path) -> str:
    """Return the serial number that a handshake in memory with a context shows."""
    from cryptography import x509

    client = trusting(directory)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server)
    other = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (one, other):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    found = one.getpeercert(binary_form=True)
    assert found is not None
    return f"{x509.load_der_x509_certificate(found).serial_number:X}"
