"""Wire types of repositories in workspaces, and of the profile of a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field

from nixos_workspaces.model.contents.repositories import (
    DOTFILES_DIRECTORY,
    LONGEST_DIRECTORY,
    LONGEST_REF,
    LONGEST_SCRIPT,
    LONGEST_URL,
    REF_PATTERN,
    RELATIVE_PATTERN,
    URL_PATTERN,
    CloneState,
    Dotfiles,
    GitSource,
    Purpose,
    Repository,
    git_source,
    install_script,
)
from nixos_workspaces.schemas.wire import Answer, Request, Time, absent

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_URL,
        json_schema_extra={"pattern": URL_PATTERN},
        description="https, http, ssh or USER@HOST:PATH, without a password: that is a secret of the kind git.",
    ),
]
Ref = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_REF,
        json_schema_extra={"pattern": REF_PATTERN},
        description="A branch, a tag or a commit; without one the repository's default branch.",
    ),
]


class GitRequest(Request):
    """A repository to be cloned into a workspace."""

    url: Url
    ref: Ref = Field(default_factory=absent)
    directory: Annotated[
        str, Field(min_length=1, max_length=LONGEST_DIRECTORY, json_schema_extra={"pattern": RELATIVE_PATTERN})
    ] = Field(default_factory=absent, description="Below the home directory; without one the repository's name.")

    def to_model(self) -> GitSource:
        """Return the source; raises ``InvalidInput`` for an address that is none."""
        return git_source(self.url, self.ref or "", self.directory or "", field="git")


class RepositoryAnswer(Answer):
    """A repository of a workspace."""

    purpose: Purpose
    url: str
    ref: str = Field(description="Empty: the default branch.")
    directory: str = Field(description="Below the home directory.")
    state: CloneState
    fraction: float | None = Field(description="0 to 1 while it is cloned; null where it cannot be told.")
    message: str = Field(description="Why it failed and what to do, or a remark.")
    updated_at: Time

    @classmethod
    def of(cls, repository: Repository, fraction: float | None) -> Self:
        """Convert."""
        return cls(
            purpose=repository.purpose,
            url=repository.source.url,
            ref=repository.source.ref,
            directory=repository.source.directory,
            state=repository.state,
            fraction=fraction if repository.state is CloneState.CLONING else None,
            message=repository.message,
            updated_at=repository.updated_at,
        )


class RepositoryList(Answer):
    """The repositories of a workspace: its work, and its owner's dotfiles."""

    repositories: list[RepositoryAnswer]

    @classmethod
    def of(cls, found: Sequence[tuple[Repository, float | None]]) -> Self:
        """Convert."""
        return cls(repositories=[RepositoryAnswer.of(one, fraction) for one, fraction in found])


class DotfilesSetting(Request):
    """The repository of a person's dotfiles."""

    url: Url
    ref: Ref = Field(default_factory=absent)
    script: Annotated[
        str, Field(min_length=1, max_length=LONGEST_SCRIPT, json_schema_extra={"pattern": RELATIVE_PATTERN})
    ] = Field(
        default_factory=absent,
        description="The program in it that is run; without one install.sh, install, bootstrap.sh, bootstrap, "
        "setup.sh, setup, script/bootstrap or script/setup, and where there is none its dotfiles are linked.",
    )

    def to_model(self) -> Dotfiles:
        """Return the core's value; raises ``InvalidInput`` for an address that is none."""
        source = git_source(self.url, self.ref or "", DOTFILES_DIRECTORY, field="dotfiles")
        return Dotfiles(source, install_script(self.script or ""))


class DotfilesAnswer(Answer):
    """The repository of a person's dotfiles."""

    url: str
    ref: str = Field(description="Empty: the default branch.")
    script: str = Field(description="Empty: the first of the usual names that is there.")


class ProfileRequest(Request):
    """The settings of a person."""

    dotfiles: DotfilesSetting | None = Field(description="null for none.")


class ProfileAnswer(Answer):
    """The settings of the caller."""

    dotfiles: DotfilesAnswer | None

    @classmethod
    def of(cls, dotfiles: Dotfiles | None) -> Self:
        """Convert."""
        if dotfiles is None:
            return cls(dotfiles=None)
        told = DotfilesAnswer(url=dotfiles.source.url, ref=dotfiles.source.ref, script=dotfiles.script)
        return cls(dotfiles=told)
