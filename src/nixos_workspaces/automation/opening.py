"""Everything that the service does to workspaces by itself, as one part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from nixos_workspaces.automation.idle import WorkList, work_list
from nixos_workspaces.automation.policies import IdlePolicies
from nixos_workspaces.automation.schedules import TURN_SECONDS, Schedules
from nixos_workspaces.automation.timers import MOST_BYTES, SCRIPT, Timer, read_timers
from nixos_workspaces.automation.watching import IdleWatch
from nixos_workspaces.database import Database
from nixos_workspaces.errors import Unavailable
from nixos_workspaces.events import Events
from nixos_workspaces.model.automation.idle import IdlePolicy, RestTimes, UsualPolicies
from nixos_workspaces.operations.background import BackgroundTasks
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.settings import Settings
from nixos_workspaces.ssh.commands import open_script
from nixos_workspaces.ssh.connections import Connections
from nixos_workspaces.workspaces.nixos_sandbox_orchestrator import NixOSSandboxOrchestrator
from nixos_workspaces.workspaces.resting.waking import Waking

TIMERS_SECONDS = 8.0
RunScript = Callable[[str, bytes], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Automation:
    """The parts of what the service does by itself."""

    verbs: NixOSSandboxOrchestrator
    """The verbs that it acts through, which are those of people."""
    watch: IdleWatch
    policies: IdlePolicies
    schedules: Schedules
    waking: Waking

    def keep(self, background: BackgroundTasks) -> None:
        """Start the tasks."""
        background.keep("idle", self.watch.follow)
        background.repeat("schedules", self.schedules.turn, TURN_SECONDS)
        background.keep("waking", self.waking.follow)


def open_automation(
    settings: Settings,
    database: Database,
    runtime: Runtime,
    orchestrator: NixOSSandboxOrchestrator,
    events: Events,
    inside: Connections,
) -> Automation:
    """Return the parts; nothing runs yet."""
    waking = Waking(database, runtime, orchestrator, events)
    watch = IdleWatch(
        *(database, runtime, orchestrator, events),
        timers=partial(_timers, partial(open_script, inside)),
        usual=usual_policies(settings),
        known=partial(_known, settings),
        seconds=settings.idle_look,
        typed=waking.last_typed,
    )
    return Automation(
        orchestrator,
        watch,
        IdlePolicies(database, watch),
        Schedules(database, orchestrator),
        waking,
    )


def usual_policies(settings: Settings) -> UsualPolicies:
    """Return the policies of workspaces that have none of their own."""
    templates = {one: _policy(*minutes) for one, minutes in settings.rest_by_template.items()}
    return UsualPolicies(_policy(settings.idle_pause, settings.idle_stop), templates)


def _policy(*minutes: float) -> IdlePolicy:
    pause, stop = (timedelta(minutes=one) if one else None for one in minutes)
    return IdlePolicy(RestTimes(pause, stop))


def _known(settings: Settings) -> WorkList:
    return work_list(Path(settings.idle_work_list)) if settings.idle_work_list else work_list()


async def _timers(run_script: RunScript, workspace_id: str) -> Sequence[Timer]:
    """Ask a workspace for its timers."""
    printed = b""
    try:
        async with asyncio.timeout(TIMERS_SECONDS), run_script(workspace_id, SCRIPT) as process:
            while len(printed) < MOST_BYTES and (piece := await process.stdout.read(1 << 16)):
                printed += piece
    except (TimeoutError, OSError) as silent:
        raise Unavailable("The workspace does not tell its timers.", code="no_answer") from silent
    return read_timers(printed, datetime.now(UTC))
