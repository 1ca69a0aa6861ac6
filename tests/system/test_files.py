"""Files of a real workspace: its own sshd, its own encrypted volume, over the API and the command line."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from system.files_race import race
from system.service import JSON, Service


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("filed", cpu=1, memory=0.5, storage=0.5)
    yield made
    service.delete(made["id"])


def test_a_tree_makes_the_round_trip(service: Service, workspace: JSON, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "d").mkdir(parents=True)
    for number in range(200):
        (tree / "d" / f"f{number}").write_bytes(os.urandom(number * 10))
    (tree / "run").write_bytes(b"#!/bin/sh\necho it runs\n")
    (tree / "run").chmod(0o755)
    (tree / "link").symlink_to("run")
    service.nixws("cp", "-r", str(tree), "filed:tree")
    assert service.ssh(workspace, "./tree/link; ls tree/d | wc -l; stat -c %U tree/run").split() == [
        "it",
        "runs",
        "200",
        "nixos",
    ]
    service.nixws("cp", "-r", "filed:tree", str(tmp_path / "back"))
    for path in tree.rglob("*"):
        other = tmp_path / "back" / path.relative_to(tree)
        assert path.is_symlink() == other.is_symlink()
        if path.is_file():
            assert other.read_bytes() == path.read_bytes()
    listed = json.loads(service.nixws("--json", "ls", "filed:tree"))["files"]
    assert {one["name"]: one["owner"] for one in listed} == {"d": "nixos", "link": "nixos", "run": "nixos"}
    service.nixws("rm", "-r", "filed:tree")
    assert "tree" not in service.ssh(workspace, "ls")


def test_a_large_file_arrives_whole(service: Service, workspace: JSON, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(os.urandom(40_000_000))
    digest = hashlib.sha256(big.read_bytes()).hexdigest()
    service.nixws("cp", str(big), "filed:big")
    assert service.ssh(workspace, "sha256sum big").split()[0] == digest
    service.nixws("cp", "filed:big", str(tmp_path / "back"))
    assert hashlib.sha256((tmp_path / "back").read_bytes()).hexdigest() == digest
    service.nixws("rm", "filed:big")


def test_nothing_outside_of_the_workspace_is_reached(service: Service, workspace: JSON, tmp_path: Path) -> None:
    """The host's files are not those of the workspace, whatever the path; a full volume is 507."""
    canary = tmp_path / "canary"
    canary.write_text("of the host")
    root = f"/api/nixos/workspaces/{workspace['id']}/files"
    service.ssh(workspace, f"ln -s {canary} out; ln -s / all; mkfifo pipe")
    paths = [
        str(canary),
        "/home/nixos/out",
        f"/home/nixos/all{canary}",
        f"/proc/self/root{canary}",
        f"/proc/1/root{canary}",
    ]
    with httpx2.Client(base_url=service.url, headers=service.http.headers, timeout=60, trust_env=False) as http:
        for path in paths:
            got = http.get(f"{root}{path}")
            assert got.status_code in {403, 404}, (path, got.text)
        assert http.get(f"{root}/home/nixos/pipe").json()["error"]["code"] == "not_a_file"
        assert http.put(f"{root}/home/nixos/old", content=b"old").status_code == 201
        full = http.put(f"{root}/home/nixos/old", content=(bytes(1 << 20) for _ in range(600)))
        assert (full.status_code, full.json()["error"]["code"]) == (507, "no_space")
        assert http.get(f"{root}/home/nixos/old").content == b"old"
    assert service.ssh(workspace, "ls .cache/nixws/uploads | grep -v json | wc -l").strip() == "0"


def test_links_swapped_all_the_time_lead_nowhere(service: Service, workspace: JSON, tmp_path: Path) -> None:
    """A few thousand requests of the race that ``benchmarks/race_files.py`` plays for long."""
    seen = race(service, workspace, tmp_path / "canary", 3000)
    assert {"read 200", "read 404", "read 409", "list 200", "write 200", "archive 200", "copy 201"} <= set(seen)


def test_a_real_ripgrep_inside_searches_and_leaves_out_what_gitignore_names(service: Service) -> None:
    made = service.create("with-ripgrep", packages=["ripgrep"])
    service.ssh(
        made,
        "mkdir -p work/.git work/node_modules && cd work && echo built > .gitignore && "
        "for name in built kept node_modules/far; do printf 'one\\nthe Needle (1)\\n' > $name; done",
    )
    *found, end = [
        json.loads(line) for line in service.nixws("--json", "grep", "needle (", "with-ripgrep:work").splitlines()
    ]
    assert end == {"tool": "ripgrep", "count": 1, "complete": True}
    assert found == [{"path": "/home/nixos/work/kept", "line": 2, "text": "the Needle (1)"}]
    assert service.nixws("find", "with-ripgrep:work").splitlines() == ["/home/nixos/work/kept"]
    # Told as they are found, by several threads at once.
    assert sorted(service.nixws("find", "--all", "with-ripgrep:work").splitlines()) == [
        "/home/nixos/work/.gitignore",
        "/home/nixos/work/kept",
    ]
    service.delete(made["id"])
