"""Ports as the command line gives them."""

from __future__ import annotations

from dataclasses import dataclass

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.names import is_port

_MOST_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A port inside, and the one on this computer."""

    remote: int
    local: int
    """0 takes a free one."""


def read_port(text: str) -> Forwarded:
    """Return a port as the command line gives it; raises ``InvalidInput``."""
    first, colon, second = text.partition(":")
    numbers = [
        int(word) if word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS else -1
        for word in ((first, second) if colon else (first, first))
    ]
    if not is_port(numbers[0]) or (numbers[1] and not is_port(numbers[1])):
        raise InvalidInput(f"{text!r} is no port: give 5432, or 5432:15432 for another one here.", field="ports")
    return Forwarded(numbers[0], numbers[1])
