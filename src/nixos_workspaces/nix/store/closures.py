"""Closures read from the store's database; none changes, so that those asked for last are kept."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from nixos_workspaces.errors import BuildFailed, NotFound
from nixos_workspaces.model.closures.paths import StorePath
from nixos_workspaces.nix.executable import Nix

_SECONDS = 30.0
_MOST_KEPT = 16


class Closures:
    """The closures of one store. Call it from one event loop."""

    def __init__(self, nix: Nix) -> None:
        """Ask ``nix``."""
        self._nix = nix
        self._kept: OrderedDict[str, tuple[StorePath, ...]] = OrderedDict()

    async def of(self, toplevel: str) -> tuple[StorePath, ...]:
        """Return a path and all that it needs, sorted. Raises ``NotFound`` where it was collected, ``Unavailable``."""
        if toplevel not in self._kept:
            try:
                told = await self._nix.json("path-info", "--recursive", "--json", toplevel, timeout=_SECONDS)
            except BuildFailed as unknown:  # newer ones tell it of the path instead
                raise _collected() from unknown
            self._kept[toplevel] = _read(toplevel, told)
        self._kept.move_to_end(toplevel)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return self._kept[toplevel]


def _read(toplevel: str, told: Any) -> tuple[StorePath, ...]:
    """Read the answer: an object by path since Nix 2.19, a list before it; a path that is not there has no value."""
    facts = told if isinstance(told, dict) else {one["path"]: one for one in told if one.get("valid", True)}
    if not all(isinstance(fact, dict) for fact in facts.values()) or toplevel not in facts:
        raise _collected()
    return tuple(
        StorePath(path, int(fact["narSize"]), tuple(sorted({*fact["references"]} - {path})))
        for path, fact in sorted(facts.items())
    )


def _collected() -> NotFound:
    return NotFound("This generation was removed from the store; rebuild the workspace.", field="generation")
