"""The protocol of the node's socket: one request and one answer per connection, as framed JSON.

A frame is a length of four bytes (big endian) and that many bytes of JSON. While a request is worked on, the node
sends an empty frame every ``HEARTBEAT_SECONDS``, so that a client can tell slow work from a node that is dead or
stopped. The answer is ``{"result": ...}`` or ``{"error": {"kind", "code", "message", "field", "said"?}}``; the answer
to ``connect`` carries a descriptor beside its first byte.
"""

from __future__ import annotations

import base64
import heapq
import json
import math
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from nixos_workspaces import errors
from nixos_workspaces.errors import InvalidInput, WorkspacesError
from nixos_workspaces.model.automation.activity import Activity, Inhibitor, UnitActivity
from nixos_workspaces.model.machine import (
    Address,
    MachineSpec,
    MachineState,
    Observed,
    Pressure,
    Resources,
    Usage,
)
from nixos_workspaces.model.names import HIGHEST_PORT, LOWEST_PORT, is_hostname, is_workspace_id
from nixos_workspaces.model.reach.ports import Listener
from nixos_workspaces.model.service import Sentence, sentence_from_json, sentence_to_json

HEADER = struct.Struct(">I")
MAX_REQUEST = 1 << 18
MAX_ANSWER = 1 << 22
HEARTBEAT_SECONDS = 2.0
SILENCE_SECONDS = 10.0
"""A client that hears nothing for so long takes the node for dead."""
MAX_LOG_CHUNK = 1 << 20
MACHINES_AT_ONCE = 500
"""Machines in one answer to ``list``, which begins ``after`` an id: neither side is busy with all of them at once."""
VOLUME_KEY_BYTES = 64
_MOST_KEYS = 1000
_MOST_PORTS = 1000
_LONGEST_HOST_KEY = 16384

_USAGE_NAMES = tuple(one.name for one in fields(Usage))
_PRESSURE_NAMES = tuple(one.name for one in fields(Pressure))

_TOPLEVEL = re.compile(r"/nix/store/[0-9a-df-np-sv-z]{32}-[0-9A-Za-z+._?=-]{1,200}")
_PUBLIC_KEY = re.compile(r"[\x20-\x7e]{1,8192}")


def encode(message: Mapping[str, Any]) -> bytes:
    """Return one frame."""
    body = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    return HEADER.pack(len(body)) + body


def decode(body: bytes) -> dict[str, Any]:
    """Return the message of a frame's body; raises ``InvalidInput`` for anything but a JSON object."""
    try:
        message = json.loads(body)
    except ValueError as wrong:
        raise InvalidInput("The frame is not JSON.") from wrong
    if not isinstance(message, dict):
        raise InvalidInput("The frame is not a JSON object.")
    return message


def workspace_id_from(value: object) -> str:
    """Return a workspace's id; raises ``InvalidInput`` for what could not be a file's name."""
    if not isinstance(value, str) or not is_workspace_id(value):
        raise _malformed("workspace_id")
    return value


def number_from(value: object, name: str, least: float, most: float) -> float:
    """Return a finite number within bounds or raise ``InvalidInput``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"{name} is not a number.", field=name)
    if not least <= value <= most:
        raise InvalidInput(f"{name} must be between {least:g} and {most:g}.", field=name)
    return value


def resources_to_wire(resources: Resources) -> dict[str, Any]:
    """Return the JSON form of limits."""
    return {"cpu": resources.cpu, "memory": resources.memory_bytes, "storage": resources.storage_bytes}


def resources_from_wire(value: object) -> Resources:
    """Return limits that the node can apply or raise ``InvalidInput``."""
    if not isinstance(value, dict):
        raise InvalidInput("resources is not an object.", field="resources")
    return Resources(
        cpu=float(number_from(value.get("cpu"), "cpu", 0.01, 4096)),
        memory_bytes=int(number_from(value.get("memory"), "memory", 1 << 25, 1 << 50)),
        storage_bytes=int(number_from(value.get("storage"), "storage", 1 << 25, 1 << 50)),
    )


def spec_to_wire(spec: MachineSpec) -> dict[str, Any]:
    """Return the JSON form of a machine's specification."""
    return {
        "workspace_id": spec.workspace_id,
        "hostname": spec.hostname,
        "generation": spec.generation,
        "toplevel": spec.toplevel,
        "resources": resources_to_wire(spec.resources),
        "volume_key": base64.b64encode(spec.volume_key).decode(),
        "host_key": spec.host_key,
        "authorized_keys": list(spec.authorized_keys),
        "host_certificate": spec.host_certificate,
        "ports": list(spec.ports),
    }


