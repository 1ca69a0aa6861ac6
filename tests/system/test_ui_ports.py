"""Ports in a real browser: a program in a real workspace, at an origin of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from system.browser import Tab
from system.service import Service
from waiting import until

pytestmark = pytest.mark.system

APP = r'''
import base64, hashlib, json, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"""<!doctype html><title>App</title><h1>Hello from inside</h1><script>
document.cookie = "script=2; path=/";
</script>"""

class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_): pass

    def answer(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "app=1; Domain=localhost; Path=/")
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        if self.path == "/seen":
            self.answer(json.dumps({k.title(): v for k, v in self.headers.items()}).encode(), "application/json")
        elif self.path == "/events":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for number in range(1000):
                self.wfile.write(b"data: %d\n\n" % number)
                time.sleep(0.05)
        elif self.path == "/echo":
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
            self.end_headers()
            self.close_connection = True
            while True:
                first, length = self.rfile.read(2)
                mask = self.rfile.read(4)
                body = bytes(one ^ mask[i % 4] for i, one in enumerate(self.rfile.read(length & 127)))
                self.wfile.write(bytes((first, len(body))) + body)
                if first & 15 == 8:
                    return
        else:
            self.answer(PAGE, "text/html")

ThreadingHTTPServer(("127.0.0.1", 8000), App).serve_forever()
'''
START = "systemd-run --user -q --collect -u app /run/current-system/sw/bin/python3 app.py"


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[dict[str, Any]]:
    """A running workspace with the program in it, not started."""
    made = service.create("shop", packages=["python3"])
    service.ssh(made, f"cat > app.py <<'EOF'\n{APP}\nEOF")
    yield made
    service.delete(made["id"])


@pytest.fixture
def app(service: Service, workspace: dict[str, Any]) -> Iterator[None]:
    service.ssh(workspace, START)
    yield
    service.ssh(workspace, "systemctl --user stop app", check=False)


def opened(ui: Tab, service: Service) -> Page:
    """Open the program from the workspace's page, as a person does."""
    ui.sign_in(service.token)
    ui.open("/workspaces/shop")
    with ui.page.context.expect_page() as beside:
        ui.page.get_by_role("link", name="Open port 8000").click()
    page = beside.value
    expect(page.get_by_role("heading", name="Hello from inside")).to_be_visible()
    return page


@pytest.mark.usefixtures("app")
def test_a_program_opens_at_an_origin_of_its_own(ui: Tab, service: Service) -> None:
    page = opened(ui, service)
    assert page.url == f"http://8000--shop.localhost:{service.port}/"
    seen = json.loads(page.evaluate("fetch('/seen').then(answer => answer.text())"))
    assert set(seen["Cookie"].split("; ")) == {"app=1", "script=2"}
    assert "nixws_" not in json.dumps(seen)
    assert seen["X-Forwarded-Host"] == seen["Host"] == f"8000--shop.localhost:{service.port}"
    assert page.evaluate("document.cookie.includes('nixws')") is False
    kept = {one["name"]: one for one in page.context.cookies()}
    assert (
        kept["app"]["domain"] == kept["script"]["domain"] == kept["nixws_preview"]["domain"] == "8000--shop.localhost"
    )
    assert kept["nixws_preview"]["httpOnly"] is True
    assert kept["nixws_session"]["domain"] == "127.0.0.1"
    events = """new Promise(done => {
      const got = [];
      new EventSource('/events').onmessage = event => { got.push(event.data); if (got.length === 3) done(got); };
    })"""
    assert page.evaluate(events) == ["0", "1", "2"]
    echo = """new Promise((done, failed) => {
      const socket = new WebSocket(`ws://${location.host}/echo`);
      socket.onopen = () => socket.send('round');
      socket.onmessage = event => { done(event.data); socket.close(); };
      socket.onerror = failed;
    })"""
    assert page.evaluate(echo) == "round"


PACED = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
with socket.create_connection(listener.getsockname()):
    print(listener.accept()[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(bytes(1)).decode())
"""


def test_nothing_paces_what_stays_within_a_workspace(service: Service, workspace: dict[str, Any]) -> None:
    assert service.ssh(workspace, f"python3 -c '{PACED}'") == "reno"


def test_a_page_waits_for_its_program_and_loads_by_itself(ui: Tab, service: Service, workspace: dict[str, Any]) -> None:
    ui.sign_in(service.token)
    url = f"http://8000--shop.localhost:{service.port}/"
    ui.page.goto(service.api("POST", "/previews", json={"url": url})["url"])
    expect(ui.page.get_by_role("heading", name="Nothing listens on port 8000 yet")).to_be_visible()
    service.ssh(workspace, START)
    expect(ui.page.get_by_role("heading", name="Hello from inside")).to_be_visible()
    service.ssh(workspace, "systemctl --user stop app")
    ui.foreign.clear()


@pytest.mark.usefixtures("app")
def test_a_link_shows_a_port_to_a_guest_until_it_is_private(
    browser: Browser, ui: Tab, service: Service, workspace: dict[str, Any]
) -> None:
    ui.sign_in(service.token)
    ui.open("/workspaces/shop/ports")
    ui.page.get_by_role("button", name="Who sees port 8000").click()
    ui.page.get_by_role("radio", name="Anyone with the link").check()
    ui.page.get_by_role("button", name="Make a link").click()
    link = ui.page.locator(".modal code").inner_text()
    ui.page.get_by_role("button", name="Close").first.click()
    guest = browser.new_context().new_page()
    guest.goto(link)
    expect(guest.get_by_role("heading", name="Hello from inside")).to_be_visible()
    assert guest.url == f"http://8000--shop.localhost:{service.port}/"
    service.api("PUT", f"/workspaces/{workspace['id']}/ports/8000", json={"visibility": "private"})
    until("it is refused", lambda: guest.goto(link.partition("/.nixws")[0]).status == 404)  # type: ignore[union-attr]
    guest.context.close()


@pytest.mark.usefixtures("app")
def test_the_open_menu_knows_what_listens(ui: Tab, service: Service, workspace: dict[str, Any]) -> None:
    ui.sign_in(service.token)
    ui.open("/workspaces/shop/settings")
    ui.page.get_by_role("button", name="Open something else").click()
    expect(ui.page.get_by_role("menuitem", name=re.compile(r"^Open port 8000 \(python3"))).to_be_visible()
    service.ssh(workspace, "systemctl --user stop app")
    expect(ui.page.get_by_role("menuitem", name="Open port 8000")).to_have_count(0)
