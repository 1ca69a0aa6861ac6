"""The JSON form of the reason of a stop, as a workspace's row holds it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from nixos_workspaces.model.automation.reasons import StoppedBy, StopReason
from nixos_workspaces.model.service import Sentence


def reason_to_json(reason: StopReason | None) -> dict[str, Any] | None:
    """Return a reason as JSON."""
    if reason is None:
        return None
    return {
        "by": reason.by.value,
        "actor": reason.actor,
        "at": reason.at.isoformat(),
        "said": _sentence(reason.said),
        "seen": [_sentence(one) for one in reason.seen],
    }


def reason_from_json(data: dict[str, Any] | None) -> StopReason | None:
    """Return a reason out of JSON."""
    if data is None:
        return None
    return StopReason(
        StoppedBy(data["by"]),
        _read_sentence(data["said"]),
        datetime.fromisoformat(data["at"]),
        data["actor"],
        tuple(_read_sentence(one) for one in data["seen"]),
    )


def _read_sentence(data: dict[str, Any]) -> Sentence:
    return Sentence(data["code"], data["values"])


def _sentence(said: Sentence) -> dict[str, Any]:
    return {"code": said.code, "values": dict(said.values)}
