"""Previews at a path of the service itself, where an administrator allows that: for owners only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from preview_fixture import App, Browser, Place, previews, serving, value_of
from test_previews import frame, handshake

from nixos_workspaces.auth.policy import ADMIN, Principal, Role
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.previews.addresses import PreviewAddresses
from nixos_workspaces.web.previews import headers as rules

BASE = "/w/web/ports/3000"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with previews(tmp_path_factory.mktemp("previews"), previews_by_path=True) as opened:
        yield opened


@pytest.fixture
def app(place: Place) -> Iterator[App]:
    with serving() as program:
        place.listen(3000, program)
        yield program
        place.forget(3000)


def own_host(place: Place) -> str:
    return f"127.0.0.1:{place.web.address[1]}"


def ticket(place: Place, path: str, token: str = "", status: int = 200) -> Any:
    headers = {"authorization": f"Bearer {token or place.web.token}"}
    url = f"http://{own_host(place)}{path}"
    with httpx2.Client(base_url=place.web.url, headers=headers, verify=False) as http:
        told = http.post("/api/nixos/previews", json={"url": url})
    assert told.status_code == status, told.text
    return told.json()


def opened(place: Place) -> Browser:
    browser = Browser(place, own_host(place))
    entered = browser.get(ticket(place, f"{BASE}/deep?q=1")["url"].partition(browser.host)[2])
    assert (entered.status_code, entered.headers["location"]) == (303, f"{BASE}/deep?q=1")
    cookie = entered.headers["set-cookie"]
    assert f"; Path={BASE}/;" in cookie
    assert "HttpOnly" in cookie
    return browser


def test_a_path_leads_to_the_program_and_hides_what_is_the_services(place: Place, app: App) -> None:
    browser = opened(place)
    browser.cookies |= {"nixws_session": "secret", "theirs": "2"}
    assert browser.get(f"{BASE}/echo?a=b").text.startswith("GET /echo?a=b ")
    head = app.heads[-1]
    assert (value_of(head, "x-forwarded-prefix"), value_of(head, "cookie")) == (BASE, "theirs=2")
    assert "secret" not in "".join(app.heads)
    bare = browser.get(f"{BASE}?a=b")
    assert (bare.status_code, bare.headers["location"]) == (303, f"{BASE}/?a=b")
    assert browser.get("/healthz").status_code == 200
    cookies = browser.get(f"{BASE}/cookies").headers.get_list("set-cookie")
    assert cookies == [f"mine=1; Path={BASE}/"]
    pairs = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    own = f"http://{browser.host}"
    with browser.raw(handshake(browser.host, pairs, own, f"{BASE}/socket")) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
        connection.sendall(frame(b"one"))
        assert connection.recv(4096) == b"\x81\x03one"
    for origin in ("", f"http://{place.host()}", "http://evil.example"):
        with browser.raw(handshake(browser.host, pairs, origin, f"{BASE}/socket")) as connection:
            assert connection.recv(4096).startswith(b"HTTP/1.1 403 "), origin


def test_a_path_is_its_owners_only_whoever_the_port_is_shown_to(place: Place, app: App) -> None:
    told = place.show(3000, "link")
    link = told["link"].partition(place.host())[2]
    guest = Browser(place, own_host(place))
    assert guest.get(BASE + link).status_code == 404
    place.show(3000, "signed_in")
    tokens = place.web.services.tokens
    for other in (Principal("ann", "Ann"), Principal("root", "Root", Role.ADMIN)):
        secret, _ = place.web.run(tokens.create("of another", principal=other))
        assert ticket(place, f"{BASE}/", secret, 404)["error"]["code"] == "preview_not_found"
        assert guest.get(f"{BASE}/", authorization=f"Bearer {secret}").status_code == 401
    before = len(app.heads)
    assert guest.get(f"{BASE}/").status_code == 404
    assert guest.page(f"{BASE}/").headers["content-security-policy"].startswith("default-src 'none'")
    assert len(app.heads) == before
    assert opened(place).get(f"{BASE}/").text == "hello"
    place.show(3000, "private")


def test_a_cookie_of_one_path_opens_no_other(place: Place, app: App) -> None:
    browser = opened(place)
    before = len(app.heads)
    for path in ("/w/web/ports/3001/", "/w/other/ports/3000/", "/w/web/ports/22/", "/w/web/ports/99999/"):
        assert browser.get(path).status_code in {403, 404}
    for path in ("/w/we%62/ports/3000/", "/w/web/ports/3000x/", "/w/web/ports/", "/W/web/ports/3000/"):
        assert "hello" not in browser.get(path).text
    assert len(app.heads) == before


def test_what_leads_to_the_programs_own_paths_leads_below_its_path(place: Place) -> None:
    host = own_host(place)
    cases = {
        "/x?y": f"{BASE}/x?y",
        f"http://{host}/x": f"{BASE}/x",
        f"//{host}": f"{BASE}/",
        f"{BASE}/x": f"{BASE}/x",
        "x": "x",
        "//evil.example/x": "//evil.example/x",
        "https://elsewhere.example/": "https://elsewhere.example/",
    }

    async def lead(head: str, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        to = [*cases][int(head.split(" ", 2)[1].removeprefix("/"))]
        lines = f"location: {to}\r\nservice-worker-allowed: /\r\ncontent-length: 0\r\n\r\n"
        writer.write(f"HTTP/1.1 302 Found\r\n{lines}".encode())
        return True

    with serving(lead) as program:
        place.listen(3000, program)
        browser = opened(place)
        for number, wanted in enumerate(cases.values()):
            got = browser.get(f"{BASE}/{number}")
            assert got.headers["location"] == wanted
            assert "service-worker-allowed" not in got.headers
        place.forget(3000)


def test_paths_are_not_answered_unless_that_is_allowed(tmp_path: Path) -> None:
    with previews(tmp_path) as place, serving() as app:
        place.listen(3000, app)
        assert ticket(place, f"{BASE}/", status=404)["error"]["code"] == "preview_not_found"
        token = {"authorization": f"Bearer {place.web.token}"}
        assert "hello" not in Browser(place, own_host(place)).get(f"{BASE}/", **token).text
        assert app.heads == []


def test_owners_are_told_the_path_where_names_lead_nowhere(place: Place) -> None:
    workspace = place.web.run(place.web.services.workspaces.get("web", principal=ADMIN))
    assert isinstance(workspace, Workspace)
    away, named = PreviewAddresses("localhost", "", by_path=True), PreviewAddresses("apps.test", "", by_path=True)
    assert away.url_for_owner("https://work.example", workspace, 3000) == f"https://work.example{BASE}/"
    assert away.url_for_owner("http://127.0.0.1:5000", workspace, 3000) == "http://3000--web.localhost:5000/"
    assert named.url_for_owner("https://work.example", workspace, 3000) == "https://3000--web.apps.test/"
    never = PreviewAddresses("localhost", "")
    assert never.url_for_owner("https://work.example", workspace, 3000) == "https://3000--web.localhost/"


paths = st.text("/ab.:?#@\\%", max_size=12)


@given(
    paths, st.sampled_from(["", "//", "http://", "https://", "/"]), st.sampled_from(["", "h.example", "evil.example"])
)
def test_nothing_that_leads_to_this_host_leads_above_the_path(path: str, scheme: str, host: str) -> None:
    told = f"{scheme}{host}{path}".encode()
    ((_, passed),) = rules.to_browser([(b"location", told)], host="h.example", base=BASE)
    leads_here = told.startswith(b"/") and not told.startswith(b"//")
    assert passed.startswith(BASE.encode()) if leads_here else True
    assert not passed.lower().startswith((b"http://h.example/", b"//h.example/"))


@given(paths)
def test_no_cookie_leaves_the_path(path: str) -> None:
    ((_, passed),) = rules.to_browser([(b"set-cookie", f"a=1; path={path}; Secure".encode())], base=BASE)
    assert passed.startswith(f"a=1; Secure; Path={BASE}/".encode())
    assert json.dumps(passed.decode().lower()).count("path=") == 1 + path.lower().count("path=")
