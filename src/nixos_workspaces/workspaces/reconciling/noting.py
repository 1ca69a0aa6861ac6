"""A log line and a span for each step, and spans of the phases: how long each took and how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.logs.tracing import past_span, span
from nixos_workspaces.model.workspace import Phases

log = logging.getLogger(__name__)


@contextmanager
def noted(workspace_id: str, step: str) -> Iterator[None]:
    """Write a line at the end of a step; of a failure the code alone, its words are the owner's."""
    begun, outcome = time.monotonic(), "done"
    try:
        with span(f"step {step}"):
            yield
    except WorkspacesError as problem:
        outcome = problem.code
        raise
    except BaseException:
        outcome = "broken_off"
        raise
    finally:
        milliseconds = round((time.monotonic() - begun) * 1000, 1)
        log.info(
            *("Step %s of workspace %s: %s after %.1f ms.", step, workspace_id, outcome, milliseconds),
            extra={"fields": {"step": step, "outcome": outcome, "ms": milliseconds}},
        )


def note_phases(phases: Phases, since: datetime) -> None:
    """Make spans of the phases that began after ``since`` and are over."""
    for one in phases.times:
        if one.started_at >= since and one.ended_at is not None:
            past_span(f"phase {one.phase}", one.started_at, one.ended_at)
