"""Collect a support bundle from a data directory whose service does not answer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import datetime

from nixos_workspaces.database import is_current
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.operations.disks import Disks
from nixos_workspaces.operations.support.bundle import packed, told_settings, versions
from nixos_workspaces.operations.support.collecting import known_secrets, node_facts, node_log
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.runtimes.local import LocalRuntime
from nixos_workspaces.settings import Settings

_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
_STATES = "SELECT id, status FROM workspaces ORDER BY id LIMIT 5000"


async def offline_bundle(settings: Settings, now: datetime, problem: WorkspacesError) -> bytes:
    """Return a bundle of what can be told without the service: nothing is changed, and a database only read."""
    items = await asyncio.to_thread(
        Disks({"data": settings.data, "logs": settings.data / "logs"}, optional=("logs",)).items
    )
    parts: dict[str, object] = {
        "problem.json": {"code": problem.code, "message": problem.message},
        "versions.json": versions(),
        "settings.json": told_settings(settings),
        "health.json": [{"part": one.code, "severity": one.severity, "message": one.message} for one in items],
        "node.json": await _of_node(settings, node_facts),
        "node-log.jsonl": await _of_node(settings, node_log),
        **await asyncio.to_thread(_database, settings),
    }
    return packed(parts, known_secrets(settings), now)


async def _of_node(settings: Settings, ask: Callable[[Runtime], Awaitable[object]]) -> object:
    """Return what the node tells, or why it does not."""
    runtime = LocalRuntime(settings.node_socket)
    try:
        return await ask(runtime)
    except WorkspacesError as silent:
        return {"error": {"code": silent.code, "message": silent.message}}
    finally:
        await runtime.close()


def _database(settings: Settings) -> dict[str, object]:
    """Return rows and sizes of the database, and the states of the workspaces; the reason where it cannot be read."""
    path = settings.data / "nixws.db"
    sizes = {one.name: one.stat().st_size for one in sorted(settings.data.glob("nixws.db*"))}
    told: dict[str, object] = {"is_current": is_current(path), "bytes": sizes}
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as raw:
            names = [name for (name,) in raw.execute(_TABLES)]
            told["rows"] = {name: raw.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608 - its own names
            states = [{"id": one, "status": status} for one, status in raw.execute(_STATES)]
    except sqlite3.Error as broken:
        return {"database.json": told | {"error": str(broken)}}
    return {"database.json": told, "workspaces.json": states}
