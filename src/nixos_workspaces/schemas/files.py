"""Wire types of the files of a workspace.

``path`` in an answer is percent-encoded and can be put into a URL as it is, behind ``.../files`` or into a query. In a
request's JSON a path is text; a name that is not UTF-8 is given percent-encoded in the field ending in ``_encoded``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from nixos_workspaces.model.files import Entry, FilePage, Found, Loss, Outcome, Written
from nixos_workspaces.model.names import VISIBLE_PATTERN
from nixos_workspaces.model.paths import decoded, encoded, shown
from nixos_workspaces.schemas.wire import Request

PathText = Annotated[str, Field(min_length=1, max_length=4096)]
EncodedPath = Annotated[str, Field(min_length=1, max_length=12_288, pattern=VISIBLE_PATTERN)]


class FileAnswer(BaseModel):
    """One file, directory, link or other name."""

    name: str
    """For people; bytes that are not UTF-8 are shown as U+FFFD."""
    path: str
    type: Literal["file", "directory", "link", "other"]
    size: int
    mode: str
    """Octal, four digits."""
    modified: datetime
    uid: int
    gid: int
    owner: str | None
    """Name of the owner, where it is known."""
    link_target: str | None
    """For people, as ``name``."""

    @classmethod
    def of(cls, one: Entry) -> Self:
        """Return the wire form."""
        return cls(
            name=shown(one.name),
            path=encoded(one.path),
            type=one.kind.value,
            size=one.size,
            mode=f"{one.mode:04o}",
            modified=datetime.fromtimestamp(min(one.modified, 0xFFFFFFFF), UTC),
            uid=one.uid,
            gid=one.gid,
            owner=one.owner or None,
            link_target=None if one.link_target is None else shown(one.link_target),
        )


class FileList(BaseModel):
    """A part of a listing."""

    path: str
    files: list[FileAnswer]
    next_cursor: str | None
    total: int

    @classmethod
    def of(cls, page: FilePage) -> Self:
        """Return the wire form."""
        files = [FileAnswer.of(one) for one in page.entries]
        return cls(path=encoded(page.path), files=files, next_cursor=page.next_cursor, total=page.total)


class FoundList(BaseModel):
    """The result of a search."""

    path: str
    files: list[FileAnswer]
    complete: bool
    """False when a bound ended the search."""

    @classmethod
    def of(cls, path: bytes, found: Found) -> Self:
        """Return the wire form."""
        files = [FileAnswer.of(one) for one in found.entries]
        return cls(path=encoded(path), files=files, complete=found.complete)


class WrittenAnswer(BaseModel):
    """A file that was written or changed."""

    file: FileAnswer
    etag: str | None = None
    created: bool = False
    lost: list[Loss] = Field(default=[], description="What in_place could not keep.")

    @classmethod
    def of(cls, written: Written) -> Self:
        """Return the wire form."""
        return cls(
            file=FileAnswer.of(written.entry), etag=written.etag, created=written.created, lost=list(written.lost)
        )


class FileProblem(BaseModel):
    """Why one file of an upload was not written."""

    code: str
    message: str


class UploadResult(BaseModel):
    """The outcome of one file of an upload."""

    name: str
    path: str | None
    size: int
    created: bool
    error: FileProblem | None

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Return the wire form."""
        problem = outcome.error
        return cls(
            name=shown(outcome.name),
            path=encoded(outcome.path) if outcome.path else None,
            size=outcome.size,
            created=outcome.created,
            error=FileProblem(code=problem.code, message=problem.message) if problem is not None else None,
        )


class UploadAnswer(BaseModel):
    """The outcomes of an upload's files, in their order."""

    results: list[UploadResult]


class CountAnswer(BaseModel):
    """The number of names that were made or deleted."""

    count: int


class MakeDirectory(Request):
    """Make a directory."""

    path: PathText | None = None
    path_encoded: EncodedPath | None = None
    parents: bool = False

    @model_validator(mode="after")
    def _one_path(self) -> Self:
        _exactly_one(self.path, self.path_encoded, "path")
        return self

    def target(self) -> bytes:
        """Return the path."""
        return _path(self.path, self.path_encoded)


class MakeLink(Request):
    """Make a symbolic link."""

    path: PathText | None = None
    path_encoded: EncodedPath | None = None
    target: PathText | None = None
    target_encoded: EncodedPath | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        _exactly_one(self.path, self.path_encoded, "path")
        _exactly_one(self.target, self.target_encoded, "target")
        return self

    def place(self) -> bytes:
        """Return the path of the link."""
        return _path(self.path, self.path_encoded)

    def held(self) -> bytes:
        """Return the link's target."""
        return _path(self.target, self.target_encoded)


class CopyFile(Request):
    """Copy a file, link or directory."""

    path: PathText | None = None
    path_encoded: EncodedPath | None = None
    to: PathText | None = None
    to_encoded: EncodedPath | None = None

    @model_validator(mode="after")
    def _both_paths(self) -> Self:
        _exactly_one(self.path, self.path_encoded, "path")
        _exactly_one(self.to, self.to_encoded, "to")
        return self

    def source(self) -> bytes:
        """Return the path that is copied."""
        return _path(self.path, self.path_encoded)

    def target(self) -> bytes:
        """Return the path of the copy."""
        return _path(self.to, self.to_encoded)


class ChangeFile(Request):
    """Move a file, or set its mode: one of both."""

    to: PathText | None = None
    to_encoded: EncodedPath | None = None
    overwrite: bool = False
    mode: Annotated[str, Field(pattern="^0?[0-7]{3}$")] | None = None
    """Octal: ``755`` or ``0755``."""

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        given = [value for value in (self.to, self.to_encoded, self.mode) if value is not None]
        if len(given) != 1 or (self.overwrite and self.mode is not None):
            message = "give one of to, to_encoded (with overwrite if you want) or mode"
            raise ValueError(message)
        return self

    def target(self) -> bytes:
        """Return the new path."""
        return _path(self.to, self.to_encoded)


def _exactly_one(text: str | None, wire: str | None, name: str) -> None:
    if (text is None) == (wire is None):
        message = f"give one of {name} and {name}_encoded"
        raise ValueError(message)


def _path(text: str | None, wire: str | None) -> bytes:
    return decoded(wire) if wire is not None else (text or "").encode("utf-8")
