"""The reason of a stop or a pause, kept on the workspace until it is started again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nixos_workspaces.model.service import Sentence

MOST_SEEN = 16
"""Findings that a reason keeps."""


class StoppedBy(StrEnum):
    """The kind of party that stopped a workspace."""

    SYSTEM = "system"
    """Nothing worked in it for as long as its policy says."""
    PERSON = "person"
    SCHEDULE = "schedule"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class StopReason:
    """The reason why a workspace was stopped or paused, by whom, and what was seen."""

    by: StoppedBy
    said: Sentence
    """Its code is stable: ``stop.idle``, ``stop.asked`` …"""
    at: datetime
    actor: str = ""
    """The principal that asked for it."""
    seen: tuple[Sentence, ...] = ()

    @property
    def wakes(self) -> bool:
        """Whether a person's intent (a keystroke, SSH, a page) starts it again without being asked to.

        A person's own stop holds until somebody starts it, and a budget's as long as the budget says.
        """
        return self.by in {StoppedBy.SYSTEM, StoppedBy.SCHEDULE}
