"""The OpenAPI document is valid, and a client that others generate from it works."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients_fixture import clients
from openapi_spec_validator import OpenAPIV31SpecValidator
from web_service import Web, running_web

pytestmark = pytest.mark.machine  # it installs a client, which takes a package registry

LIFE = """
import sys
from life.client import AuthenticatedClient
from life.api.workspaces import create_workspace, delete_workspace, list_workspaces
from life.models import CreateRequest

address, token = sys.stdin.read().split()
with AuthenticatedClient(base_url=address, token=token, raise_on_unexpected_status=True) as client:
    wanted = CreateRequest(name="generated", cpu=1, memory=1)
    made = create_workspace.sync(client=client, body=wanted)
    assert hasattr(made, "workspace"), made
    names = [one.name for one in list_workspaces.sync(client=client).workspaces]
    gone = delete_workspace.sync(made.workspace.id, client=client)
    print(made.workspace.name, names, gone.workspace.status.value)
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(Path(tmp_path_factory.mktemp("web"))) as running:
        yield running


def test_the_document_is_valid(web: Web) -> None:
    with web.http() as http:
        document = http.get("/api/openapi.json").json()
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_a_generated_client_makes_lists_and_deletes_a_workspace(web: Web, tmp_path: Path) -> None:
    with web.http() as http:
        (tmp_path / "openapi.json").write_text(http.get("/api/openapi.json").text)
    plain = {
        "application/offset+octet-stream": "application/octet-stream",
        "application/x-asciicast": "application/octet-stream",
        "application/x-ndjson": "text/plain",
        "application/zip": "application/octet-stream",
    }
    (tmp_path / "config.yaml").write_text(json.dumps({"post_hooks": [], "content_type_overrides": plain}))
    words = ["generate", "--path", "openapi.json", "--meta", "none", "--output-path", "life", "--config", "config.yaml"]
    done = subprocess.run(
        [str(clients() / "openapi-python-client"), *words, "--fail-on-warning"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lived = subprocess.run(
        [str(clients() / "python"), "-c", LIFE],
        input=f"{web.url} {web.token}",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert lived.stdout.split() == ["generated", "['generated']", "deleting"], lived.stderr
