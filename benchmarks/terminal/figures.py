"""What a measure found: figures of every peer, and what they had to keep to."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from typing_extensions import override

T = TypeVar("T")
Figures = dict[str, float]


@dataclass(frozen=True)
class Verdict:
    """A figure and its bound."""

    claim: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "value": round(self.value, 3), "holds": self.holds}

    @override
    def __str__(self) -> str:
        bound = f"{'>=' if self.at_least else '<='} {self.bound:g}"
        return f"  {'holds' if self.holds else 'FAILS':5s}  {self.claim}: {self.value:.3g} ({bound})"


@dataclass
class Result:
    """One measure's figures by peer, all of one run."""

    figures: dict[str, Figures] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)

    def ratio(self, peer: str, figure: str, reference: str) -> float:
        return self.figures[peer][figure] / self.figures[reference][figure]

    def claim(self, what: str, value: float, bound: float, *, at_least: bool = False) -> None:
        self.verdicts.append(Verdict(what, value, bound, at_least=at_least))

    def as_json(self, reference: str) -> dict[str, object]:
        """Return it all, with every figure's ratio to the reference peer's."""
        rows = {}
        for peer, figures in self.figures.items():
            ratios = {
                name: round(value / base, 3)
                for name, value in figures.items()
                if peer != reference and (base := self.figures.get(reference, {}).get(name))
            }
            rows[peer] = {name: round(value, 4) for name, value in figures.items()} | (
                {"ratio": ratios} if ratios else {}
            )
        return {"figures": rows, "bounds": [verdict.as_json() for verdict in self.verdicts]}

    def table(self, title: str, reference: str) -> str:
        """Return the figures as text, each with its ratio to the reference peer's where there is one."""
        names = list(dict.fromkeys(name for figures in self.figures.values() for name in figures))
        lines = [f"{title:12s}" + "".join(f"{name:>24s}" for name in names)]
        for peer, figures in self.figures.items():
            cells = []
            for name in names:
                base = self.figures.get(reference, {}).get(name)
                ratio = f" ({figures[name] / base:.2f})" if base and name in figures else ""
                cells.append(f"{figures[name]:.4g}{ratio}" if name in figures else "")
            lines.append(f"{peer:12s}" + "".join(f"{cell:>24s}" for cell in cells))
        return "\n".join([*lines, *map(str, self.verdicts)])


def latencies(seconds: Sequence[float], *, unit: str = "us") -> Figures:
    """Return the median and the tail of some waits."""
    scale = {"us": 1e6, "ms": 1e3}[unit]
    ordered = sorted(seconds)
    tail = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return {f"p50 {unit}": statistics.median(ordered) * scale, f"p99 {unit}": tail * scale}


def middle(values: Sequence[float]) -> float:
    """Return the median of some rounds."""
    return statistics.median(values)


def shuffled(of: Iterable[T]) -> list[T]:
    """Return them in an order drawn anew."""
    order = list(of)
    random.shuffle(order)
    return order
