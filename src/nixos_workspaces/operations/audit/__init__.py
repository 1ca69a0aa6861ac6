"""The audit log at work: reading, proving, signing, witnessing, verifying, shortening."""

from nixos_workspaces.operations.audit.checking import Checking
from nixos_workspaces.operations.audit.log import AuditLog, AuditPage, Proof
from nixos_workspaces.operations.audit.retention import Retention
from nixos_workspaces.operations.audit.signing import Signing
from nixos_workspaces.operations.audit.witness import Witness

__all__ = ["AuditLog", "AuditPage", "Checking", "Proof", "Retention", "Signing", "Witness"]
