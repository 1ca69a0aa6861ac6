"""The client's calls on repositories in one workspace, and on the caller's profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.schemas.contents.repositories import ProfileAnswer, RepositoryAnswer, RepositoryList


class RepositoryCalls:
    """The calls on repositories of a workspace, given by its id. Raises our own errors."""

    def __init__(self, client: Connection, workspace_id: str) -> None:
        self._client = client
        self._path = f"/api/nixos/workspaces/{workspace_id}"

    def known(self) -> list[RepositoryAnswer]:
        """Return its repositories."""
        return read_answer(RepositoryList, self._client.call("GET", f"{self._path}/git")).repositories

    def clone(self, wanted: Mapping[str, Any] | None = None) -> list[RepositoryAnswer]:
        """Ask for a repository (``wanted`` is a ``GitRequest``), or for the earlier one again."""
        body = None if wanted is None else dict(wanted)
        return read_answer(RepositoryList, self._client.call("POST", f"{self._path}/git", body=body)).repositories

    def apply_dotfiles(self) -> list[RepositoryAnswer]:
        """Ask for its owner's dotfiles again."""
        return read_answer(RepositoryList, self._client.call("POST", f"{self._path}/dotfiles")).repositories


class ProfileCalls:
    """The calls on the caller's profile. Raises our own errors."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def get(self) -> ProfileAnswer:
        """Return the profile."""
        return read_answer(ProfileAnswer, self._client.call("GET", "/api/nixos/profile"))

    def put(self, dotfiles: Mapping[str, Any] | None) -> ProfileAnswer:
        """Set the dotfiles, None for none; return the profile."""
        body = {"dotfiles": None if dotfiles is None else dict(dotfiles)}
        return read_answer(ProfileAnswer, self._client.call("PUT", "/api/nixos/profile", body=body))
