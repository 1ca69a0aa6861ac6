"""The JSON of policies and entries as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from nixos_workspaces.model.network.entries import NetworkEntry, NetworkMode, NetworkPolicy, PortRange
from nixos_workspaces.model.network.proposals import Learning


def policy_form(policy: NetworkPolicy) -> dict[str, Any]:
    """Return a policy as JSON."""
    return {
        "mode": policy.mode.value,
        "allow": entries_form(policy.allow),
        "deny": entries_form(policy.deny),
    }


def policy_of(form: Mapping[str, Any]) -> NetworkPolicy:
    """Read a policy as it was stored."""
    return NetworkPolicy(NetworkMode(form["mode"]), entries_of(form["allow"]), entries_of(form["deny"]))


def entries_form(entries: Iterable[NetworkEntry]) -> list[dict[str, Any]]:
    """Return entries as JSON."""
    return [
        {
            "name": one.name,
            "cidr": one.cidr,
            "ports": [[span.first, span.last] for span in one.ports],
            "expires_at": None if one.expires_at is None else one.expires_at.isoformat(),
        }
        for one in entries
    ]


def entries_of(form: Iterable[Mapping[str, Any]]) -> tuple[NetworkEntry, ...]:
    """Read entries as they were stored."""
    return tuple(
        NetworkEntry(
            one["name"],
            one["cidr"],
            tuple(PortRange(first, last) for first, last in one["ports"]),
            None if one["expires_at"] is None else datetime.fromisoformat(one["expires_at"]),
        )
        for one in form
    )


def learning_form(learning: Learning | None) -> dict[str, Any] | None:
    """Return a time of learning as JSON; None stays None."""
    if learning is None:
        return None
    return {
        "started_at": learning.started_at.isoformat(),
        "until": learning.until.isoformat(),
        "principal_id": learning.principal_id,
    }


def learning_of(form: Mapping[str, Any] | None) -> Learning | None:
    """Read a time of learning as it was stored; None stays None."""
    if form is None:
        return None
    started_at, until = datetime.fromisoformat(form["started_at"]), datetime.fromisoformat(form["until"])
    return Learning(started_at, until, form["principal_id"])
