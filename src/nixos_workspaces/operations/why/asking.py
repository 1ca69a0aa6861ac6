"""Look at all that says why a workspace does not do what is expected of it, and conclude."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nixos_workspaces.errors import Unavailable, WorkspacesError
from nixos_workspaces.model.machine import Pressure, Usage
from nixos_workspaces.model.network import NetworkMode
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.usage import Connectivity
from nixos_workspaces.model.why.explanation import Explanation, Question
from nixos_workspaces.model.workspace import Status, Workspace
from nixos_workspaces.operations.disks import Disks
from nixos_workspaces.operations.logins import SETTLED_AFTER, Logins
from nixos_workspaces.operations.why.explain import explain
from nixos_workspaces.operations.why.situation import Asking, Load, Part, Situation, unanswered_by
from nixos_workspaces.runtimes.base import Runtime

PATIENCE_SECONDS = 20.0
"""Time for a login, which may have to wait for another one."""
ENGINE_SECONDS = 5.0
APART_SECONDS = 0.5
"""Time between the two readings of what is counted."""
LOGIN_AGE = timedelta(seconds=15)
"""Age up to which a login is told again: each runs the user's own start-up files."""
_LONGEST_LINE = 200
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|[^\x20-\x7e\u00a0-\uffff]")
_TELLING = re.compile(r"(?i)\b(fail(ed|ure)?|errors?|panic|denied|refused|cannot|not found|out of memory|no space)\b")


@dataclass(frozen=True, slots=True)
class Looks:
    """Functions of other parts that are asked about a workspace."""

    connectivity: Callable[[Workspace], Awaitable[Connectivity | None]]
    mode: Callable[[str], Awaitable[NetworkMode]]


class Why:
    """Explains workspaces that a caller was let into."""

    def __init__(
        self,
        runtime: Runtime,
        logins: Logins,
        disks: Disks,
        looks: Looks,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Look at these parts."""
        self._runtime = runtime
        self._logins = logins
        self._disks = disks
        self._looks = looks
        self._clock = clock

    async def of(self, workspace: Workspace, asking: Asking, question: Question | None = None) -> Explanation:
        """Return why ``workspace`` does not do what is expected of it; takes as long as a login to it."""
        return explain(await self.look(workspace, asking), question)

    async def look(self, workspace: Workspace, asking: Asking) -> Situation:
        """Return the situation of ``workspace``; never raises for what does not answer."""
        situation = await self._engine(Situation(workspace=workspace, asking=asking))
        full, mode = await asyncio.gather(
            asyncio.to_thread(self._disks.full), _or_none(self._looks.mode(workspace.id), ENGINE_SECONDS)
        )
        situation = replace(situation, full_disk=full, network=mode)
        if workspace.status is Status.RUNNING and situation.engine_problem is None:
            return await self._inside(situation)
        if situation.failure is not None:
            return replace(situation, boot_end=await self._boot_end(workspace.id))
        return situation

    async def _engine(self, situation: Situation) -> Situation:
        """Add what the engine sees from outside."""
        try:
            async with asyncio.timeout(ENGINE_SECONDS):
                machine = await self._runtime.observe(situation.workspace.id)
                engine = await self._runtime.capabilities()
        except WorkspacesError as problem:
            return replace(situation, engine_problem=problem)
        except TimeoutError:
            return replace(
                situation, engine_problem=Unavailable(Sentence("login.engine", {"seconds": f"{ENGINE_SECONDS:g}"}))
            )
        return replace(
            situation,
            machine=machine,
            way_out_trouble=engine.uplink_trouble,
            free_bytes=engine.storage_free_bytes,
        )

    async def _inside(self, situation: Situation) -> Situation:
        """Add what a login and the figures tell of a running workspace."""
        workspace, now = situation.workspace, self._clock()
        since = max(now - LOGIN_AGE, workspace.started_at or now - LOGIN_AGE)
        load, reached, login = await asyncio.gather(
            _or_none(self._load(workspace), ENGINE_SECONDS),
            _or_none(self._looks.connectivity(workspace), ENGINE_SECONDS),
            _or_none(self._logins.of(workspace.id, since), PATIENCE_SECONDS),
        )
        unanswered = None if login is None else login.unanswered
        if unanswered is None and reached is not None and not reached.answers:
            unanswered = {Part.SSH: unanswered_by(Sentence("login.lost"), "no_answer")}
        return replace(
            situation,
            load=load,
            latency_ms=None if reached is None else reached.latency_ms,
            login=unanswered,
            is_young=workspace.started_at is not None and now - workspace.started_at < SETTLED_AFTER,
        )

    async def _load(self, workspace: Workspace) -> Load:
        before = await self._runtime.usage(workspace.id)
        await asyncio.sleep(APART_SECONDS)
        return load_of(before, await self._runtime.usage(workspace.id), workspace)

    async def _boot_end(self, workspace_id: str) -> str:
        """Return the line at the end of the boot log that tells most; empty where there is none."""
        log = b""
        while chunk := await _or_none(self._runtime.boot_log(workspace_id, len(log)), ENGINE_SECONDS):
            log += chunk
        return telling(log[-20_000:].decode(errors="replace"))


async def _or_none(look: Awaitable[Any], seconds: float) -> Any:
    """Return what a part tells; None where it does not answer."""
    try:
        async with asyncio.timeout(seconds):
            return await look
    except (WorkspacesError, TimeoutError):
        return None


def telling(log: str) -> str:
    """Return the last line of a log that speaks of a failure, without one the last; without escape sequences."""
    lines = [line for one in log.splitlines() if (line := " ".join(_ESCAPES.sub("", one).split()))]
    speaking = [line for line in lines[-50:] if _TELLING.search(line)]
    return (speaking or lines or [""])[-1][:_LONGEST_LINE]


def load_of(before: Usage, after: Usage, workspace: Workspace) -> Load:
    """Return the figures in percent out of two readings; what is counted is as much as its run began anew with."""
    seconds = after.taken_at - before.taken_at
    if seconds <= 0 or before.run != after.run:
        before, seconds = after, 1.0
    waited = _less(after.pressure or _NONE, before.pressure or _NONE)
    return Load(
        cpu=_percent(after.cpu_seconds - before.cpu_seconds, seconds * workspace.resources.cpu),
        memory=_percent(after.memory_bytes, workspace.resources.memory_bytes),
        storage=_percent(after.storage_bytes, after.storage_capacity_bytes),
        throttled=_percent(after.throttled_seconds - before.throttled_seconds, seconds),
        waits_cpu=_percent(waited.cpu, seconds),
        waits_memory=_percent(waited.memory, seconds),
        waits_disk=_percent(waited.io, seconds),
    )


_NONE = Pressure(0.0, 0.0, 0.0, 0.0, 0.0)


def _less(after: Pressure, before: Pressure) -> Pressure:
    return Pressure(
        after.cpu - before.cpu,
        after.memory - before.memory,
        after.memory_full - before.memory_full,
        after.io - before.io,
        after.io_full - before.io_full,
    )


def _percent(part: float, whole: float) -> float:
    """Return ``part`` of ``whole`` in percent, within 0 and 100."""
    return min(max(part / whole * 100, 0.0), 100.0) if whole > 0 else 0.0
