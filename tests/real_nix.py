"""Common parts of the tests of ``nixos_workspaces.nix``: the machine's Nix and package sets for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nixos_workspaces.model.environment import Generation, environment
from nixos_workspaces.model.workspace import Progress
from nixos_workspaces.nix import BuildLimits, Environments, Grants, Nix, PackageSet, choose_package_set
from nixos_workspaces.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[1]
FLAKE = REPOSITORY / "nix"
TINY = f"path:{Path(__file__).with_name('tiny_package_set')}"
SETTINGS = Settings()


def machine_nix() -> Nix:
    """The Nix that the service itself would use on this machine."""
    return Nix.find(SETTINGS)


async def package_set(setting: str, nix: Nix) -> PackageSet:
    return await choose_package_set(setting, debian_set=SETTINGS.debian_set, nix=nix)


async def open_environments(
    directory: Path,
    setting: str = TINY,
    *,
    flake: Path = FLAKE,
    limits: BuildLimits = BuildLimits(),  # noqa: B008 - frozen
    nix: Nix | None = None,
    grants: Grants = Grants(),  # noqa: B008 - frozen
) -> Environments:
    found = (nix or machine_nix()).homed(directory / "home")
    return Environments(directory, await package_set(setting, found), found, flake, limits, grants)


@dataclass
class Watched:
    """The log and progress of a build."""

    progress: list[Progress] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


async def build(
    environments: Environments,
    workspace_id: str,
    *packages: str,
    ports: tuple[int, ...] = (),
    watched: Watched | None = None,
    template: str = "minimal",
) -> Generation:
    told = watched or Watched()
    data = environment(template, packages, ports)
    return await environments.build(workspace_id, data, told.progress.append, told.lines.append)
