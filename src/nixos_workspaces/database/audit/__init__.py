"""The audit log's tables: entries, the tree over them, checkpoints."""

from nixos_workspaces.audit.entries import AuditEntry, AuditQuery
from nixos_workspaces.database.audit.checkpoints import CheckpointRepository, StoredCheckpoint
from nixos_workspaces.database.audit.entries import AuditRepository, Expirable

__all__ = ["AuditEntry", "AuditQuery", "AuditRepository", "CheckpointRepository", "Expirable", "StoredCheckpoint"]