def spec_from_wire(value: Mapping[str, Any]) -> MachineSpec:
    """Return a specification whose every part has been checked or raise ``InvalidInput``."""
    host_key = value.get("host_key")
    if not isinstance(host_key, str) or len(host_key) > _LONGEST_HOST_KEY or not host_key.isascii():
        raise InvalidInput("host_key is not a key in OpenSSH's private format.", field="host_key")
    return MachineSpec(
        workspace_id=workspace_id_from(value.get("workspace_id")),
        hostname=_hostname(value.get("hostname")),
        generation=int(number_from(value.get("generation"), "generation", 0, 1 << 53)),
        toplevel=_matching(value.get("toplevel"), _TOPLEVEL, "toplevel"),
        resources=resources_from_wire(value.get("resources")),
        volume_key=_volume_key(value.get("volume_key")),
        host_key=host_key,
        authorized_keys=keys_from_wire(value.get("authorized_keys")),
        host_certificate=certificate_from_wire(value.get("host_certificate")),
        ports=ports_from_wire(value.get("ports")),
    )


def keys_from_wire(value: object) -> tuple[str, ...]:
    """Return the lines of an authorized-keys file or raise ``InvalidInput``."""
    if not isinstance(value, list) or len(value) > _MOST_KEYS:
        raise InvalidInput(f"authorized_keys is not a list of at most {_MOST_KEYS} keys.", field="authorized_keys")
    return tuple(_matching(key, _PUBLIC_KEY, "authorized_keys") for key in value)


def certificate_from_wire(value: object) -> str:
    """Return the line of a host certificate, empty for none, or raise ``InvalidInput``."""
    return "" if not value else _matching(value, _PUBLIC_KEY, "host_certificate")


def ports_from_wire(value: object) -> tuple[int, ...]:
    """Return TCP ports, sorted and each once, or raise ``InvalidInput``."""
    if not isinstance(value, list) or len(value) > _MOST_PORTS:
        raise InvalidInput(f"ports is not a list of at most {_MOST_PORTS} ports.", field="ports")
    return tuple(sorted({int(number_from(one, "ports", LOWEST_PORT, HIGHEST_PORT)) for one in value}))


def observed_to_wire(seen: Observed) -> dict[str, Any]:
    """Return the JSON form of an observation."""
    return {
        "workspace_id": seen.workspace_id,
        "state": seen.state.value,
        "generation": seen.generation,
        "toplevel": seen.toplevel,
        "resources": resources_to_wire(seen.resources) if seen.resources else None,
        "address": [seen.address.host, seen.address.port, seen.address.username] if seen.address else None,
        "started_at": seen.started_at.isoformat() if seen.started_at else None,
        "oom_kills": seen.oom_kills,
        "exit_reason": seen.exit_reason,
        "quarantine": seen.quarantine,
        "flaw": seen.flaw,
        "encryption": seen.encryption,
        "ports": None if seen.ports is None else list(seen.ports),
    }


def observed_from_wire(value: Mapping[str, Any]) -> Observed:
    """Return the observation that the node sent."""
    resources = value["resources"]
    return Observed(
        workspace_id=value["workspace_id"],
        state=MachineState(value["state"]),
        generation=value["generation"],
        toplevel=value["toplevel"],
        resources=Resources(resources["cpu"], resources["memory"], resources["storage"]) if resources else None,
        address=Address(*value["address"]) if value["address"] else None,
        started_at=datetime.fromisoformat(value["started_at"]) if value["started_at"] else None,
        oom_kills=value["oom_kills"],
        exit_reason=value["exit_reason"],
        quarantine=value["quarantine"],
        flaw=value.get("flaw", ""),
        encryption=value["encryption"],
        ports=None if value["ports"] is None else tuple(value["ports"]),
    )


