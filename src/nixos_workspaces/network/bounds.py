"""The bounds that an administrator sets: default, floor and the list of mode ``balanced``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.model.network import NO_FLOOR, NetworkEntry, NetworkMode, NetworkPolicy
from nixos_workspaces.model.network.entries import parsed
from nixos_workspaces.schemas.network.requests import FloorFile
from nixos_workspaces.schemas.problems import described
from nixos_workspaces.settings import Settings

MOST_LISTED = 1024
"""Entries of the list of mode ``balanced``."""
_SHIPPED = "balanced.txt"
_MOST_BYTES = 1 << 20
_WORDS = (NetworkMode.OPEN, NetworkMode.BALANCED, NetworkMode.NONE)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds in force."""

    default: NetworkMode
    """The mode of new workspaces; never wider than the floor."""
    floor: NetworkPolicy
    reason: str
    """Why there is a floor, in the administrator's words; may be empty."""
    balanced: tuple[NetworkEntry, ...]


class BoundsFile:
    """Reads the bounds from the settings and the files that they name, anew when a file has changed."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings; raises ``InvalidInput`` naming the one that cannot be used."""
        self._settings = settings
        self._seen: object = None
        self.current: Bounds
        self.reread()

    def reread(self) -> bool:
        """Tell whether the bounds are others now; reads files. Those before stay in force where one is wrong."""
        seen = self._stamps()
        if seen == self._seen:
            return False
        before = getattr(self, "current", None)
        self.current = read_bounds(self._settings)
        self._seen = seen
        return before is not None and before != self.current

    def _stamps(self) -> tuple[object, ...]:
        """Return what tells a changed file."""
        paths = [self._settings.egress_balanced]
        paths += [] if self._settings.egress_floor in _WORDS else [self._settings.egress_floor]
        return tuple(_stamp(Path(path)) for path in paths if path)


def read_bounds(settings: Settings) -> Bounds:
    """Return the bounds in force; raises ``InvalidInput`` naming the setting that cannot be used."""
    try:
        wanted = NetworkMode(settings.egress_default)
    except ValueError as wrong:
        message = f"Setting egress_default: {settings.egress_default!r} is not one of {', '.join(NetworkMode)}."
        raise InvalidInput(message, field="egress_default") from wrong
    floor, reason = _read_floor(settings.egress_floor)
    path = settings.egress_balanced
    text = _read("egress_balanced", Path(path)) if path else _shipped()
    return Bounds(wanted, floor, reason, balanced_list(text, path or _SHIPPED))


def balanced_list(text: str, source: str = _SHIPPED) -> tuple[NetworkEntry, ...]:
    """Read a list: an entry a line as ``model.network.entries.parsed`` has it; ``#`` begins a remark."""
    found: dict[NetworkEntry, None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if stated := line.partition("#")[0].strip():
            try:
                found[parsed(stated)] = None
            except InvalidInput as wrong:
                message = f"Setting egress_balanced: line {number} of {source}: {wrong.message}"
                raise InvalidInput(message, field="egress_balanced") from wrong
    if len(found) > MOST_LISTED:
        raise InvalidInput(
            f"Setting egress_balanced: {source} has more than {MOST_LISTED} entries.", field="egress_balanced"
        )
    return tuple(found)


def _read_floor(setting: str) -> tuple[NetworkPolicy, str]:
    """Return the floor and its reason: of a word, or of a file."""
    if setting in _WORDS:
        return (NO_FLOOR if setting == NetworkMode.OPEN else NetworkPolicy(NetworkMode(setting))), ""
    text = _read("egress_floor", Path(setting))
    try:
        stated = FloorFile.model_validate(json.loads(text))
        return stated.to_model(), stated.reason
    except ValidationError as wrong:
        said, _ = described([{**one, "loc": ("file", *one["loc"])} for one in wrong.errors()])
    except InvalidInput as wrong:
        said = f"{wrong.field}: {wrong.message}"
    except (ValueError, RecursionError):
        said = "It is not JSON."
    raise InvalidInput(f"Setting egress_floor: {setting}: {said}", field="egress_floor")


def _read(name: str, path: Path) -> str:
    """Return a file's text; ``InvalidInput`` for one that cannot be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) <= _MOST_BYTES:
            return raw.decode()
        said = f"is larger than {_MOST_BYTES} bytes"
    except OSError as failed:
        said = f"cannot be read ({failed.strerror or failed})"
    except UnicodeDecodeError:
        said = "is not UTF-8"
    raise InvalidInput(f"Setting {name}: the file {str(path)!r} {said}.", field=name)


def _shipped() -> str:
    return files(__package__).joinpath(_SHIPPED).read_text()


def _stamp(path: Path) -> tuple[float, int, int] | None:
    """Return what changes with a file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime, found.st_size, found.st_ino
