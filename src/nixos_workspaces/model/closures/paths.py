"""Store paths, with the name and the version that their names tell."""

from __future__ import annotations

from dataclasses import dataclass

_HASH_LENGTH = 32


@dataclass(frozen=True, slots=True)
class StorePath:
    """One path of a closure."""

    path: str
    bytes: int
    """Its own size as an archive (NAR), without what it refers to."""
    references: tuple[str, ...] = ()
    """Paths that it needs, itself excluded."""

    @property
    def label(self) -> str:
        """The path's name without directory and hash, as ``git-2.39.5``."""
        return self.path.rpartition("/")[2][_HASH_LENGTH + 1 :]

    @property
    def name(self) -> str:
        """The name without its version."""
        return name_and_version(self.label)[0]

    @property
    def version(self) -> str:
        """The version; empty where the name has none."""
        return name_and_version(self.label)[1]


def name_and_version(label: str) -> tuple[str, str]:
    """Split at the first hyphen that no letter follows, as ``builtins.parseDrvName`` does (Nix manual)."""
    for at, character in enumerate(label[:-1]):
        if character == "-" and not label[at + 1].isalpha():
            return label[:at], label[at + 1 :]
    return label, ""
