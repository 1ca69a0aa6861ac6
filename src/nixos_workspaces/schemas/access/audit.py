"""The wire types of the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from nixos_workspaces.model.names import VISIBLE_PATTERN
from nixos_workspaces.schemas.wire import Answer, Moment, PageSize, Time

LARGEST_SEQ = (1 << 53) - 1
Kind = Literal["change", "access", "refusal", "use", "system", "record"]
Text = Annotated[str, Field(max_length=64, pattern=f"^$|{VISIBLE_PATTERN}", description="Empty: any.")]
Seq = Annotated[int, Field(ge=1, le=LARGEST_SEQ)]


class AuditFilters(BaseModel):
    """Query of entries: each field chooses those that have just this value."""

    actor: Text = ""
    action: Text = ""
    workspace: Annotated[Text, Field(description="The workspace's id.")] = ""
    outcome: Text = ""
    kind: Kind | None = None
    since: Moment | None = None
    until: Moment | None = None


class AuditParameters(AuditFilters):
    """Query of a page of entries."""

    cursor: Annotated[Seq | None, Field(description="next_cursor of the page before.")] = None
    limit: PageSize = 50


class AuditExportParameters(AuditFilters):
    """Query of an export."""

    format: Literal["jsonl", "ocsf", "cloudevents"] = "jsonl"


class AuditEntryAnswer(Answer):
    """One audit entry."""

    seq: int = Field(description="Its number; there are no gaps.")
    at: Time
    actor: str = Field(description="Id of who did it; system for what the service did by itself.")
    chain: list[str] = Field(description="How the actor came: ids of session, token, share; the nearest last.")
    address: str
    request_id: str
    action: str
    workspace_id: str
    target: str = Field(description="The object besides the workspace; empty if there is none.")
    outcome: str = Field(description="accepted, or the code of the refusal.")
    before: dict[str, Any] | None = Field(description="Values before a change; secrets are masked.")
    after: dict[str, Any] | None = Field(description="Values after a change; secrets are masked.")
    detail: dict[str, Any] | None
    kind: str = Field(description="change, access, refusal, use, system or record: how long its body is kept.")


class AuditVerified(Answer):
    """How far the service itself has verified its log."""

    size: int
    at: datetime | None = Field(description="When; null before the first time.")
    first_bad: int | None = Field(description="The first bad entry; null if there is none.")
    flaw: str = Field(description="Its disagreement; empty if there is none.")


class AuditList(Answer):
    """Entries, newest first."""

    entries: list[AuditEntryAnswer]
    next_cursor: str | None
    size: int = Field(description="Entries of the whole log, those whose bodies are gone included.")
    verified: AuditVerified


class AuditEntryDetail(Answer):
    """One entry as it stands in the tree: its leaf is the hash of this object's canonical JSON (RFC 8785)."""

    entry: dict[str, Any]


class CheckpointAnswer(Answer):
    """A signed checkpoint."""

    size: int
    at: Time
    note: str = Field(description="The signed note: origin, size, root in base64, empty line, signature (C2SP).")
    key: str = Field(description="The public key it is signed with: NAME+ID+KEY. Compare it with the one written down.")
    witnessed_size: int | None = Field(description="Entries that the witness knows of; null if it knows none.")


class ProofAnswer(Answer):
    """A proof that an entry stands in the tree of ``size`` entries (RFC 6962, section 2.1.1)."""

    seq: int
    size: int
    leaf: str = Field(description="The entry's hash, base64.")
    path: str = Field(description="The hashes up to the root, 32 bytes each, one after another, base64.")


class ConsistencyAnswer(Answer):
    """A proof that the larger tree begins with the smaller one (RFC 6962, section 2.1.2)."""

    first: int
    second: int
    path: str = Field(description="The hashes, 32 bytes each, one after another, base64.")
