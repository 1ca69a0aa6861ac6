"""The client's calls on files: streams both ways, resumed when a connection breaks."""

from __future__ import annotations

import base64
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import httpx2

from nixos_workspaces import errors
from nixos_workspaces.client import unpacking
from nixos_workspaces.client.connection import Connection, error_of, read_answer
from nixos_workspaces.model.paths import encoded
from nixos_workspaces.schemas.files import FileAnswer, FileList, UploadAnswer, UploadResult

Progress = Callable[[int], object]
"""Called with the number of bytes that have been moved since the last call."""

CHUNK_BYTES = 256 * 1024
RESUMABLE_BYTES = 8 << 20
"""Files of this size or more are sent so that they can be resumed."""
TRIES = 8
BATCH_BYTES = 32 << 20
BATCH_FILES = 2000
_GENTLY_SECONDS = 0.5


def _ignore(_count: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Local:
    """One local file that is to be sent."""

    source: Path
    name: bytes
    """Path below the target directory."""
    status: os.stat_result


class FileCalls:
    """The calls on the files of one workspace; paths are bytes, absolute. Raises our own errors."""

    def __init__(self, client: Connection, workspace: str) -> None:
        self._client = client
        self._root = f"/api/nixos/workspaces/{workspace}"

    def names(self, path: bytes, *, hidden: bool = True) -> Iterator[FileAnswer]:
        """Yield what a directory holds, by name, directories first."""
        cursor: str | None = None
        while True:
            more = f"&cursor={cursor}" if cursor else ""
            query = f"path={encoded(path)}&limit=1000&hidden={int(hidden)}{more}"
            page = read_answer(FileList, self._client.call("GET", f"{self._root}/files?{query}"))
            yield from page.files
            cursor = page.next_cursor
            if cursor is None:
                return

    @contextmanager
    def open(self, path: bytes, *, archive: str = "") -> Iterator[httpx2.Response]:
        """Open a file, or a directory as an archive, for reading."""
        with self._sent("GET", path, query=f"archive={archive}" if archive else "") as answer:
            yield answer

    def download(self, path: bytes, target: IO[bytes], progress: Progress = _ignore) -> str:
        """Copy a file to ``target``; go on where it broke off if the connection breaks. Returns its entity tag."""
        received, tag = 0, ""
        for left in reversed(range(TRIES)):
            headers = {"Range": f"bytes={received}-", "If-Range": tag} if received else {}
            try:
                with self._sent("GET", path, headers=headers) as answer:
                    if received and answer.status_code != httpx2.codes.PARTIAL_CONTENT:
                        raise errors.Conflict("The file was changed while it was downloaded.", code="file_changed")
                    tag = answer.headers["etag"]
                    for chunk in answer.iter_raw(CHUNK_BYTES):
                        target.write(chunk)
                        received += len(chunk)
                        progress(len(chunk))
            except errors.Unavailable:
                if not left or tag.startswith("W/"):
                    raise
                time.sleep(_GENTLY_SECONDS)
            else:
                return tag
        raise AssertionError

    def write(
        self, path: bytes, content: bytes | Iterable[bytes], *, mode: int | None = None, if_match: str | None = None
    ) -> str:
        """Write a file whole; return its entity tag."""
        headers = {"If-Match": if_match} if if_match else {}
        query = f"mode={mode:03o}" if mode is not None else ""
        with self._sent("PUT", path, content=content, headers=headers, query=query) as answer:
            return str(answer.headers["etag"])

    def upload(self, source: Path, path: bytes, progress: Progress = _ignore) -> None:
        """Send a local file with its mode; a large one so that it goes on where it broke off."""
        status = source.stat()
        with source.open("rb") as file:
            if status.st_size < RESUMABLE_BYTES:
                self.write(path, _chunks(file, progress), mode=stat.S_IMODE(status.st_mode) & 0o777)
            else:
                self._upload_resumable(file, status, path, progress)

    def upload_many(self, files: Iterable[Local], directory: bytes, progress: Progress = _ignore) -> list[UploadResult]:
        """Send many files below a directory, many in one request; return those that were not written."""
        failed: list[UploadResult] = []
        batch: list[Local] = []
        size = 0
        for local in files:
            batch.append(local)
            size += local.status.st_size
            if size >= BATCH_BYTES or len(batch) >= BATCH_FILES:
                failed += self._send_form(batch, directory, progress)
                batch, size = [], 0
        return failed + (self._send_form(batch, directory, progress) if batch else [])

    def make_directory(self, path: bytes) -> bool:
        """Make a directory and those above it; return whether it did not exist."""
        body = {"path_encoded": encoded(path), "parents": True}
        return bool(self._client.call("POST", f"{self._root}/files/mkdir", body=body)["created"])

    def set_mode(self, path: bytes, mode: int) -> None:
        """Set the permission bits."""
        with self._sent("PATCH", path, json={"mode": f"{mode & 0o777:03o}"}) as answer:
            answer.read()

    def make_link(self, path: bytes, target: bytes) -> None:
        """Make a symbolic link."""
        body = {"path_encoded": encoded(path), "target_encoded": encoded(target)}
        self._client.call("POST", f"{self._root}/files/link", body=body)

    def remove(self, path: bytes, *, recursive: bool = False) -> int:
        """Delete a name; return how many were deleted."""
        with self._sent("DELETE", path, query=f"recursive={int(recursive)}") as answer:
            answer.read()
            return int(answer.json()["count"])

    def _upload_resumable(self, file: IO[bytes], status: os.stat_result, path: bytes, progress: Progress) -> None:
        mode = f"{stat.S_IMODE(status.st_mode) & 0o777:03o}".encode("ascii")
        metadata = f"path {base64.b64encode(path).decode()},mode {base64.b64encode(mode).decode()}"
        tus = {"Tus-Resumable": "1.0.0"}
        begin = {**tus, "Upload-Length": str(status.st_size), "Upload-Metadata": metadata}
        with self._raw("POST", f"{self._root}/uploads", headers=begin) as answer:
            where = answer.headers["location"]
        offset = 0
        for left in reversed(range(TRIES)):
            try:
                if offset or left < TRIES - 1:
                    with self._raw("HEAD", where, headers=tus) as answer:
                        offset = int(answer.headers["upload-offset"])
                file.seek(offset)
                headers = {**tus, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
                with self._raw("PATCH", where, headers=headers, content=_chunks(file, progress)) as answer:
                    offset = int(answer.headers["upload-offset"])
            except (errors.Unavailable, errors.Conflict) as broken:
                if not left or (isinstance(broken, errors.Conflict) and broken.code not in _RESUMED):
                    raise
                time.sleep(_GENTLY_SECONDS)
            else:
                return

    def _send_form(self, batch: list[Local], directory: bytes, progress: Progress) -> list[UploadResult]:
        boundary = secrets.token_hex(16)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        where = f"{self._root}/files/upload?path={encoded(directory)}"
        found: list[Local] = []
        try:
            with self._raw("POST", where, headers=headers, content=_form(batch, boundary, progress, found)) as answer:
                answer.read()
                return [one for one in read_answer(UploadAnswer, answer.json()).results if one.error is not None]
        except errors.InvalidInput:
            if found:
                raise
            return []

    @contextmanager
    def _sent(self, method: str, path: bytes, *, query: str = "", **options: Any) -> Iterator[httpx2.Response]:
        """Send a request about one file."""
        where = f"{self._root}/files{encoded(path)}{'?' if query else ''}{query}"
        with self._raw(method, where, **options) as answer:
            yield answer

    @contextmanager
    def _raw(self, method: str, where: str, **options: Any) -> Iterator[httpx2.Response]:
        """Send a request whose path must arrive as it is; raise what the service refused it with."""
        url = httpx2.URL(self._client.url).copy_with(raw_path=where.encode("ascii"))
        # The client's own connection: this module is a part of it, in a file of its own.
        http, reaching = self._client._http, self._client._reaching  # noqa: SLF001
        with reaching(), http.stream(method, url, timeout=httpx2.Timeout(120.0), **options) as answer:
            if not answer.is_success:
                raise error_of(answer.status_code, answer.read())
            yield answer


_RESUMED = frozenset({"wrong_offset", "upload_taken_over"})


def _chunks(file: IO[bytes], progress: Progress) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
        progress(len(chunk))


def _form(batch: Iterable[Local], boundary: str, progress: Progress, found: list[Local]) -> Iterator[bytes]:
    """Yield a multipart form of local files; files that are gone by now are left out, the others put in ``found``."""
    for local in batch:
        try:
            file = local.source.open("rb")
        except FileNotFoundError:
            continue
        found.append(local)
        mode = stat.S_IMODE(local.status.st_mode) & 0o777
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n'
            f"X-File-Name: {encoded(local.name)}\r\nX-File-Mode: {mode:03o}\r\n\r\n"
        )
        with file:
            yield head.encode("ascii")
            yield from _chunks(file, progress)
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")


def unpack(answer: httpx2.Response, target: Path, progress: Progress = _ignore) -> list[str]:
    """Unpack a tar stream of a directory as ``target``; return what is not in it, for people."""
    pipe = cast("IO[bytes]", _Readable(answer.iter_raw(CHUNK_BYTES), progress))
    return unpacking.unpack(pipe, target)


class _Readable:
    """An answer's bytes as a file to read from."""

    def __init__(self, chunks: Iterator[bytes], progress: Progress) -> None:
        self._chunks = chunks
        self._progress = progress
        self._left = b""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; fewer only at the end."""
        pieces = []
        while size > 0:
            if not self._left:
                self._left = next(self._chunks, b"")
                self._progress(len(self._left))
                if not self._left:
                    break
            piece, self._left = self._left[:size], self._left[size:]
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)
