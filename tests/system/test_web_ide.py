"""The template ``web-ide`` in a real browser: one click from the workspace's page leads to an editor of its files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocket, expect
from system.browser import Tab
from system.service import Service
from waiting import until

pytestmark = pytest.mark.system

EXTENSION = """
const { writeFileSync } = require("node:fs");
const { window } = require("vscode");
exports.activate = context => {
  const shown = window.createStatusBarItem();
  shown.text = "Probe is here";
  shown.show();
  context.subscriptions.push(shown);
  writeFileSync(`${process.env.HOME}/activated`, window.state ? "by the server's extension host" : "");
};
"""
MANIFEST = {"name": "probe", "publisher": "tests", "version": "1.0.0", "engines": {"vscode": "^1.80.0"}}
MANIFEST |= {"main": "./main.js", "activationEvents": ["onStartupFinished"], "extensionKind": ["workspace"]}
PACKAGE = """<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011"><Metadata>
<Identity Language="en-US" Id="probe" Version="1.0.0" Publisher="tests"/><DisplayName>Probe</DisplayName>
</Metadata><Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation><Dependencies/>
<Assets><Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json"/></Assets></PackageManifest>
"""
TYPES = """<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="json"
ContentType="application/json"/><Default Extension="js" ContentType="application/javascript"/></Types>
"""


def vsix() -> bytes:
    """Return a small extension as VS Code's packages are."""
    files = {"extension.vsixmanifest": PACKAGE, "[Content_Types].xml": TYPES}
    files |= {"extension/package.json": json.dumps(MANIFEST), "extension/main.js": EXTENSION}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


@pytest.fixture
def workspace(service: Service) -> Iterator[dict[str, Any]]:
    made = service.create("ide", template="web-ide", cpu=2, memory=2, storage=1)
    yield made
    service.delete(made["id"])


def opened(ui: Tab) -> Page:
    """Open the editor from the workspace's page, as a person does."""
    ui.open("/workspaces/ide")
    with ui.page.context.expect_page() as beside:
        ui.page.get_by_role("link", name="Open port 8080").click()
    page = beside.value
    page.locator(".monaco-workbench").wait_for(timeout=120_000)
    return page


def test_the_editor_is_up_with_the_workspace_and_edits_its_files(
    ui: Tab, service: Service, workspace: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    port = f"/workspaces/{workspace['id']}/ports/8080"
    until("it listens", lambda: service.api("GET", port)["listening"], 120)
    service.ssh(workspace, "echo first > notes.txt; git init -q project")
    package = tmp_path_factory.mktemp("extension") / "probe.vsix"
    package.write_bytes(vsix())
    service.nixws("cp", str(package), "ide:probe.vsix")
    service.ssh(workspace, "code-server --install-extension probe.vsix", timeout=120)
    assert service.ssh(workspace, "code-server --list-extensions", timeout=120) == "tests.probe"

    page = opened(ui)
    assert page.url.startswith(f"http://8080--ide.localhost:{service.port}/")
    sockets: list[WebSocket] = []
    ended: list[WebSocket] = []

    def note_end(socket: WebSocket) -> None:
        ended.append(socket)

    def watch(socket: WebSocket) -> None:
        sockets.append(socket)
        socket.on("close", note_end)

    page.on("websocket", watch)
    page.reload()
    expect(page.get_by_text("Probe is here")).to_be_visible(timeout=120_000)
    assert service.ssh(workspace, "cat activated") == "by the server's extension host"

    page.get_by_role("treeitem", name="notes.txt").dblclick()
    editor = page.locator(".editor-instance .view-lines")
    expect(editor).to_contain_text("first", timeout=60_000)
    editor.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("second, typed in the browser")
    page.keyboard.press("Control+s")
    until("it is saved", lambda: service.ssh(workspace, "cat notes.txt") == "first\nsecond, typed in the browser")

    service.ssh(workspace, "echo third >> notes.txt")
    expect(editor).to_contain_text("third")  # what changes inside is seen by the editor's own watcher

    page.keyboard.press("Control+`")
    page.locator(".terminal.xterm .xterm-helper-textarea").wait_for(state="attached", timeout=60_000)
    page.locator(".terminal.xterm").click()
    page.keyboard.type("echo $CANARY_HERE | wc -c > typed; git -C project status --short; rg --version\n")
    until("the terminal runs it", lambda: service.ssh(workspace, "cat typed", check=False).isdigit())
    assert int(service.ssh(workspace, "cat typed")) > 1, "its terminals have the workspace's secrets"
    expect(page.get_by_text("Chat", exact=True)).to_have_count(0)
    assert len(sockets) >= 2, "one of the window, one of the extensions"
    assert ended == []


def test_it_starts_again_when_it_is_killed_and_with_the_workspace(service: Service, workspace: dict[str, Any]) -> None:
    asked = "systemctl show web-ide -p MainPID --value"
    until("it runs", lambda: service.ssh(workspace, asked) != "0")
    before = service.ssh(workspace, asked)
    service.ssh(workspace, f"kill -9 {before}")
    until("it runs again", lambda: service.ssh(workspace, asked) not in {"0", before})
    service.api("POST", f"/workspaces/{workspace['id']}/restart", 202)
    service.reaches(workspace["id"], "running", 180)
    port = f"/workspaces/{workspace['id']}/ports/8080"
    until("it listens", lambda: service.api("GET", port)["listening"], 120)
