"""The rows of one workspace that are under way or not stored yet, in every level."""

from __future__ import annotations

from dataclasses import dataclass, field

from nixos_workspaces.model.metering.figures import LEVELS, Row

MOST_PENDING = 720
"""Rows of one level that wait to be stored, where the database cannot take them; older ones are lost."""


@dataclass(slots=True)
class Pending:
    """Rows that grow, and those that are complete. For one thread at a time."""

    open: list[Row | None] = field(default_factory=lambda: [None] * len(LEVELS))
    done: list[list[Row]] = field(default_factory=lambda: [[] for _ in LEVELS])

    def add(self, row: Row, level: int = 0) -> None:
        """Put a row into a level; a row that is complete thereby goes into the next coarser one too."""
        step = LEVELS[level].step
        begin = row.begin - row.begin % step
        growing = self.open[level]
        if growing is not None and growing.begin == begin:
            growing.merge(row)
            return
        self.open[level] = row.at(begin)
        if growing is not None:
            self._complete(growing, level)

    def finish(self, levels: int = len(LEVELS)) -> None:
        """Complete the rows of the finest levels: of all for a workspace that does not run any more."""
        for level in range(levels):
            growing, self.open[level] = self.open[level], None
            if growing is not None:
                self._complete(growing, level)

    def rows(self, level: int) -> list[Row]:
        """Return what is not stored of a level, with all that is under way in the finer ones."""
        growing = [one for one in self.open[: level + 1] if one is not None]
        return [*self.done[level], *growing]

    @property
    def due(self) -> bool:
        """Whether as much is complete as is stored together."""
        return any(len(done) >= level.together for done, level in zip(self.done, LEVELS, strict=True))

    @property
    def idle(self) -> bool:
        """Whether nothing is left that would have to be stored."""
        return not any(self.done) and not any(self.open)

    def _complete(self, row: Row, level: int) -> None:
        self.done[level].append(row)
        del self.done[level][:-MOST_PENDING]
        if level + 1 < len(LEVELS):
            self.add(row, level + 1)
