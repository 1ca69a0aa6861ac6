"""The client's calls for the audit log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.access.audit import (
    AuditEntryDetail,
    AuditList,
    CheckpointAnswer,
    ConsistencyAnswer,
    ProofAnswer,
)

_ROOT = "/api/nixos/audit"


class AuditCalls:
    """The calls for the audit log, for administrators and auditors. Raises our own errors."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def list(self, query: Mapping[str, str | int] | None = None) -> AuditList:
        """Return a page of entries, newest first; ``query`` has filters, ``cursor`` and ``limit``."""
        return read_answer(AuditList, self._client.call("GET", _ROOT, query=query))

    def entry(self, seq: int) -> dict[str, Any]:
        """Return an entry as it stands in the tree."""
        return read_answer(AuditEntryDetail, self._client.call("GET", f"{_ROOT}/{seq}")).entry

    def checkpoint(self) -> CheckpointAnswer:
        """Return a signed checkpoint of now."""
        return read_answer(CheckpointAnswer, self._client.call("GET", f"{_ROOT}/checkpoint"))

    def proof(self, seq: int, size: int | None = None) -> ProofAnswer:
        """Return the proof of an entry in the tree of ``size`` entries; None: in that of now."""
        query = None if size is None else {"size": size}
        return read_answer(ProofAnswer, self._client.call("GET", f"{_ROOT}/{seq}/proof", query=query))

    def consistency(self, first: int, second: int) -> ConsistencyAnswer:
        """Return the proof that the tree of ``second`` entries begins with that of ``first``."""
        query = {"from": first, "to": second}
        return read_answer(ConsistencyAnswer, self._client.call("GET", f"{_ROOT}/consistency", query=query))

    def export(self, query: Mapping[str, str | int]) -> Iterator[dict[str, Any]]:
        """Yield entries, oldest first; ``query`` has filters and ``format``."""
        yield from self._client.lines(f"{_ROOT}/export", query)
