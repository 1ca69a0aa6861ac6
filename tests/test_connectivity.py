"""Connectivity: asked when somebody looks, told again for a while, never waited for long."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from clock import NOW
from sshd_fixture import local_sshd

from nixos_workspaces.errors import Unavailable
from nixos_workspaces.metering.connectivity import FRESH_SECONDS, MOST, Reachability
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import Resources
from nixos_workspaces.model.workspace import Desire, Status, Workspace
from nixos_workspaces.ssh.connections import Connections

RUNNING = Workspace(
    id="ws-1",
    name="one",
    owner_id="ann",
    hostname="one",
    created_at=NOW,
    last_accessed=NOW,
    desire=Desire.RUNNING,
    resources=Resources(1, 1, 1),
    environment=Environment("minimal"),
    status=Status.RUNNING,
    started_at=NOW,
)


class Far:
    """Connections to workspaces that answer, refuse, or say nothing."""

    def __init__(self) -> None:
        self.asked = 0
        self.does = "answer"
        self.held = 0

    async def start(self, _workspace_id: str, begin: Any) -> tuple[object, Any]:
        self.asked += 1
        if self.does == "refuse":
            raise Unavailable("no")
        found = await begin(SimpleNamespace(answers=self._answers, is_closed=lambda: False))
        self.held += 1
        return object(), found

    def give_back(self, _pooled: object) -> None:
        self.held -= 1

    async def _answers(self) -> None:
        if self.does == "hang":
            await asyncio.Event().wait()


async def test_an_answer_is_told_again_until_it_is_old_or_the_workspace_was_restarted() -> None:
    far, now = Far(), [0.0]
    seen = Reachability(cast("Connections", far), clock=lambda: NOW, monotonic=lambda: now[0])
    first = await seen.of(RUNNING)
    assert first is not None
    assert (first.answers, first.latency_ms, first.at) == (True, 0.0, NOW)
    assert await seen.of(RUNNING) == first
    assert far.asked == 1
    now[0] = FRESH_SECONDS
    far.does = "refuse"
    await seen.of(RUNNING)
    later = await seen.of(RUNNING)
    assert far.asked == 2
    assert later is not None
    assert (later.answers, later.latency_ms) == (False, None)
    far.does = "answer"
    again = await seen.of(replace(RUNNING, started_at=None))
    assert again is not None
    assert again.answers
    assert await seen.of(replace(RUNNING, status=Status.STOPPED)) is None
    assert far.held == 0
    await seen.close()


async def test_a_silent_workspace_keeps_nobody_waiting_and_memory_is_bounded() -> None:
    far = Far()
    seen = Reachability(cast("Connections", far))
    far.does = "hang"
    async with asyncio.timeout(3):
        assert await seen.of(RUNNING) is None
        assert await seen.of(RUNNING) is None
    assert far.asked == 1
    await seen.close()
    far.does = "answer"
    for number in range(MOST + 20):
        assert await seen.of(replace(RUNNING, id=f"ws-x{number}")) is not None
    assert len(seen._seen) == MOST


async def test_a_connection_that_ended_unseen_is_no_answer() -> None:
    """Another one is tried: to an sshd that has lost its sessions, then to none."""
    with local_sshd() as server:
        bridge, now = server.bridge(), [0.0]
        seen = Reachability(bridge.connections, monotonic=lambda: now[0])
        for kept, answers in (({server.pid}, True), ({server.pid}, True), (set[int](), True), (set[int](), False)):
            now[0] += FRESH_SECONDS
            await seen._ask(RUNNING)
            found = await seen.of(RUNNING)
            assert found is not None
            assert found.answers is answers
            for pid in set(server.processes()) - kept:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        await seen.close()
        await bridge.close()
