"""The causes of stops and pauses: what stands on a workspace while it rests, and what lets the service cause one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from nixos_workspaces.auth.policy import Principal
from nixos_workspaces.database import Transaction
from nixos_workspaces.model.automation.reasons import StoppedBy, StopReason
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Desire, Workspace
from nixos_workspaces.workspaces.lifecycle import Verb

Require = Callable[[Transaction, Workspace], Awaitable[None]]
"""Raises ``Conflict`` where a workspace, as it is in that transaction, is not to be stopped any more."""


async def require_nothing(_tx: Transaction, _workspace: Workspace) -> None:
    """Stop it however it is."""


@dataclass(frozen=True, slots=True)
class Cause:
    """The reason of a stop or a pause by the service itself, and the condition under which it still holds.

    The condition is looked at in the transaction that records the stop: what a person wants meanwhile wins.
    """

    reason: StopReason
    require: Require = require_nothing


def asked_by(principal: Principal, verb: Verb, at: datetime) -> StopReason:
    """Return the reason of a person's own verb."""
    code = "stop.pause_asked" if verb is Verb.PAUSE else "stop.asked"
    return StopReason(StoppedBy.PERSON, Sentence(code, {"actor": principal.name}), at, principal.id)


def explained(before: Workspace, wanted: Workspace, reason: StopReason) -> Workspace:
    """Return a workspace with the reason of its rest: none while it is to run, the first as long as it rests."""
    if wanted.desire is Desire.RUNNING:
        return replace(wanted, stop_reason=None)
    if wanted.desire is before.desire or wanted.desire is Desire.DELETED:
        return wanted
    return replace(wanted, stop_reason=reason)


def reason_told(workspace: Workspace, cause: Cause | None) -> dict[str, Any]:
    """Return what the audit log has of the cause of a stop by the service itself."""
    if cause is None or workspace.stop_reason is None:
        return {}
    reason = workspace.stop_reason
    return {"reason": reason.said.text, "seen": [one.text for one in reason.seen]}
