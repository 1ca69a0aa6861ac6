"""Which package set is in force, and which Nix."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from real_nix import SETTINGS, TINY, machine_nix

from nixos_workspaces.errors import InvalidInput, Unavailable
from nixos_workspaces.nix import Nix, PackageSetKind, choose_package_set, daemon_command, is_daemon_running
from nixos_workspaces.nix.package_set import binary_caches_answer


async def reached(_: Nix) -> bool:
    return True


async def not_reached(_: Nix) -> bool:
    return False


@pytest.fixture
def nix(tmp_path: Path) -> Nix:
    return machine_nix().homed(tmp_path / "home")


async def test_auto_takes_debian_where_nixpkgs_is_out_of_reach(nix: Nix) -> None:
    chosen = await choose_package_set("auto", debian_set=SETTINGS.debian_set, nix=nix, reachable=not_reached)
    assert chosen.kind is PackageSetKind.DEBIAN
    assert chosen.reference == (SETTINGS.debian_set / "reference").read_text().strip()
    assert "narHash" in chosen.locked
    assert "Debian" in chosen.title


async def test_auto_says_what_to_do_when_there_is_nothing(tmp_path: Path, nix: Nix) -> None:
    with pytest.raises(Unavailable, match=r"generate\.py") as refused:
        await choose_package_set("auto", debian_set=tmp_path, nix=nix, reachable=not_reached)
    assert refused.value.code == "package_set_unavailable"
    with pytest.raises(Unavailable, match=r"generate\.py"):
        await choose_package_set("debian", debian_set=tmp_path, nix=nix)


async def test_custom_reference_is_pinned(nix: Nix, tmp_path: Path) -> None:
    chosen = await choose_package_set(TINY, debian_set=tmp_path, nix=nix)
    assert (chosen.kind, chosen.reference) == (PackageSetKind.CUSTOM, TINY)
    assert chosen.locked.startswith(TINY)
    with pytest.raises(Unavailable) as refused:
        await choose_package_set("path:/nowhere/at/all", debian_set=tmp_path, nix=nix)
    assert refused.value.code == "package_set_unavailable"


@pytest.mark.parametrize(
    "setting",
    [
        *("", "Auto", "nixpkgs ", "<nixpkgs>", "a b", "--impure", "path:/a b", 'path:"x"', "path:/x\n", "path:${x}"),
        *("file:///etc/passwd;id", "ssh://host/x", "path:/x#y", "nixpkgs/nixos", "github:a/b\0", "ext::sh -c id"),
        "x" * 3000,
    ],
)
async def test_odd_references_are_refused(nix: Nix, tmp_path: Path, setting: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await choose_package_set(setting, debian_set=tmp_path, nix=nix)
    assert refused.value.field == "package_set"


@contextlib.asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[str]:
    """A cache on loopback that gives one answer to everything; none at all if it is empty."""
    hold = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if not answer:
                await hold.wait()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + answer)
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        hold.set()
        listening.close()
        await listening.wait_closed()


def with_cache(nix: Nix, url: str) -> Nix:
    return replace(nix, environment={**nix.environment, "NIX_CONFIG": f"substituters = {url}"})


async def test_probe_asks_the_caches_of_nix(nix: Nix) -> None:
    assert await binary_caches_answer(with_cache(nix, "")) is False
    async with server(b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n") as url:
        assert await binary_caches_answer(with_cache(nix, url)) is True


async def test_probe_of_a_silent_cache_is_bounded(nix: Nix) -> None:
    begun = time.monotonic()
    async with server(b"") as url:
        assert await binary_caches_answer(with_cache(nix, url)) is False
    assert time.monotonic() - begun < 6


async def test_auto_falls_back_when_a_reached_nixpkgs_cannot_be_fetched(nix: Nix) -> None:
    """A cache answers, its sources do not: every name resolves to a proxy that refuses."""
    unreachable = {**nix.environment, "https_proxy": "http://127.0.0.1:9", "NIX_CONFIG": "download-attempts = 1"}
    chosen = await choose_package_set(
        "auto", debian_set=SETTINGS.debian_set, nix=replace(nix, environment=unreachable), reachable=reached
    )
    assert chosen.kind is PackageSetKind.DEBIAN


def test_nix_is_found_on_path_too(tmp_path: Path) -> None:
    absent = replace(SETTINGS, nix_bin=tmp_path / "absent")
    environ = {"PATH": str(machine_nix().bin)}
    assert Nix.find(absent, environ).bin == machine_nix().bin
    with pytest.raises(Unavailable) as missing:
        Nix.find(absent, {"PATH": str(tmp_path)})
    assert missing.value.code == "nix_missing"


@pytest.mark.parametrize("answer", ["echo nix 2.8.0", "exit 1", "echo nonsense"])
def test_old_or_broken_nix_is_refused(tmp_path: Path, answer: str) -> None:
    script = tmp_path / "nix"
    script.write_text(f"#!/bin/sh\n{answer}\n")
    script.chmod(0o755)
    with pytest.raises(Unavailable, match=r"2\.18 or newer"):
        Nix.find(replace(SETTINGS, nix_bin=tmp_path), {"PATH": ""})


def test_daemon_is_started_by_its_command(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    assert is_daemon_running(path) is False
    argv, env = daemon_command(machine_nix())
    assert "NIX_REMOTE" not in env
    daemon = subprocess.Popen(
        argv, env={**env, "NIX_DAEMON_SOCKET_PATH": str(path)}, stderr=subprocess.DEVNULL, process_group=0
    )
    try:
        deadline = time.monotonic() + 10
        while not is_daemon_running(path) and time.monotonic() < deadline:
            os.sched_yield()
        assert is_daemon_running(path)
    finally:
        daemon.terminate()
        daemon.wait(10)
    # A process of its own answers each connection; one that has not ended yet still listens as well.
    deadline = time.monotonic() + 10
    while is_daemon_running(path) and time.monotonic() < deadline:
        os.sched_yield()
    assert is_daemon_running(path) is False


def test_file_left_by_a_dead_daemon_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(path))
    assert path.exists()
    assert is_daemon_running(path) is False
