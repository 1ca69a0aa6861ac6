"""Collect a support bundle from the running service, for administrators."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.database import AuditEntry, Database, Seen
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.logs.recent import RecentLines
from nixos_workspaces.model.machine import Observed
from nixos_workspaces.model.workspace import MAX_PAGE, Failure, Workspace, WorkspaceQuery
from nixos_workspaces.operations.health import Health
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.settings import Settings

MOST_WORKSPACES = 5000
PART_SECONDS = 20.0
_SECRET_VARIABLES = ("TOKEN", "SECRET", "PASSWORD", "PASSPHRASE", "KEY", "CREDENTIAL", "COOKIE")


class Support:
    """Makes support bundles."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        runtime: Runtime,
        health: Health,
        recent: RecentLines,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Ask these parts."""
        self._settings = settings
        self._database = database
        self._runtime = runtime
        self._health = health
        self._recent = recent
        self._clock = clock

    async def bundle(self, *, principal: Principal, request_id: str = "") -> bytes:
        """Return a bundle as a ZIP archive; a part that does not answer says so in its place. For administrators."""
        from nixos_workspaces.operations.support.bundle import packed, told_settings, versions

        authorise(principal, Action.READ_SUPPORT)
        entry = AuditEntry(self._clock(), principal.id, Action.READ_SUPPORT, "", "accepted", request_id)
        async with self._database.transaction() as tx:
            await tx.audit.append(entry)
        parts: dict[str, object] = {
            "versions.json": await asyncio.to_thread(versions),
            "settings.json": told_settings(self._settings),
            "health.json": await self._told(self._findings()),
            "node.json": await self._told(node_facts(self._runtime)),
            "database.json": await self._told(database_figures(self._database, self._settings.data)),
            "workspaces.json": await self._told(self._workspaces()),
            "log.jsonl": "\n".join(self._recent.lines()) + "\n",
            "node-log.jsonl": await self._told(node_log(self._runtime)),
        }
        secrets = await asyncio.to_thread(known_secrets, self._settings)
        return await asyncio.to_thread(packed, parts, secrets, self._clock())

    async def _told(self, part: Awaitable[object]) -> object:
        """Return a part, or the reason why it could not be told."""
        try:
            async with asyncio.timeout(PART_SECONDS):
                return await part
        except WorkspacesError as problem:
            return {"error": {"code": problem.code, "message": problem.message}}
        except TimeoutError:
            return {"error": {"code": "unavailable", "message": f"No answer within {PART_SECONDS:g} seconds."}}

    async def _findings(self) -> object:
        items = await self._health.items()
        return [
            {
                "part": one.code,
                "finding": one.finding.code,
                "severity": one.severity,
                "message": one.message,
                "remedy": one.remedy,
            }
            for one in items
        ]

    async def _workspaces(self) -> object:
        told: list[Mapping[str, object]] = []
        cursor: str | None = None
        while len(told) < MOST_WORKSPACES:
            async with self._database.reading() as tx:
                page = await tx.workspaces.page(WorkspaceQuery(limit=MAX_PAGE, cursor=cursor), Seen())
                told += [_state(whole) for one in page.items if (whole := await tx.workspaces.get(one.id)) is not None]
            if (cursor := page.next_cursor) is None:
                break
        return told


def _state(one: Workspace) -> Mapping[str, object]:
    """Return the state of a workspace without names, owner, environment and messages."""
    return {
        "id": one.id,
        "status": one.status,
        "desire": one.desire,
        "intent": one.intent,
        "revision": one.revision,
        "built_revision": one.built_revision,
        "generation": one.generation,
        "resources": asdict(one.resources),
        "volume_bytes": one.volume_bytes,
        "encryption": one.encryption,
        "created_at": one.created_at,
        "started_at": one.started_at,
        "ready_at": one.ready_at,
        "last_accessed": one.last_accessed,
        "oom_kills": one.oom_kills,
        "phase": None if one.progress is None else one.progress.phase,
        "phases": [asdict(phase) for phase in one.phases.times],
        "step_failure": _failure(one.step_failure),
        "build_failure": _failure(one.build_failure),
    }


def _failure(failure: Failure | None) -> Mapping[str, object] | None:
    if failure is None:
        return None
    told = {"step": failure.step, "code": failure.fault.code, "at": failure.fault.at, "count": failure.count}
    return told | {"retry_at": failure.retry_at, "intent": failure.intent}


async def node_facts(runtime: Runtime) -> Mapping[str, object]:
    """Return what an engine tells of its machine, and of the workspaces' machines by id."""
    machines = await runtime.list()
    return {"capabilities": asdict(await runtime.capabilities()), "machines": [_machine(one) for one in machines]}


async def node_log(runtime: Runtime) -> str:
    """Return the last lines that an engine has logged."""
    return "\n".join(await runtime.log()) + "\n"


def _machine(one: Observed) -> Mapping[str, object]:
    told: dict[str, Any] = asdict(one)
    return {name: told[name] for name in told if name not in {"address", "toplevel"}}


async def database_figures(database: Database, data: Path) -> Mapping[str, object]:
    """Return the rows of each table, whether the schema is the present one, and the sizes of its files."""
    sizes = {one.name: one.stat().st_size for one in await asyncio.to_thread(lambda: sorted(data.glob("nixws.db*")))}
    return {"is_current": await database.is_current(), "rows": await database.rows(), "bytes": sizes}


def known_secrets(settings: Settings, environ: Mapping[str, str] = os.environ) -> Sequence[str]:
    """Return secrets that this process can read, to be looked for in what it tells."""
    found = [
        value for name, value in environ.items() if any(word in name.upper() for word in _SECRET_VARIABLES) and value
    ]
    for path in (settings.oidc_client_secret_file, settings.tls_key):
        with suppress(OSError):
            found += Path(path).read_text(errors="replace").splitlines() if path else []
    return found
