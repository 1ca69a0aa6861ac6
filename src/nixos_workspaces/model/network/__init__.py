"""The network of a workspace: what it may reach, and what was refused."""

from nixos_workspaces.model.network.entries import (
    NEVER_ALLOWED,
    DeniedConnection,
    EgressRules,
    NetworkEntry,
    NetworkMode,
    NetworkPolicy,
    PortRange,
    is_never_allowed,
)
from nixos_workspaces.model.network.rules import NO_FLOOR, in_force_at, next_end, rules_of

__all__ = [
    "NEVER_ALLOWED",
    "NO_FLOOR",
    "DeniedConnection",
    "EgressRules",
    "NetworkEntry",
    "NetworkMode",
    "NetworkPolicy",
    "PortRange",
    "in_force_at",
    "is_never_allowed",
    "next_end",
    "rules_of",
]
