"""Run by ``test_full_disk`` in a mount namespace: a service whose disk is full, then has room again."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waiting import until
from web_service import SMALL, Web, running_web

from nixos_workspaces.database import AuditEntry
from nixos_workspaces.model.machine import Resources
from nixos_workspaces.node.machines import records
from nixos_workspaces.services import BALLAST

ROOT = "/api/nixos/workspaces"


def mount(directory: Path, size: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "nixws-test", directory], check=True)


@contextmanager
def filled(directory: Path) -> Iterator[None]:
    """Take every byte of a disk within the block."""
    filler = directory / "filler"
    fill(filler)
    try:
        yield
    finally:
        filler.unlink()


def fill(filler: Path) -> None:
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as full:
                assert full.errno == errno.ENOSPC  # noqa: PT017 - it must be this one


def findings(web: Web) -> dict[str, dict[str, Any]]:
    with web.http() as http:
        answer = http.get("/api/nixos/health")
    assert answer.status_code == 200, answer.text
    return {item["code"]: item for item in answer.json()["items"]}


def audited(web: Web) -> list[AuditEntry]:
    async def read() -> list[AuditEntry]:
        async with web.services.database.reading() as tx:
            return [entry for _, entry in await tx.audit.entries()]

    return web.run(read())


def gone(web: Web, workspace_id: str) -> bool:
    with web.http() as http:
        return http.get(f"{ROOT}/{workspace_id}").status_code == 404


def data_disk(data: Path) -> None:
    mount(data, "64m")
    with running_web(data) as web, web.http() as http:
        one, two = web.create("one"), web.create("two")
        until("the ballast is there", (data / BALLAST).exists)
        code = web.run(web.services.tokens.login_code())
        with filled(data):
            read_all(web, data, one["id"])
            answer = http.post("/api/nixos/login", json={"code": code})
            assert answer.status_code in {200, 201}, answer.text
            refused = http.post(f"{ROOT}/create", json={"name": "three", **SMALL})
            assert refused.status_code >= 400, refused.text
            assert refused.json()["error"]["code"] == "disk_full"
            assert str(data) in refused.json()["error"]["message"]
            assert http.post(f"{ROOT}/{one['id']}/stop").status_code == 202
            web.reaches(one["id"], "stopped")
            assert http.delete(f"{ROOT}/{two['id']}").status_code == 202
            until("it is gone", lambda: gone(web, two["id"]))
            read_all(web, data, one["id"])
            assert not (data / BALLAST).exists()
            told = {(entry.action, entry.workspace_id, entry.outcome) for entry in audited(web)}
            assert {("stop", one["id"], "accepted"), ("delete", two["id"], "accepted")} <= told
            assert ("create", "three", "disk_full") in told
        web.run(asyncio.to_thread(web.services.ballast.restore))
        assert (data / BALLAST).exists()
        assert findings(web)["disk_data"]["ok"]
        web.create("three")


def read_all(web: Web, data: Path, workspace_id: str) -> None:
    with web.http() as http:
        for path in ("/healthz", ROOT, f"{ROOT}?sort=name", f"{ROOT}/{workspace_id}", "/api/nixos/templates"):
            assert http.get(path).status_code == 200, path
    disk = findings(web)["disk_data"]
    assert not disk["ok"]
    assert str(data) in disk["message"]


def log_disk(data: Path) -> None:
    mount(data / "logs", "1m")
    with running_web(data) as web:
        with filled(data / "logs"):
            made = web.create("one")
            assert not findings(web)["disk_logs"]["ok"]
        with web.http() as http:
            assert http.get(f"{ROOT}/{made['id']}/logs").status_code == 200
        web.create("two")


def pool_disk(data: Path) -> None:
    """The node's records of stopping and deleting, on a disk that others have filled."""
    kept = data / "node"
    mount(kept, "8m")
    records.keep_ballast(kept)
    stopped = records.MachineRecord("ws-1", 1, "volume", records.Stage.READY, Resources(1.0, 1 << 30, 1 << 30))
    with filled(kept):
        for stage in (records.Stage.READY, records.Stage.DELETING):
            record = records.MachineRecord("ws-1", 1, "volume", stage, stopped.resources)
            records.write(kept / "machine.json", record, ballast=kept)
            assert records.read_machine(kept / "machine.json") == record


if __name__ == "__main__":
    {"data": data_disk, "log": log_disk, "pool": pool_disk}[sys.argv[1]](Path(sys.argv[2]))
