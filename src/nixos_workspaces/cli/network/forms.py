"""Entries of networks as they are typed, in the form that the API reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nixos_workspaces.model.network.entries import NetworkEntry


def form(one: NetworkEntry) -> dict[str, Any]:
    """Return an entry as the API reads it."""
    target = {"name": one.name} if one.name is not None else {"cidr": one.cidr}
    ports = [span.first if span.first == span.last else f"{span.first}-{span.last}" for span in one.ports]
    return {**target, "ports": ports, "expires_at": None if one.expires_at is None else one.expires_at.isoformat()}


def entries_of(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Read ``NAME:PORT`` and the like; raise ``InvalidInput`` for what may not be allowed."""
    from nixos_workspaces.model.network.entries import parsed

    return [form(parsed(text)) for text in texts]
