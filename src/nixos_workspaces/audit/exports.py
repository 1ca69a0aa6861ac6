"""Audit entries in the forms that other programs collect: OCSF 1.3 events and CloudEvents 1.0."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from nixos_workspaces.audit.entries import ACCEPTED, AuditClass

_SUCCESS, _FAILURE = 1, 2
_INFORMATIONAL, _MEDIUM = 1, 3
_OTHER = 99
_API_ACTIVITY, _AUTHENTICATION, _ACCOUNT_CHANGE = (6003, 6), (3002, 3), (3001, 3)
_SIGN_INS: Mapping[str, int] = {"login": 1, "authenticate": 1, "sign-in": 1, "sign-out": 2}
_ACTIVITIES: Mapping[str, int] = {"create": 1, "read": 2, "list": 2, "delete": 4}
_CHANGES = ("set-", "start", "stop", "resize", "rename", "rebuild", "restart", "pause", "resume", "change-")
_UPDATE = 3


class ExportFormat(StrEnum):
    """A form of exported entries, one object a line."""

    JSONL = "jsonl"
    OCSF = "ocsf"
    CLOUDEVENTS = "cloudevents"


def exported(entry: Mapping[str, Any], form: ExportFormat, origin: str) -> Mapping[str, Any]:
    """Return an entry, as it stands in the tree, in a form; ``origin`` names the log."""
    match form:
        case ExportFormat.JSONL:
            return entry
        case ExportFormat.OCSF:
            return _ocsf(entry, origin)
        case ExportFormat.CLOUDEVENTS:
            return _cloud_event(entry, origin)


def _cloud_event(entry: Mapping[str, Any], origin: str) -> Mapping[str, Any]:
    about = entry.get("workspace_id") or entry.get("target")
    return {
        "specversion": "1.0",
        "id": str(entry["seq"]),
        "source": origin,
        "type": f"nixos-workspaces.audit.{entry['action']}",
        "time": entry["at"],
        **({"subject": about} if about else {}),
        "datacontenttype": "application/json",
        "data": entry,
    }


def _ocsf(entry: Mapping[str, Any], origin: str) -> Mapping[str, Any]:
    action, accepted = entry["action"], entry["outcome"] == ACCEPTED
    (event_class, category), activity = _class_of(entry)
    return {
        "activity_id": activity,
        "category_uid": category,
        "class_uid": event_class,
        "type_uid": event_class * 100 + activity,
        "time": int(datetime.fromisoformat(entry["at"]).timestamp() * 1000),
        "severity_id": _INFORMATIONAL if accepted else _MEDIUM,
        "status_id": _SUCCESS if accepted else _FAILURE,
        **({} if accepted else {"status_code": entry["outcome"]}),
        "metadata": {
            "version": "1.3.0",
            "product": {"name": "NixOS Workspaces", "vendor_name": "NixOS Workspaces"},
            "uid": f"{origin}/{entry['seq']}",
            "sequence": entry["seq"],
            "correlation_uid": entry.get("request_id", ""),
        },
        "actor": {"user": {"uid": entry.get("actor", "")}},
        "user": {"uid": entry.get("actor", "")},
        "src_endpoint": {"ip": entry.get("address", "")},
        "api": {"operation": action, "request": {"uid": entry.get("request_id", "")}},
        "resources": [{"uid": uid} for name in ("workspace_id", "target") if (uid := entry.get(name))],
        "unmapped": {name: entry[name] for name in ("before", "after", "detail", "chain", "class") if name in entry},
    }


def _class_of(entry: Mapping[str, Any]) -> tuple[tuple[int, int], int]:
    """Return class with category, and activity."""
    action = str(entry["action"])
    if action in _SIGN_INS:
        return _AUTHENTICATION, _SIGN_INS[action]
    if entry["class"] == AuditClass.ACCESS and action.startswith(("create-user", "delete-user", "suspend")):
        return _ACCOUNT_CHANGE, 1 if action.startswith("create") else _OTHER
    if action.startswith(_CHANGES):
        return _API_ACTIVITY, _UPDATE
    return _API_ACTIVITY, next((number for verb, number in _ACTIVITIES.items() if action.startswith(verb)), _OTHER)
