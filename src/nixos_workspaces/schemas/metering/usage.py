"""The wire types of the ledger of use."""

from __future__ import annotations

from pydantic import Field

from nixos_workspaces.schemas.wire import Answer


class UsageVerification(Answer):
    """The outcome of comparing the records of use with their seals in the audit log."""

    records: int
    seals: int
    unsealed: int = Field(description="Records of the last minute, which no seal covers yet.")
    findings: list[str] = Field(description="Each in a sentence; empty: nothing was changed.")
