"""JSON forms of rules and reports, for the node's socket and for the record of a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.network import DeniedConnection, EgressRules, NetworkEntry, NetworkMode
from nixos_workspaces.model.network.entries import entry, port_ranges, shown_ports

_MOST_ENTRIES = 4096


def rules_to_wire(rules: EgressRules) -> dict[str, Any]:
    """Return the JSON form of rules."""
    later: dict[str, Any] = {} if rules.until is None else {"until": rules.until.isoformat()}
    if rules.after is not None:
        later |= {"after": rules_to_wire(rules.after)}
    return {
        "mode": rules.mode.value,
        "allow": [_entry_to_wire(one) for one in rules.allow],
        "deny": [_entry_to_wire(one) for one in rules.deny],
    } | later


def rules_from_wire(value: object) -> EgressRules:
    """Return rules whose every part has been checked or raise ``InvalidInput``."""
    if not isinstance(value, Mapping):
        raise InvalidInput("rules is not an object.", field="rules")
    try:
        mode = NetworkMode(str(value.get("mode")))
    except ValueError as wrong:
        raise InvalidInput("mode is not one of the modes of a network.", field="mode") from wrong
    until, after = _moment(value.get("until"), "until"), value.get("after")
    if (after is None) != (until is None):
        raise InvalidInput("until and after come together.", field="until")
    if isinstance(after, Mapping) and after.get("until") is not None:
        raise InvalidInput("after has no end.", field="after")
    return EgressRules(
        mode,
        _entries_from_wire(value.get("allow"), "allow", opens=True),
        _entries_from_wire(value.get("deny"), "deny", opens=False),
        until,
        None if after is None else rules_from_wire(after),
    )


def reports_to_wire(reports: Sequence[DeniedConnection]) -> list[list[Any]]:
    """Return the JSON form of reported connections."""
    return [
        [one.at.isoformat(), one.name, one.address, one.port, one.protocol, one.program, one.count] for one in reports
    ]


def reports_from_wire(value: list[list[Any]]) -> tuple[DeniedConnection, ...]:
    """Return the reported connections that the node sent."""
    return tuple(DeniedConnection(datetime.fromisoformat(at), *rest) for at, *rest in value)


def moment_from_wire(value: object) -> datetime | None:
    """Return a moment, or None for none; raise ``InvalidInput`` for one without a zone of time."""
    return _moment(value, "since")


def _moment(value: object, name: str) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError as wrong:
        raise InvalidInput(f"{name} is not a moment.", field=name) from wrong
    if found.tzinfo is None:
        raise InvalidInput(f"{name} has no zone of time.", field=name)
    return found


def _entry_to_wire(one: NetworkEntry) -> dict[str, Any]:
    ports = {"ports": shown_ports(one.ports)} if one.ports else {}
    ends = {"expires_at": one.expires_at.isoformat()} if one.expires_at else {}
    return ({"name": one.name} if one.name is not None else {"cidr": one.cidr}) | ports | ends


def _entries_from_wire(value: object, name: str, *, opens: bool) -> tuple[NetworkEntry, ...]:
    if not isinstance(value, list) or len(value) > _MOST_ENTRIES:
        raise InvalidInput(f"{name} is not a list of at most {_MOST_ENTRIES} entries.", field=name)
    return tuple(_entry_from_wire(one, name, opens=opens) for one in value)


def _entry_from_wire(value: object, name: str, *, opens: bool) -> NetworkEntry:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{name} holds something that is no entry.", field=name)
    texts = {key: value.get(key) for key in ("name", "cidr", "ports", "expires_at")}
    if any(one is not None and not isinstance(one, str) for one in texts.values()):
        raise InvalidInput(f"{name} holds an entry with something that is no text.", field=name)
    ports = port_ranges(texts["ports"]) if texts["ports"] else ()
    expires_at = _moment(texts["expires_at"], "expires_at")
    return entry(name=texts["name"], cidr=texts["cidr"], ports=ports, expires_at=expires_at, opens=opens)
