"""Durations as the command line takes them."""

from __future__ import annotations

import re

from nixos_workspaces.errors import InvalidInput

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_DURATION = re.compile(r"([1-9][0-9]{0,6})([smhd])")


def seconds_of(text: str) -> int:
    """Return the duration that ``--for`` says, in seconds; 0 for the empty text. Raises ``InvalidInput``."""
    if not text:
        return 0
    found = _DURATION.fullmatch(text)
    if found is None:
        raise InvalidInput("--for takes a number with s, m, h or d, such as 12h.", field="for")
    return int(found[1]) * _SECONDS[found[2]]
