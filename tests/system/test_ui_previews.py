"""Development servers as they are, in a real browser through their previews: Vite with hot reload, and JupyterLab."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from previewed_fixture import add_texts, jupyter, vite
from system.browser import chromium, tab
from system.service import Service, running_service
from system.test_ui_ports import APP, START
from waiting import until

pytestmark = pytest.mark.system

PROJECT = {
    "package.json": '{"type": "module"}',
    "index.html": '<!doctype html><title>App</title><h1></h1><script type="module" src="/main.js"></script>',
    "main.js": """
import { text } from "./text.js";
const show = told => { document.querySelector("h1").textContent = told; };
show(text);
import.meta.hot.accept("./text.js", changed => show(changed.text));
""",
    "text.js": 'export const text = "first";\n',
}
VITE = "systemd-run --user -q --collect -u app --working-directory=/home/nixos /run/current-system/sw/bin/node "
VITE += "node_modules/vite/bin/vite.js --host 127.0.0.1 --port 5173 --strictPort"
JUPYTER = "systemd-run --user -q --collect -u app --working-directory=/home/nixos -E PYTHONPATH=/home/nixos/jupyter "
JUPYTER += "-E PATH=/run/current-system/sw/bin /run/current-system/sw/bin/python3 -m jupyterlab --no-browser "
JUPYTER += "--port=8888 --app-dir=jupyter/share/jupyter/lab --IdentityProvider.token= --ServerApp.allow_remote_access=1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@contextmanager
def running(service: Service, archive: Path, command: str, port: int, **machine: Any) -> Iterator[dict[str, Any]]:
    """Yield a workspace in which a program of an archive listens on a port."""
    made = service.create("dev", cpu=2, memory=2, storage=2, **machine)
    try:
        service.nixws("cp", str(archive), "dev:programs.tar")
        service.ssh(made, "tar -xf programs.tar && rm programs.tar", timeout=300)
        service.ssh(made, command)
        path = f"/workspaces/{made['id']}/ports/{port}"
        try:
            until("it listens", lambda: service.api("GET", path)["listening"], 120)
        except AssertionError:
            raise AssertionError(service.ssh(made, "journalctl --user -n 40 --no-pager", check=False)) from None
        yield made
    finally:
        service.delete(made["id"])


def opened(browser: Browser, service: Service, port: int, path: str = "/") -> Page:
    """Open a preview by a ticket, as the button does."""
    page = browser.new_context().new_page()
    url = f"http://{port}--dev.localhost:{service.port}{path}"
    page.goto(service.api("POST", "/previews", json={"url": url})["url"])
    return page


def test_vite_shows_a_change_without_loading_the_page_anew(browser: Browser, service: Service, tmp_path: Path) -> None:
    archive = vite(tmp_path / "vite.tar")
    add_texts(archive, PROJECT)
    with running(service, archive, VITE, 5173, template="nodejs") as made:
        page = opened(browser, service, 5173)
        with page.expect_console_message(lambda message: "[vite] connected" in message.text):
            page.reload()
        expect(page.get_by_role("heading", name="first")).to_be_visible()
        page.evaluate("window.kept = 1")
        service.ssh(made, "sed -i s/first/second/ text.js")
        expect(page.get_by_role("heading", name="second")).to_be_visible()
        assert page.evaluate("window.kept") == 1, "the page was loaded anew"
        page.context.close()


def test_a_notebook_of_jupyterlab_computes(browser: Browser, service: Service) -> None:
    with running(service, jupyter(), JUPYTER, 8888, template="python"):
        page = opened(browser, service, 8888, "/lab?reset")
        page.locator('.jp-LauncherCard[data-category="Notebook"]').first.click()
        cell = page.locator(".jp-Notebook .jp-Cell .cm-content").first
        cell.click()
        page.keyboard.type("print(6 * 7)")
        page.keyboard.press("Shift+Enter")
        expect(page.locator(".jp-OutputArea-output").first).to_have_text("42", timeout=180_000)
        page.context.close()


def test_a_path_of_the_service_leads_to_a_program_that_sees_none_of_our_cookies(browser: Browser) -> None:
    with running_service(NIXWS_PREVIEWS_BY_PATH="yes") as service, tab(browser, service.url) as ui:
        made = service.create("shop", packages=["python3"])
        service.ssh(made, f"cat > app.py <<'EOF'\n{APP}\nEOF")
        service.ssh(made, START)
        ui.sign_in(service.token)
        url = f"{service.url}/w/shop/ports/8000/"
        until("it listens", lambda: service.api("GET", f"/workspaces/{made['id']}/ports/8000")["listening"])
        ui.page.goto(service.api("POST", "/previews", json={"url": url})["url"])
        expect(ui.page.get_by_role("heading", name="Hello from inside")).to_be_visible()
        assert ui.page.url == url
        seen = json.loads(ui.page.evaluate("fetch('seen').then(answer => answer.text())"))
        assert set(seen["Cookie"].split("; ")) == {"app=1", "script=2"}
        assert seen["X-Forwarded-Prefix"] == "/w/shop/ports/8000"
        paths = {one["name"]: one["path"] for one in ui.page.context.cookies()}
        assert paths["app"] == paths["nixws_preview"] == "/w/shop/ports/8000/"
        echo = """new Promise((done, failed) => {
          const socket = new WebSocket(`ws://${location.host}/w/shop/ports/8000/echo`);
          socket.onopen = () => socket.send('round');
          socket.onmessage = event => { done(event.data); socket.close(); };
          socket.onerror = failed;
        })"""
        assert ui.page.evaluate(echo) == "round"
        ui.open("/workspaces")
        expect(ui.page.get_by_text("port 8000")).to_be_visible()
