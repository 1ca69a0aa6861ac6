"""Audit entries: their fields, their class, and the bytes that stand in the tree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from nixos_workspaces.audit.canonical import canonical
from nixos_workspaces.logs.masking import HIDDEN, masked_text

ACCEPTED = "accepted"
SYSTEM = "system"
"""The actor of what the service does by itself."""
EXPIRE = "expire-audit"
"""The action of entries that tell which entries' bodies were removed."""
LONGEST = {"actor": 64, "action": 64, "workspace_id": 64, "outcome": 64, "request_id": 128}
"""Characters that an entry is found by; its body has all."""


class AuditClass(StrEnum):
    """A kind of entry, by which it is kept for longer or shorter."""

    CHANGE = "change"
    """Something was changed."""
    ACCESS = "access"
    """Sign-ins, tokens, sessions, keys, secrets."""
    REFUSAL = "refusal"
    """An attempt was refused."""
    USE = "use"
    """Files, terminals, logs, ports were used."""
    SYSTEM = "system"
    """The service did it by itself."""
    RECORD = "record"
    """The audit log itself was read or shortened; kept for ever."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One audited action: time, actor, target and outcome. Values of secrets are masked when it is stored."""

    at: datetime
    actor: str
    action: str
    workspace_id: str
    outcome: str
    """``accepted``, or the code of the error it was refused with."""
    request_id: str = ""
    detail: Mapping[str, Any] | None = None
    target: str = ""
    """The object besides the workspace: the id of a token, a terminal, a user."""
    before: Mapping[str, Any] | None = None
    """The values that a change replaced."""
    after: Mapping[str, Any] | None = None
    chain: tuple[str, ...] = ()
    """How the actor came, the nearest last: ids of shares, token, session, SSH key."""
    address: str = ""
    """The client's network address."""
    kind: AuditClass | None = None
    """None: told by action, actor and outcome."""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """A choice among entries; empty fields choose nothing out."""

    actor: str = ""
    action: str = ""
    workspace_id: str = ""
    outcome: str = ""
    kind: AuditClass | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    """Only entries of smaller numbers."""


@dataclass(frozen=True, slots=True)
class Asker:
    """The origin of the request that is being answered."""

    address: str = ""
    request_id: str = ""
    chain: tuple[str, ...] = ()


asker: ContextVar[Asker | None] = ContextVar("asker", default=None)
"""Set where requests come in; completes entries whose writer knows neither addresses nor credentials."""


def current_request() -> str:
    """Return the id of the request that is being answered; empty for what no request asks for."""
    origin = asker.get()
    return "" if origin is None else origin.request_id


_ACCESS = re.compile(
    r"(login|authenticate|sign-|create-token|revoke|add-ssh-key|remove-ssh-key|read-ssh-key|read-secrets|set-secret"
    r"|(add|rename|remove|use)-passkey|delete-secret|deliver-(personal-)?secrets|suspend|create-(user|session|share|login-code)"
    r"|invite-user|share|join|send-away|end-session)"
)
_RECORD = frozenset({EXPIRE, "read-audit", "export-audit", "read-support"})
_SECRET_NAMES = re.compile(
    r"(?i)(.*_)?(password|passphrase|secret|private_key|value|login_code|link|cookie|authorization|credential|sealed)"
)


_EXACT = 1 << 53


def complete(entry: AuditEntry, origin: Asker | None = None) -> AuditEntry:
    """Return the entry with its class and, of a request's, the parts of its origin that it lacks."""
    kind = entry.kind or _class_of(entry)
    asked = origin if origin and entry.request_id and entry.request_id == origin.request_id else Asker()
    return replace(entry, kind=kind, chain=entry.chain or asked.chain, address=entry.address or asked.address)


def fields_of(number: int, entry: AuditEntry) -> dict[str, Any]:
    """Return a complete entry under its number as JSON has it; empty fields are left out."""
    fields = {
        "action": masked(entry.action),
        "actor": masked(entry.actor),
        "address": masked(entry.address),
        "after": masked(entry.after),
        "at": moment(entry.at),
        "before": masked(entry.before),
        "chain": masked(entry.chain),
        "class": entry.kind,
        "detail": masked(entry.detail),
        "outcome": masked(entry.outcome),
        "request_id": masked(entry.request_id),
        "target": masked(entry.target),
        "workspace_id": masked(entry.workspace_id),
    }
    given = {name: value for name, value in fields.items() if value is not None and value not in ("", [])}
    return {**given, "seq": number}


def body_of(fields: Mapping[str, Any]) -> bytes:
    """Return an entry's canonical JSON: the data of its leaf."""
    return canonical(fields)


def cells_of(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns by which entries are found, as a database has them: instant, texts, class."""
    at = fields["at"].replace("T", " ")[:-1]
    return (at, *(fields.get(name, "")[:most] for name, most in LONGEST.items()), fields["class"])


BLANK = ("1970-01-01 00:00:00.000000", *("" for _ in LONGEST), "")
"""The columns of an entry whose body is gone."""


def read_body(body: str | bytes) -> tuple[int, AuditEntry]:
    """Return number and entry; ``ValueError`` for a text that no entry has."""
    try:
        told = orjson.loads(body)
        entry = AuditEntry(
            datetime.fromisoformat(told["at"]),
            actor=told.get("actor", ""),
            action=told.get("action", ""),
            workspace_id=told.get("workspace_id", ""),
            outcome=told.get("outcome", ""),
            request_id=told.get("request_id", ""),
            detail=told.get("detail"),
            target=told.get("target", ""),
            before=told.get("before"),
            after=told.get("after"),
            chain=tuple(told.get("chain", ())),
            address=told.get("address", ""),
            kind=AuditClass(told["class"]),
        )
        return int(told["seq"]), entry
    except (KeyError, TypeError, AttributeError) as wrong:
        raise ValueError("this is not an audit entry") from wrong


def moment(at: datetime) -> str:
    """Return an instant as entries have it: RFC 3339 in UTC, always with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def change_of(entry: AuditEntry) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Return the values before and after; older entries have them in their detail."""
    if entry.before is not None or entry.after is not None:
        return entry.before, entry.after
    detail = entry.detail or {}
    pair = [detail.get(new, detail.get(old)) for new, old in (("before", "old"), ("after", "new"))]
    before, after = (value if isinstance(value, Mapping) else None for value in pair)
    return before, after


def masked(value: Any) -> Any:
    """Return a JSON value without what a secret's name stands before, our credentials, private keys and passwords."""
    match value:
        case Mapping():
            return {
                str(name): HIDDEN if inner and _SECRET_NAMES.fullmatch(str(name)) else masked(inner)
                for name, inner in value.items()
            }
        case str():
            return masked_text(value.encode("utf-8", "replace").decode())
        case list() | tuple() | set() | frozenset():
            return [masked(inner) for inner in value]
        case None | bool():
            return value
        case int() | float() if abs(value) < _EXACT:
            return value
        case _:
            # An entry that could not be written would forbid the change that it tells of.
            return str(value)


def _class_of(entry: AuditEntry) -> AuditClass:
    """Return the class of an entry that names none."""
    if entry.action in _RECORD:
        return AuditClass.RECORD
    if entry.outcome != ACCEPTED:
        return AuditClass.SYSTEM if entry.actor == SYSTEM else AuditClass.REFUSAL
    if _ACCESS.match(entry.action):
        return AuditClass.ACCESS
    if entry.actor == SYSTEM:
        return AuditClass.SYSTEM
    return AuditClass.USE if entry.detail and "count" in entry.detail else AuditClass.CHANGE
