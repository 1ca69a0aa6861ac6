"""Wire types of templates, packages, generations and how these differ."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from nixos_workspaces.model.closures.differences import Difference, PartChange
from nixos_workspaces.model.environment import Generation, Package, Template
from nixos_workspaces.schemas.wire import (
    Answer,
    Time,
)

MOST_GENERATION = 2**31 - 1


class GenerationAnswer(Answer):
    """One built version of a workspace's environment."""

    number: int
    toplevel: str
    template: str
    packages: list[str]
    ports: list[int]
    created_at: Time
    current: bool = Field(description="It boots next, or has booted.")

    @classmethod
    def of(cls, generation: Generation, current: int | None) -> Self:
        """Convert."""
        return cls(
            number=generation.number,
            toplevel=generation.toplevel,
            template=generation.environment.template,
            packages=list(generation.environment.packages),
            ports=list(generation.environment.ports),
            created_at=generation.created_at,
            current=generation.number == current,
        )


class GenerationList(Answer):
    """Every generation of a workspace that can be rebuilt to, newest first."""

    generations: list[GenerationAnswer]


class PartAnswer(Answer):
    """One part of a system that differs."""

    name: str
    before: list[str] = Field(
        description="Its versions, an empty text where its name tells none; an empty list where it was not there."
    )
    after: list[str]
    bytes_before: int = Field(description="Size of its paths that only the first generation has.")
    bytes_after: int

    @classmethod
    def of(cls, part: PartChange) -> Self:
        """Convert."""
        return cls(
            name=part.name,
            before=list(part.before),
            after=list(part.after),
            bytes_before=part.bytes_before,
            bytes_after=part.bytes_after,
        )


class UnitsAnswer(Answer):
    """The systemd units that differ; those of the user's own service manager begin with `user:`."""

    added: list[str]
    removed: list[str]
    changed: list[str]


class DifferenceAnswer(Answer):
    """How one generation differs from another."""

    first: int
    second: int
    added: list[PartAnswer]
    removed: list[PartAnswer]
    changed: list[PartAnswer] = Field(description="Other versions.")
    rebuilt: list[PartAnswer] = Field(description="The same versions out of another build: configuration, as a rule.")
    units: UnitsAnswer
    bytes_added: int = Field(description="Size of all paths that only the second has, as archives.")
    bytes_removed: int

    @classmethod
    def of(cls, first: int, second: int, found: Difference) -> Self:
        """Convert."""
        units = found.units
        return cls(
            first=first,
            second=second,
            added=[PartAnswer.of(one) for one in found.added],
            removed=[PartAnswer.of(one) for one in found.removed],
            changed=[PartAnswer.of(one) for one in found.changed],
            rebuilt=[PartAnswer.of(one) for one in found.rebuilt],
            units=UnitsAnswer(added=list(units.added), removed=list(units.removed), changed=list(units.changed)),
            bytes_added=found.bytes_added,
            bytes_removed=found.bytes_removed,
        )


class TemplateAnswer(Answer):
    """A base that a workspace can be made from."""

    name: str
    title: str
    description: str
    icon: str
    packages: list[str]

    @classmethod
    def of(cls, template: Template) -> Self:
        """Convert."""
        return cls(
            name=template.name,
            title=template.title,
            description=template.description,
            icon=template.icon,
            packages=list(template.packages),
        )


class TemplateList(Answer):
    """Every template."""

    templates: list[TemplateAnswer]


class PackageAnswer(Answer):
    """One package of the set in force."""

    name: str
    version: str
    description: str
    size: int | None = Field(
        description="Bytes on disk with everything that it needs, shared or not; null where the set does not tell."
    )

    @classmethod
    def of(cls, package: Package) -> Self:
        """Convert."""
        return cls(name=package.name, version=package.version, description=package.description, size=package.size_bytes)


class PackageList(Answer):
    """The packages that match a search, best first."""

    packages: list[PackageAnswer]
    package_set: str = Field(description="The set that was searched: the one that workspaces are built from.")
