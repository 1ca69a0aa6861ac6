"""The choice of the package set that environments are built from, made once, at start."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nixos_workspaces.errors import BuildFailed, InvalidInput, Unavailable, WorkspacesError
from nixos_workspaces.nix.executable import Nix

NIXPKGS_BRANCH = "nixos-26.05"
NIXPKGS = f"github:NixOS/nixpkgs/{NIXPKGS_BRANCH}"
PROBE_SECONDS = 3.0
_RESOLVE_SECONDS = 300.0
_LONGEST_REFERENCE = 1024
_REFERENCE = re.compile(
    r"(?:(?:path|github|gitlab|sourcehut|flake):|(?:git|tarball|file)\+(?:file|https?|ssh)://|https?://|/)"
    r"[A-Za-z0-9_.~/?&=+%:@,-]+",
    re.ASCII,
)


class PackageSetKind(StrEnum):
    """Where the packages come from."""

    NIXPKGS = "nixpkgs"
    DEBIAN = "debian"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class PackageSet:
    """One pinned package set."""

    kind: PackageSetKind
    reference: str
    """The flake reference that was asked for."""
    title: str
    """For people: "nixpkgs nixos-26.05"."""
    locked: str
    """The reference with its revision and hash: equal references are equal packages."""


async def binary_caches_answer(nix: Nix) -> bool:
    """Tell whether nixpkgs can be used: one of Nix's own binary caches answers within ``PROBE_SECONDS``.

    Without a cache every package would have to be compiled. The hosts are those of Nix's configuration.
    """
    try:
        shown = await nix.json("config", "show", "--json", timeout=PROBE_SECONDS)
        caches = [str(url) for url in shown["substituters"]["value"] if str(url).startswith("http")]
    except (WorkspacesError, KeyError, TypeError):
        return False
    if not caches:
        return False
    answer = ("--option", "download-attempts", "1", "--option", "connect-timeout", "3")
    return await nix.works("store", "info", "--store", caches[0], *answer, timeout=PROBE_SECONDS)


async def choose_package_set(
    setting: str,
    *,
    debian_set: Path,
    nix: Nix,
    reachable: Callable[[Nix], Awaitable[bool]] = binary_caches_answer,
) -> PackageSet:
    """Return the package set in force for the setting ``package_set``.

    ``auto`` takes nixpkgs where ``reachable`` says so, else the set out of Debian packages where it was generated.
    Raises ``InvalidInput`` (field ``package_set``) for anything that is neither a known word nor a flake reference, and
    ``Unavailable`` (code ``package_set_unavailable``) when the set cannot be had.
    """
    match setting:
        case "auto":
            return await _automatic(debian_set, nix, reachable)
        case "nixpkgs":
            return await _resolved(PackageSetKind.NIXPKGS, NIXPKGS, f"nixpkgs {NIXPKGS_BRANCH}", nix)
        case "debian":
            return await _debian(debian_set, nix)
        case _:
            if len(setting) > _LONGEST_REFERENCE or not _REFERENCE.fullmatch(setting):
                raise InvalidInput(
                    f"Setting package_set: {setting[:80]!r} is neither auto, nixpkgs, debian nor a flake reference.",
                    field="package_set",
                )
            return await _resolved(PackageSetKind.CUSTOM, setting, setting, nix)


async def _automatic(debian_set: Path, nix: Nix, reachable: Callable[[Nix], Awaitable[bool]]) -> PackageSet:
    """Prefer nixpkgs, fall back to the generated set."""
    generated = _reference_file(debian_set).is_file()
    if await reachable(nix):
        try:
            return await choose_package_set("nixpkgs", debian_set=debian_set, nix=nix)
        except Unavailable:
            if not generated:
                raise
    if generated:
        return await _debian(debian_set, nix)
    raise Unavailable(
        f"nixpkgs cannot be reached and no package set was generated in {debian_set}. Run nix/debian/generate.py, or "
        "give a flake reference as package_set.",
        code="package_set_unavailable",
    )


async def _debian(debian_set: Path, nix: Nix) -> PackageSet:
    """Return the set that was generated out of Debian packages."""
    try:
        reference = _reference_file(debian_set).read_text(encoding="utf-8").strip()
    except OSError as missing:
        raise Unavailable(
            f"No package set was generated in {debian_set} ({missing.strerror}). Run nix/debian/generate.py.",
            code="package_set_unavailable",
        ) from missing
    return await _resolved(PackageSetKind.DEBIAN, reference, "Debian 12 packages under nixpkgs names", nix)


async def _resolved(kind: PackageSetKind, reference: str, title: str, nix: Nix) -> PackageSet:
    """Let Nix pin a reference: fetches it once."""
    try:
        metadata = await nix.json("flake", "metadata", "--json", reference, timeout=_RESOLVE_SECONDS)
    except BuildFailed as failed:
        raise Unavailable(
            f"The package set {reference} cannot be had: {failed.message}", code="package_set_unavailable"
        ) from failed
    return PackageSet(kind, reference, title, str(metadata["url"]))


def _reference_file(debian_set: Path) -> Path:
    return debian_set / "reference"
