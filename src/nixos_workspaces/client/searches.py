"""The client's calls that look for something in a workspace's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from nixos_workspaces.client.connection import Connection, read_answer
from nixos_workspaces.errors import Unavailable
from nixos_workspaces.model.paths import encoded
from nixos_workspaces.schemas.searches import FoundLine, SearchEndLine


class SearchCalls:
    """The searches in the files of one workspace; paths are bytes, absolute. Raises our own errors."""

    def __init__(self, client: Connection, workspace: str) -> None:
        self._client = client
        self._root = f"/api/nixos/workspaces/{workspace}"

    def text(
        self, directory: bytes, text: str, *, limit: int, case: bool = False, hidden: bool = False
    ) -> Iterator[FoundLine | SearchEndLine]:
        """Yield the lines of the files below ``directory`` that hold ``text``, as they are found; last the end."""
        query: dict[str, str | int] = {"q": text, "limit": limit, "case": int(case), "hidden": int(hidden)}
        yield from self._found("files-search", directory, query)

    def names(self, directory: bytes, *, limit: int, hidden: bool = False) -> Iterator[FoundLine | SearchEndLine]:
        """Yield the files below ``directory``, of every depth; last the end."""
        yield from self._found("files-names", directory, {"limit": limit, "hidden": int(hidden)})

    def _found(
        self, route: str, directory: bytes, query: Mapping[str, str | int]
    ) -> Iterator[FoundLine | SearchEndLine]:
        # The path is bytes: as a parameter it would be taken as text.
        asked = f"path={encoded(directory)}&{urlencode(query)}"
        for line in self._client.lines(f"{self._root}/{route}?{asked}"):
            if "tool" in line:
                yield read_answer(SearchEndLine, line)
                return
            yield read_answer(FoundLine, line)
        raise Unavailable("The search broke off before its end. Try again.", code="no_answer")