def listener_to_wire(one: Listener) -> dict[str, Any]:
    """Return the JSON form of a listening program."""
    since = one.since.isoformat() if one.since else None
    return {"port": one.port, "addresses": list(one.addresses), "program": one.program, "since": since}


def listener_from_wire(value: Mapping[str, Any]) -> Listener:
    """Return the listening program that the node sent."""
    since = datetime.fromisoformat(value["since"]) if value["since"] else None
    return Listener(int(value["port"]), tuple(map(str, value["addresses"])), str(value["program"]), since)


def usage_to_wire(usage: Usage) -> dict[str, Any]:
    """Return the JSON form of a machine's figures."""
    # Not asdict(), which copies each value: 200 machines are told each second.
    told = {name: getattr(usage, name) for name in _USAGE_NAMES}
    if (pressure := usage.pressure) is not None:
        told["pressure"] = {name: getattr(pressure, name) for name in _PRESSURE_NAMES}
    return told


def usage_from_wire(value: Mapping[str, Any]) -> Usage:
    """Return the figures that the node sent."""
    pressure = value["pressure"]
    if not isinstance(pressure, dict):
        return Usage(**value)
    return Usage(**{**value, "pressure": Pressure(**pressure)})


def activity_to_wire(activity: Activity) -> dict[str, Any]:
    """Return the JSON form of the evidence of work in a machine."""
    return asdict(activity)


def activity_from_wire(value: Mapping[str, Any]) -> Activity:
    """Return the evidence of work that the node sent."""
    return Activity(
        **{
            **value,
            "units": tuple(UnitActivity(**one) for one in value["units"]),
            "programs": tuple(map(str, value["programs"])),
            "traced": tuple(map(str, value["traced"])),
            "inhibitors": tuple(Inhibitor(**one) for one in value["inhibitors"]),
        }
    )


def page_of(ids: Iterable[str], after: str) -> tuple[list[str], str | None]:
    """Return the ids of one answer to ``list``, and the one after which the next answer begins; None on the last."""
    chosen = heapq.nsmallest(MACHINES_AT_ONCE, (one for one in ids if one > after))
    return chosen, chosen[-1] if len(chosen) == MACHINES_AT_ONCE else None


def error_to_wire(error: WorkspacesError) -> dict[str, Any]:
    """Return the JSON form of one of our errors."""
    said = None if error.said is None else sentence_to_json(error.said)
    stated = {"kind": type(error).__name__, "code": error.code, "message": error.message, "field": error.field}
    return stated if said is None else {**stated, "said": said}


def error_from_wire(value: Mapping[str, Any]) -> WorkspacesError:
    """Return the error that the node sent, as the class it was raised as."""
    kind = getattr(errors, str(value.get("kind")), None)
    if not (isinstance(kind, type) and issubclass(kind, WorkspacesError)):
        kind = errors.RuntimeFailed
    said = sentence_from_json(value.get("said"))
    message: str | Sentence = str(value.get("message")) if said is None else said
    return kind(message, code=value.get("code"), field=value.get("field"))


def _matching(value: object, pattern: re.Pattern[str], name: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _malformed(name)
    return value


def _hostname(value: object) -> str:
    if not isinstance(value, str) or not is_hostname(value):
        raise _malformed("hostname")
    return value


def _malformed(name: str) -> InvalidInput:
    return InvalidInput(f"{name} has a form that the node does not take.", field=name)


def _volume_key(value: object) -> bytes:
    try:
        key = base64.b64decode(str(value), validate=True)
    except ValueError:
        key = b""
    if len(key) != VOLUME_KEY_BYTES:
        raise InvalidInput(f"volume_key is not {VOLUME_KEY_BYTES} bytes in base64.", field="volume_key")
    return key
