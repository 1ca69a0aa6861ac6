"""Values about the service itself: SSH keys, log lines, findings of its health."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SshKey:
    """The keys that an SSH client needs besides the address. Holds a secret: never log it."""

    private_key: str = field(repr=False)
    """Ed25519, in OpenSSH's private format."""
    host_key: str
    """The public line of the host key to expect."""
    username: str = "nixos"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a workspace's log, without its newline."""

    source: str
    """``build`` or ``boot``."""
    text: str


@dataclass(frozen=True, slots=True)
class HealthItem:
    """One finding about the service, for ``/api/nixos/health`` and ``nixws doctor``."""

    code: str
    """Stable; for programs and documentation."""
    ok: bool
    message: str
    remedy: str = ""
    """The remedy, in a sentence; empty when ``ok``."""
