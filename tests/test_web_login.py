"""Signing in and out, and what a browser's cookie is good for."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from browsing import PAGE, who_is
from web_service import Web, running_web

from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.auth.tokens import SESSION_LIFETIME
from nixos_workspaces.web.routes import pages


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


@pytest.mark.parametrize("body", [b"a=1&b=2&c=3&d=4&code=x", b"\xff\x00", b"code=" + b"x" * 100_000, b"&&&=&;"])
def test_what_is_no_form_of_the_login_page_is_refused(web: Web, body: bytes) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": web.url}
    with httpx2.Client(event_hooks=PAGE, base_url=web.url, trust_env=False, verify=False) as client:
        assert client.post("/login", content=body, headers=kind).status_code in {303, 403}


@pytest.fixture
def browser(web: Web) -> Iterator[httpx2.Client]:
    """A browser that has opened the login link and sent its form."""
    code = web.run(web.services.tokens.login_code())
    with httpx2.Client(event_hooks=PAGE, base_url=web.url, trust_env=False, verify=False) as client:
        answer = client.post("/login", data={"code": code}, headers={"Origin": web.url})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        yield client


def test_the_link_signs_in_once(web: Web) -> None:
    code = web.run(web.services.tokens.login_code())
    with httpx2.Client(event_hooks=PAGE, base_url=web.url, trust_env=False, verify=False) as first:
        answer = first.post("/login", data={"code": code})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert answer.headers["cache-control"] == "no-store"
        assert who_is(first.get("/api/nixos/session")) == ("admin", "admin")
    with httpx2.Client(event_hooks=PAGE, base_url=web.url, trust_env=False, verify=False) as second:
        answer = second.post("/login", data={"code": code})
        assert "set-cookie" not in answer.headers
        assert second.get("/api/nixos/session").status_code == 401


@pytest.mark.parametrize("code", ["", "wrong", "a" * 600, "\u00e4", "a\nb", "' OR 1=1"])
def test_other_codes_do_not(web: Web, code: str) -> None:
    with httpx2.Client(event_hooks=PAGE, base_url=web.url, trust_env=False, verify=False) as client:
        answer = client.post("/login", data={"code": code})
        assert answer.status_code in {303, 403}
        assert "set-cookie" not in answer.headers
        if code:
            assert client.post("/api/nixos/login", json={"code": code}).status_code in {401, 422}


def test_a_token_can_be_traded_for_a_session(web: Web) -> None:
    """A pasted API token becomes a session of its own, which ends without ending the token."""
    with httpx2.Client(event_hooks=PAGE, base_url=web.url, trust_env=False, verify=False) as client:
        given = client.post("/api/nixos/login", json={"token": web.token})
        assert given.status_code == 200
        assert given.json()["token"] != web.token
        assert f"Max-Age={SESSION_LIFETIME // timedelta(seconds=1)};" in given.headers["set-cookie"]
        assert client.post("/api/nixos/logout", headers={"Origin": web.url}).status_code == 204
        assert client.get("/api/nixos/session").status_code == 401
        assert client.get("/api/nixos/session", headers=web.headers).status_code == 200
        assert client.post("/api/nixos/login", json={"token": "nope"}).status_code == 401
        both = client.post("/api/nixos/login", json={"token": web.token, "code": "x"})
        assert both.status_code == 422


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "https://evil.example",
        "{url}.evil.example",
        "http://evil{url}",
        "http://localhost:1",
        "https{rest}",
    ],
)
def test_unsafe_requests_by_cookie_need_our_own_origin(web: Web, browser: httpx2.Client, origin: str | None) -> None:
    path = "/api/nixos/workspaces/none/start"
    headers = {}
    if origin is not None:
        headers["Origin"] = origin.format(url=web.url, rest=web.url.removeprefix("http"))
    refused = browser.post(path, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_origin")
    assert browser.post(path, headers={"Origin": web.url}).status_code == 404
    assert browser.get("/api/nixos/workspaces", headers=headers).status_code == 200


def test_a_program_with_a_token_needs_no_origin(web: Web) -> None:
    with web.http() as http:
        assert http.post("/api/nixos/workspaces/none/start").status_code == 404


def test_a_wrong_header_is_not_saved_by_a_cookie(browser: httpx2.Client) -> None:
    assert browser.get("/api/nixos/session", headers={"Authorization": "Bearer nope"}).status_code == 401


def test_signing_out_ends_the_session_everywhere(web: Web, browser: httpx2.Client) -> None:
    session = browser.cookies["nixws_session"]
    assert browser.post("/api/nixos/logout", headers={"Origin": web.url}).status_code == 204
    stolen = {"Cookie": f"nixws_session={session}"}
    with httpx2.Client(base_url=web.url, trust_env=False, verify=False) as thief:
        assert thief.get("/api/nixos/session", headers=stolen).status_code == 401
        assert thief.get("/api/nixos/session", headers={"Authorization": f"Bearer {session}"}).status_code == 401


def test_a_revoked_token_is_refused_at_once(web: Web) -> None:
    secret, token = web.run(web.services.tokens.create("short-lived", principal=ADMIN))
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx2.Client(base_url=web.url, trust_env=False, headers=headers, verify=False) as http:
        assert http.get("/api/nixos/session").status_code == 200
        web.run(web.services.tokens.revoke(token.id, principal=ADMIN))
        assert http.get("/api/nixos/session").status_code == 401


def test_the_start_page_says_who_is_there(web: Web, browser: httpx2.Client) -> None:
    with httpx2.Client(base_url=web.url, trust_env=False, verify=False) as anonymous:
        page = anonymous.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "<script" not in page.text or "/assets/" in page.text
        assert "signed out" in page.text or "/assets/" in page.text
    assert "signed in" in browser.get("/").text or "/assets/" in browser.get("/").text


def test_a_page_has_the_browser_fetch_its_first_data_only_with_a_session(web: Web) -> None:
    with web.http() as http:
        assert "link" not in http.get("/workspaces").headers
        session = {"Cookie": "nixws_session=some"}
        for path in ("/workspaces", "/workspaces/ws-1/terminal"):
            link = http.get(path, headers=session).headers["link"]
            assert "</api/nixos/workspaces?limit=50>; rel=preload; as=fetch; crossorigin" in link
        assert "link" not in http.get("/sign-in", headers=session).headers


def test_every_view_of_the_ui_is_served_at_its_address(web: Web) -> None:
    """Views of workspaces lie below ``/workspaces``; an address of none is the UI too, as what is not found."""
    router = (Path(__file__).parents[1] / "ui/src/app/router.tsx").read_text()
    of_the_shell = r"getParentRoute: \(\) => (?:appRoute|rootRoute),\s+path: \"(/[\w/-]*)\""
    views = set(re.findall(of_the_shell, router)) - {"/gallery"}
    assert {"/workspaces", "/usage", "/templates", "/admin/health", "/sign-in"} <= views
    with web.http() as http:
        for view in views:
            assert http.get(view, headers={"Accept": "text/html"}).status_code == 200, view
        assert http.get("/nowhere", headers={"Accept": "text/html"}).status_code == 404


def test_a_file_of_the_ui_is_packed_for_who_takes_it_so(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/a.js").write_text("whole")
    (tmp_path / "assets/a.js.gz").write_bytes(gzip.compress(b"packed"))
    (tmp_path / "assets/b.css").write_text("alone")
    monkeypatch.setattr(pages, "UI_DIST", tmp_path)
    with web.http() as http:
        for path, takes, wanted in (
            ("a.js", "gzip, br", ("packed", "gzip", "text/javascript")),
            ("a.js", "identity", ("whole", None, "text/javascript")),
            ("b.css", "gzip", ("alone", None, "text/css")),
        ):
            answer = http.get(f"/assets/{path}", headers={"Accept-Encoding": takes})
            kind = answer.headers["content-type"].partition(";")[0]
            assert (answer.text, answer.headers.get("content-encoding"), kind) == wanted
            assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "path", ["/assets/../index.html", "/assets/%2e%2e/%2e%2e/package.json", "/assets//etc/passwd", "/assets/%00"]
)
def test_files_outside_the_built_ui_are_not_served(web: Web, path: str) -> None:
    import socket

    with socket.create_connection(web.address, timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(65536).split()[1] in {b"404", b"400"}
