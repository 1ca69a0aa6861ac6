"""Histograms whose entries weigh less with age, in buckets that widen by a constant factor. Pure.

As in the recommender of Kubernetes' Vertical Pod Autoscaler (``pkg/recommender/util/decaying_histogram.go``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

HALF_LIFE = 24 * 3600.0
"""Seconds after which an entry weighs half."""
RATIO = 1.05
_LONGEST = 100
"""Half-lives after which the reference is moved, long before a weight is too large for a number."""
_NEGLIGIBLE = 1e-9


@dataclass(slots=True)
class DecayingHistogram:
    """Weights by bucket; a quantile is told as the end of its bucket, so at most 5 % too large."""

    first: float
    """The end of the first bucket; the others are each wider by ``RATIO``."""
    reference: float = 0.0
    """The time, in seconds, of which an entry has its plain weight."""
    weights: dict[int, float] = field(default_factory=dict)

    def add(self, value: float, weight: float, at: float) -> None:
        """Add an entry of a time, in seconds since any fixed moment."""
        if at - self.reference > _LONGEST * HALF_LIFE or not self.weights:
            self._refer_to(at)
        bucket = self._bucket(value)
        weighted = weight * 2.0 ** ((at - self.reference) / HALF_LIFE)
        self.weights[bucket] = self.weights.get(bucket, 0.0) + weighted

    def quantile(self, part: float) -> float:
        """Return the least end of a bucket that so great a part of all weight is not beyond; 0 without entries."""
        kept, seen = self._kept(), 0.0
        total = sum(kept.values())
        for bucket in sorted(kept):
            seen += kept[bucket]
            if seen >= part * total * (1 - _NEGLIGIBLE):
                return self._end(bucket)
        return 0.0

    def form(self) -> dict[str, object]:
        """Return it as JSON; what weighs next to nothing is left out."""
        kept = {str(bucket): weight for bucket, weight in self._kept().items()}
        return {"first": self.first, "reference": self.reference, "weights": kept}

    def _kept(self) -> dict[int, float]:
        """Return the buckets that weigh more than next to nothing: the same before it is stored and after."""
        least = sum(self.weights.values()) * _NEGLIGIBLE
        return {bucket: weight for bucket, weight in self.weights.items() if weight > least}

    def _refer_to(self, at: float) -> None:
        factor = 2.0 ** ((self.reference - at) / HALF_LIFE)
        self.weights = {bucket: moved for bucket, weight in self.weights.items() if (moved := weight * factor) > 0}
        self.reference = at

    def _bucket(self, value: float) -> int:
        if value <= self.first:
            return 0
        # The ends of the buckets are a geometric series' sums: first * (ratio^(n+1) - 1) / (ratio - 1).
        return math.ceil(math.log(value / self.first * (RATIO - 1) + 1, RATIO) - 1 - _NEGLIGIBLE)

    def _end(self, bucket: int) -> float:
        return self.first * (RATIO ** (bucket + 1) - 1) / (RATIO - 1)


def histogram_of(form: Mapping[str, object]) -> DecayingHistogram:
    """Return a histogram out of its JSON."""
    weights = form["weights"]
    assert isinstance(weights, dict)
    first, reference = float(str(form["first"])), float(str(form["reference"]))
    return DecayingHistogram(first, reference, {int(bucket): float(weight) for bucket, weight in weights.items()})
