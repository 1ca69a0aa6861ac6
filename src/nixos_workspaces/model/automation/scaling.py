"""Workspaces that change size by themselves: the bounds, boosts, and the decisions that were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.service import Sentence

SHORTEST_DOWN, LONGEST_DOWN = timedelta(seconds=10), timedelta(days=1)
USUAL_DOWN = timedelta(minutes=10)
SHORTEST_BOOST, LONGEST_BOOST = timedelta(seconds=10), timedelta(days=7)
KEPT = timedelta(days=30)
"""How long decisions are kept."""
MOST_KEPT = 500
"""Decisions that are kept of one workspace."""


@dataclass(frozen=True, slots=True)
class Size:
    """The part of a workspace's resources that changes while it runs."""

    cpu: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class AutoscalePolicy:
    """Between which sizes a workspace changes by itself."""

    least: Size
    most: Size
    down_after: timedelta = USUAL_DOWN
    """How long it must have needed less before it is made smaller."""

    def check(self) -> None:
        """Refuse bounds the wrong way round, and a time out of range."""
        for name in ("cpu", "memory_bytes"):
            if getattr(self.least, name) > getattr(self.most, name):
                field_name = name.partition("_")[0]
                raise InvalidInput(
                    f"{field_name}: min is larger than max; give min the smaller of the two.", field=field_name
                )
        if not SHORTEST_DOWN <= self.down_after <= LONGEST_DOWN:
            raise InvalidInput("down_after must be between 10s and 1d.", field="down_after")


@dataclass(frozen=True, slots=True)
class Boost:
    """A larger size for a while; None leaves a part as it is."""

    cpu: float | None
    memory_bytes: int | None
    until: datetime
    by: str
    """Id of the principal that asked for it."""


@dataclass(frozen=True, slots=True)
class StoredScaling:
    """All that was asked for about the size of a workspace."""

    policy: AutoscalePolicy | None = None
    boost: Boost | None = None

    def boosted(self, now: datetime) -> Boost | None:
        """Return the boost that is in force."""
        return self.boost if self.boost is not None and self.boost.until > now else None


class ScalingKind(StrEnum):
    """The outcome of a decision."""

    UP = "up"
    DOWN = "down"
    REFUSED = "refused"
    """It would have been made larger or smaller, and was not."""


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """One decision with what was seen."""

    at: datetime
    kind: ScalingKind
    before: Size
    after: Size
    """Of a refused one, the size that was wanted."""
    reason: Sentence
    evidence: Mapping[str, float] = field(default_factory=dict)
    """The figures that it was made by, by their names."""
