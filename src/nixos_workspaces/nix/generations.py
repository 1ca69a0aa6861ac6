"""The profile of a workspace on disk: numbered generations, each with the environment it was built from.

    WORKSPACE/profile            -> profile-2-link       the current generation; made by Nix
    WORKSPACE/profile-2-link     -> /nix/store/...       a root for the garbage collector; made by Nix
    WORKSPACE/profile-2.json                             its environment; made here
    WORKSPACE/flake/workspace.json                       what is built, or was built last

Nix makes a generation, then its environment is noted. A process killed in between leaves one generation without a
note: that one was built from ``flake/workspace.json``, which changes only after all notes are complete.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from nixos_workspaces.errors import NotFound
from nixos_workspaces.model.environment import Environment, Generation
from nixos_workspaces.nix.flakes import declare_ports, environment_of, from_json, replace_file

_LINK = re.compile(r"profile-(\d+)-link", re.ASCII)


class Profile:
    """The generations of one workspace; the caller holds the workspace's lock for methods that change them."""

    def __init__(self, directory: Path) -> None:
        """``directory`` is the workspace's own; it need not exist."""
        self._directory = directory
        self.path = directory / "profile"
        self.flake = directory / "flake"

    def generations(self) -> tuple[Generation, ...]:
        """Return the generations, oldest first."""
        if not self._directory.is_dir():
            return ()
        numbers = sorted(int(found[1]) for path in self._directory.iterdir() if (found := _LINK.fullmatch(path.name)))
        return tuple(item for number in numbers if (item := self._read(number)) is not None)

    def current(self) -> Generation:
        """Return the generation in force; raises ``NotFound`` when nothing was ever built."""
        try:
            found = _LINK.fullmatch(self.path.readlink().name)
        except OSError:
            found = None
        current = self._read(int(found[1])) if found else None
        if current is None:
            raise NotFound("This workspace has no built environment. Rebuild it.", field="generation")
        return current

    def note(self, data: Environment) -> Generation:
        """Note the environment that the current generation was built from; return the generation."""
        number = self.current().number
        replace_file(self._note_file(number), _to_note(data))
        return self.current()

    def note_ports(self, ports: tuple[int, ...]) -> None:
        """Note the ports that are open with the current generation, and in the declaration that is built next."""
        current = self.current()
        self.complete_notes()
        self.note(replace(current.environment, ports=ports))
        declare_ports(self.flake, ports)

    def complete_notes(self) -> None:
        """Write the note that a killed process could not; call it before ``flake/workspace.json`` changes."""
        for item in self.generations():
            if not self._note_file(item.number).exists():
                replace_file(self._note_file(item.number), _to_note(item.environment))

    def select(self, number: int) -> Generation:
        """Make an older generation the current one; raises ``NotFound`` when it does not exist (any more)."""
        if self._read(number) is None:
            existing = ", ".join(str(item.number) for item in self.generations()) or "none"
            raise NotFound(f"There is no generation {number}; there are: {existing}.", field="generation")
        new = self._directory / f".profile-{number}"
        new.unlink(missing_ok=True)
        new.symlink_to(self._link(number).name)
        new.replace(self.path)
        return self.current()

    def _read(self, number: int) -> Generation | None:
        """Return one generation; None when its link or its store path is gone."""
        link = self._link(number)
        try:
            toplevel = str(link.readlink())
            made_at = datetime.fromtimestamp(link.lstat().st_mtime, UTC)
        except OSError:
            return None
        if not os.path.lexists(toplevel):
            return None
        data = self._noted(number) or environment_of(self.flake)
        return Generation(number, toplevel, data, made_at) if data else None

    def _noted(self, number: int) -> Environment | None:
        """Return the environment that was noted for a generation."""
        try:
            return from_json(self._note_file(number).read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def _link(self, number: int) -> Path:
        return self._directory / f"profile-{number}-link"

    def _note_file(self, number: int) -> Path:
        return self._directory / f"profile-{number}.json"


def _to_note(data: Environment) -> bytes:
    content = {"template": data.template, "packages": data.packages, "ports": data.ports}
    return json.dumps(content, sort_keys=True).encode() + b"\n"
