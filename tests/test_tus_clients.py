"""Resumable uploads by the usual clients of tus, with the metadata that they send."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients_fixture import NODE, ROOT, clients
from files_web import FilesWeb, files_web

CONTENT = os.urandom(1_500_000)

TUSPY = """
import json, sys
from tusclient.client import TusClient

given = json.load(sys.stdin)
client = TusClient(given["address"], headers={"Authorization": "Bearer " + given["token"]})
client.uploader(given["file"], chunk_size=400_000, metadata=given["metadata"]).upload()
"""

TUS_JS = """
import { readFileSync } from "node:fs";
import { Upload } from "tus-js-client";

const given = JSON.parse(readFileSync(0, "utf8"));
await new Promise((done, failed) =>
  new Upload(readFileSync(given.file), {
    endpoint: given.address,
    headers: { Authorization: `Bearer ${given.token}` },
    chunkSize: 400_000,
    metadata: given.metadata,
    retryDelays: null,
    onSuccess: done,
    onError: failed,
  }).start(),
);
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilesWeb]:
    with files_web(tmp_path_factory.mktemp("tus")) as running:
        yield running


def upload(service: FilesWeb, client: str, source: Path, metadata: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Upload a file by a client of others."""
    command, place = {
        "tuspy": ([str(clients() / "python"), "-c", TUSPY], ROOT),
        "tus-js-client": ([str(NODE), "--input-type=module", "--eval", TUS_JS], ROOT / "ui"),
    }[client]
    given = {
        "address": f"{service.web.url}{service.root}/uploads",
        "token": service.web.token,
        "file": str(source),
        "metadata": metadata,
    }
    return subprocess.run(command, input=json.dumps(given), cwd=place, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("client", ["tuspy", "tus-js-client"])
@pytest.mark.parametrize(
    ("metadata", "place"),
    [
        ({"filename": "plain", "filetype": "text/plain"}, "plain"),
        ({"filename": "ünï — ✓.txt", "filetype": ""}, "ünï — ✓.txt"),
        ({"path": "{home}/inside", "filename": "in.bin"}, "inside/in.bin"),
        ({"path": "{home}/inside/", "filename": "slash.bin"}, "inside/slash.bin"),
        ({"path": "{home}/other-name", "filename": "ignored"}, "other-name"),
        (
            {"relativePath": "null", "name": "uppy", "type": "image/png", "filename": "uppy", "filetype": "image/png"},
            "uppy",
        ),
    ],
    ids=["filename", "unicode", "directory", "slash", "path", "uppy"],
)
def test_an_upload_comes_to_its_place(
    service: FilesWeb, tmp_path: Path, client: str, metadata: dict[str, str], place: str
) -> None:
    home = service.server.home
    inside = home / "inside"
    inside.mkdir(exist_ok=True)
    os.chown(inside, service.server.uid, service.server.uid)
    (home / place).unlink(missing_ok=True)
    (tmp_path / "source").write_bytes(CONTENT)
    sent = {name: value.format(home=home) for name, value in metadata.items()}
    done = upload(service, client, tmp_path / "source", sent)
    assert done.returncode == 0, done.stderr
    assert (home / place).read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["../escaped", "/etc/passwd", "..", "a/b"])
def test_a_file_name_leads_nowhere_else(service: FilesWeb, tmp_path: Path, name: str) -> None:
    (tmp_path / "source").write_bytes(b"x")
    done = upload(service, "tus-js-client", tmp_path / "source", {"filename": name})
    assert done.returncode != 0
    assert "invalid_path" in done.stderr
