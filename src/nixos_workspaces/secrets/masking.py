"""Hiding the values of secrets in text that a workspace wrote. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nixos_workspaces.logs.masking import HIDDEN
from nixos_workspaces.model.contents.secrets import OpenSecret

_SHORTEST = 4
"""Characters of a line of a value that is hidden: shorter ones would hide ordinary words."""


def mask_of(secrets: Iterable[OpenSecret]) -> Callable[[str], str]:
    """Return what hides each line of each value in a text."""
    parts = {part.strip() for one in secrets for part in one.value.decode(errors="replace").split("\n")}
    hidden = sorted((part for part in parts if len(part) >= _SHORTEST), key=len, reverse=True)

    def mask(text: str) -> str:
        for part in hidden:
            text = text.replace(part, HIDDEN)
        return text

    return mask
