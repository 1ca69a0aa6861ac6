"""Opens the audit log's parts, and keeps them at work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nixos_workspaces.audit.notes import Signer
from nixos_workspaces.auth.counted import CountedAudit
from nixos_workspaces.database import Database
from nixos_workspaces.keys.store import KeyStore
from nixos_workspaces.operations.audit.checking import CHECK_SECONDS, Checking
from nixos_workspaces.operations.audit.log import AuditLog
from nixos_workspaces.operations.audit.retention import RETENTION_SECONDS, Retention, read_days
from nixos_workspaces.operations.audit.signing import SIGN_SECONDS, Signing
from nixos_workspaces.operations.audit.witness import WITNESS_SECONDS, Witness
from nixos_workspaces.operations.background import BackgroundTasks
from nixos_workspaces.settings import Settings


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit log's parts."""

    log: AuditLog
    signing: Signing
    checking: Checking
    witness: Witness
    retention: Retention


def open_audit(settings: Settings, path: Path, database: Database, keys: KeyStore, counted: CountedAudit) -> Audit:
    """Return the parts over ``database``, which lies at ``path``, with the key that signs; call it in a thread."""
    signing = Signing(database, Signer(keys.authority("audit")))
    return Audit(
        AuditLog(database, counted),
        signing,
        Checking(path, signing.verifier_key),
        Witness(database, settings.audit_witness, signing.verifier_key),
        Retention(database, read_days(settings.audit_keep)),
    )


def keep_audit(background: BackgroundTasks, audit: Audit) -> None:
    """Sign, witness, verify and shorten the audit log, each on its own."""
    background.repeat("audit_checkpoint", audit.signing.sign, SIGN_SECONDS)
    background.repeat("audit_witness", audit.witness.send, WITNESS_SECONDS)
    background.repeat("audit_verification", audit.checking.turn, CHECK_SECONDS)
    background.repeat("audit_retention", audit.retention.expire, RETENTION_SECONDS)
