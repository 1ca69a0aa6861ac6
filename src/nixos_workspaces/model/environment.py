"""The values of a workspace's system: environment, generation, template, package."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Environment:
    """The declaration of a workspace's system: the data of ``workspace.json``.

    ``packages`` and ``ports`` are sorted and without duplicates (see ``environment``), so that equal environments are
    equal values and become one store path.
    """

    template: str
    packages: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()


def environment(
    template: str, packages: list[str] | tuple[str, ...] = (), ports: list[int] | tuple[int, ...] = ()
) -> Environment:
    """Return the environment in its one normal form: order and duplicates do not matter."""
    return Environment(template, tuple(sorted(set(packages))), tuple(sorted(set(ports))))


@dataclass(frozen=True, slots=True)
class Generation:
    """One built version of a workspace's environment, as Nix numbers them."""

    number: int
    toplevel: str
    environment: Environment
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Template:
    """A NixOS module that users may choose as the base of a workspace."""

    name: str
    title: str
    description: str
    icon: str
    packages: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Package:
    """One package of the set in force."""

    name: str
    version: str
    description: str
    size_bytes: int | None = None
    """On disk, with everything that it needs; None where the set does not tell."""
