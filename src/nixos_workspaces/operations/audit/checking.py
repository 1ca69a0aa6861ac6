"""Verification of the audit log beside the service: some entries a minute, again and again from the first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nixos_workspaces.audit.verify import Finding, Flaw, Verifier
from nixos_workspaces.database.audit.copies import open_copy
from nixos_workspaces.errors import RuntimeFailed

CHECK_SECONDS = 60.0
_A_TURN = 20_000
"""Entries that are verified at a time: some tenths of a second, in a thread."""
_AGAIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Checked:
    """How far the log has been verified, and when."""

    size: int
    at: datetime | None
    finding: Finding | None = None


class Checking:
    """Verifies the log in ``path`` against its own hashes and checkpoints."""

    def __init__(self, path: Path, key: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Take nothing yet; ``key`` is the log's public key."""
        self._path = path
        self._key = key
        self._clock = clock
        self._verifier = Verifier()
        self._signed = 0
        self._began_at = clock()
        self.checked = Checked(0, None)

    async def turn(self) -> None:
        """Verify what comes next; call it once a minute.

        Raises ``RuntimeFailed`` (``audit_broken``) naming the first bad entry, every time until it is whole again.
        """
        now = self._clock()
        finding = await asyncio.to_thread(self._turn)
        if finding is None:
            self.checked = Checked(self._verifier.size, now)
            if now - self._began_at >= _AGAIN:
                self._begin(now)
            return
        self.checked = Checked(min(self._verifier.size, finding.first - 1), now, finding)
        self._begin(now)
        numbers = f"entry {finding.first}" if finding.first == finding.last else f"{finding.first} to {finding.last}"
        raise RuntimeFailed(
            f"The audit log is not what it was: {numbers} ({finding.flaw.value}). `nixws audit verify` tells more.",
            code="audit_broken",
        )

    def _begin(self, now: datetime) -> None:
        self._verifier, self._signed, self._began_at = Verifier(), 0, now

    def _turn(self) -> Finding | None:
        with open_copy(self._path) as copy:
            checkpoints, unsigned = copy.checkpoints(self._key, self._signed)
            for checkpoint in checkpoints:
                if checkpoint.size > self._verifier.size:
                    self._verifier.expect(checkpoint)
                elif copy.root(checkpoint.size) != checkpoint.root:
                    return Finding(1, checkpoint.size, Flaw.CHECKPOINT)
                self._signed = checkpoint.size
            if not copy.verify(self._verifier, _A_TURN) and self._verifier.finding is None:
                return unsigned
            return copy.end(self._verifier).finding or unsigned
