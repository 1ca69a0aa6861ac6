"""Wire types of templates, packages and generations."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from nixos_workspaces.model.environment import Generation, Package, Template
from nixos_workspaces.schemas.wire import (
    Answer,
    Time,
)


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
