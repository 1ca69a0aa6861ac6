"""The routes of a workspace's files: list, search, download, upload, change, delete.

They are plain routes, not ``StrictRoute``: their paths are bytes, and their bodies are streams. A file's path stands
behind ``/files`` in the URL, percent-encoded; every byte that is not NUL can be in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from nixos_workspaces.errors import Conflict, InvalidInput
from nixos_workspaces.files import Batch, Format, Order, Wanted
from nixos_workspaces.model.files import Outcome
from nixos_workspaces.model.paths import checked, shown
from nixos_workspaces.model.workspace import AuthorisedId
from nixos_workspaces.schemas.files import (
    ChangeFile,
    CopyFile,
    CountAnswer,
    FileAnswer,
    FileList,
    FoundList,
    MakeDirectory,
    MakeLink,
    UploadAnswer,
    UploadResult,
    WrittenAnswer,
)
from nixos_workspaces.web.http.errors import Refusal, error_response, request_id_of
from nixos_workspaces.web.http.multipart import (
    Malformed,
    MultipartParser,
    PartBegin,
    PartData,
    PartEnd,
    boundary_of,
)
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import PermittedRoute
from nixos_workspaces.web.routes.dependencies import Asked
from nixos_workspaces.web.routes.files.answers import (
    SAFE_HEADERS,
    FileStream,
    disposition,
    file_headers,
    is_another_version,
    not_modified,
    wanted_range,
)
from nixos_workspaces.web.routes.files.requests import (
    Access,
    FilePath,
    announced,
    body_of,
    condition_of,
    flag_of,
    json_of,
    mode_of,
    query_of,
    text_of,
)
from nixos_workspaces.workspaces.access import WorkspaceAccess

router = APIRouter(prefix="/api/nixos/workspaces/{workspace_id}", route_class=PermittedRoute, tags=["files"])

MAX_FIELD_BYTES = 16 * 1024
_HTTP_MULTI_STATUS = 207


def _documented(*names: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the OpenAPI operation of a route that reads its request itself."""
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": _QUERY[name]}
        for name in names
    ]
    return {"parameters": parameters, **({"requestBody": {"required": True, "content": body}} if body else {})}


_QUERY = {
    "path": "Absolute path in the workspace.",
    "q": "Search below the path for names that contain or (with *?[) match this.",
    "limit": "How many names to return, 1 to 1000.",
    "cursor": "next_cursor of the page before.",
    "sort": ", ".join(Order),
    "hidden": "1: names that begin with a dot too.",
    "start": "1: start the workspace first if it is stopped.",
    "archive": "zip, tar or tar.gz: a directory as one stream.",
    "only": "With archive: the names in the directory that are wanted, with slashes between them.",
    "mode": "Permission bits of the file, octal.",
    "in_place": "1: keep owner, group and hard links of the present file by writing into it, which is no single step.",
    "recursive": "1: a directory with everything in it.",
}
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_FORM = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
            },
        }
    }
}


def _json(model: type[Any]) -> dict[str, Any]:
    return {"application/json": {"schema": model.model_json_schema()}}


@router.get(
    "/files",
    response_model=FileList | FoundList,
    responses=problems(404, 409, 429, body=False),
    openapi_extra=_documented("path", "q", "limit", "cursor", "sort", "hidden", "start"),
)
async def list_files(request: Request, access: Access) -> FileList | FoundList:
    """List a directory; with ``q`` search below it."""
    query = query_of(request, "path", "q", "limit", "cursor", "sort", "hidden", "start")
    path = checked(query.get("path", b"/home/nixos"))
    limit = _limit(query.get("limit", b"200"))
    if "q" in query:
        workspace_id = await access.enter(start=flag_of(query, "start"))
        found = await access.files.tree.search(workspace_id, path, text_of(query, "q"), limit=limit)
        return FoundList.of(path, found)
    sort = text_of(query, "sort", Order.NAME)
    if sort not in set(Order):
        raise InvalidInput(f"sort is one of {', '.join(Order)}.", field="sort")
    cursor = text_of(query, "cursor") or None
    wanted = Wanted(limit=limit, cursor=cursor, order=Order(sort), hidden=flag_of(query, "hidden"))
    workspace_id = await access.enter(start=flag_of(query, "start"))
    return FileList.of(await access.files.list(workspace_id, path, wanted))


def _limit(given: bytes) -> int:
    if not given.isdigit() or not 1 <= int(given[:9]) <= 1000:  # noqa: PLR2004 - told in the answer
        raise InvalidInput("limit is a whole number from 1 to 1000.", field="limit")
    return int(given)


@router.post(
    "/files/upload",
    response_model=UploadAnswer,
    responses={**problems(404, 409, 429, 507), 207: {"model": UploadAnswer, "description": "Some were not written."}},
    openapi_extra=_documented("path", "start", body=_FORM),
)
async def upload_files(request: Request, services: Asked, access: Access) -> Response:
    """Write the files of a form below a directory: ``path`` in the query, or as the form's first field.

    A file's name may hold directories, which are made. Each file is written whole or not at all; the answer tells the
    outcome of each.
    """
    query = query_of(request, "path", "start")
    limit = services.settings.max_upload_bytes
    announced(request, limit)
    try:
        parser = MultipartParser(boundary_of(request.headers.get("content-type", "").encode("latin-1")))
    except Malformed as wrong:
        raise Refusal("unsupported_media_type", f"Send files as multipart/form-data: {wrong}.") from wrong
    workspace_id = await access.enter(start=flag_of(query, "start"))
    form = _Form(parser, body_of(request, limit))
    directory = query.get("path")
    begin = await form.next_part()
    while begin is not None and begin.filename is None:
        field = await form.field()
        if begin.name == b"path" and directory is None:
            directory = field
        begin = await form.next_part()
    if directory is None:
        raise InvalidInput("Say where to: path in the query, or as a field before the files.", field="path")
    if begin is None:
        raise InvalidInput("The form holds no file.", field="file")
    async with access.files.batch(workspace_id, directory) as batch:
        outcomes = await _write_all(form, begin, batch)
    return _upload_answer(outcomes)


async def _write_all(form: _Form, begin: PartBegin | None, batch: Batch) -> list[Outcome]:
    """Add the files of a form to a batch as they come."""
    while begin is not None:
        if begin.filename is None:
            await form.field()
        else:
            await batch.add(begin.filename, form.content(), begin.mode)
        begin = await form.next_part()
    return await batch.finish()


def _upload_answer(outcomes: list[Outcome]) -> Response:
    """Answer 200 when all were written, 207 when some were not; the error itself when it is the same for all."""
    failed = [one.error for one in outcomes if one.error is not None]
    if len(failed) == len(outcomes) and len({(type(error), error.code) for error in failed}) == 1:
        raise failed[0]
    answer = UploadAnswer(results=[UploadResult.of(one) for one in outcomes])
    return JSONResponse(answer.model_dump(mode="json"), status_code=_HTTP_MULTI_STATUS if failed else 200)


class _Form:
    """The parts of a form, one after the other, as they come over the wire."""

    def __init__(self, parser: MultipartParser, body: AsyncIterator[bytes]) -> None:
        self._events = self._read(parser, body)

    @staticmethod
    async def _read(
        parser: MultipartParser, body: AsyncIterator[bytes]
    ) -> AsyncIterator[PartBegin | PartData | PartEnd]:
        try:
            async for chunk in body:
                for event in parser.feed(chunk):
                    yield event
            parser.finish()
        except Malformed as wrong:
            raise Refusal("malformed_request", f"The form cannot be read: {wrong}.") from wrong

    async def next_part(self) -> PartBegin | None:
        """Return the beginning of the next part; None at the end. The part before has to be read to its end."""
        event = await anext(self._events, None)
        assert event is None or isinstance(event, PartBegin)
        return event

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the content of the part that began."""
        async for event in self._events:
            if not isinstance(event, PartData):
                return
            yield event.data

    async def field(self) -> bytes:
        """Return the content of a short part."""
        content = bytearray()
        async for piece in self.content():
            content += piece
            if len(content) > MAX_FIELD_BYTES:
                raise Refusal("malformed_request", "A field of the form is too long.")
        return bytes(content)


@router.post(
    "/files/mkdir",
    status_code=201,
    responses=problems(404, 409, 429, 507),
    openapi_extra=_documented("start", body=_json(MakeDirectory)),
)
async def make_directory(request: Request, access: Access) -> WrittenAnswer:
    """Make a directory."""
    query = query_of(request, "start")
    wanted = await json_of(request, MakeDirectory)
    workspace_id = await access.enter(start=flag_of(query, "start"))
    created = await access.files.tree.make_directory(workspace_id, wanted.target(), parents=wanted.parents)
    return WrittenAnswer(
        file=FileAnswer.of(await access.files.stat(workspace_id, wanted.target(), follow=True)), created=created
    )


@router.post(
    "/files/link",
    status_code=201,
    responses=problems(404, 409, 429, 507),
    openapi_extra=_documented("start", body=_json(MakeLink)),
)
async def make_link(request: Request, access: Access) -> WrittenAnswer:
    """Make a symbolic link."""
    query = query_of(request, "start")
    wanted = await json_of(request, MakeLink)
    workspace_id = await access.enter(start=flag_of(query, "start"))
    made = await access.files.tree.make_link(workspace_id, wanted.place(), wanted.held())
    return WrittenAnswer(file=FileAnswer.of(made), created=True)


@router.post(
    "/files/copy",
    status_code=201,
    responses=problems(404, 409, 429, 507),
    openapi_extra=_documented("start", body=_json(CopyFile)),
)
async def copy_file(request: Request, access: Access) -> CountAnswer:
    """Copy a file, a link or a directory inside the workspace."""
    query = query_of(request, "start")
    wanted = await json_of(request, CopyFile)
    workspace_id = await access.enter(start=flag_of(query, "start"))
    return CountAnswer(count=await access.files.tree.copy(workspace_id, wanted.source(), wanted.target()))


@router.get(
    "/files/{file_path:anybytes}",
    responses={
        **problems(404, 409, 412, 429, body=False),
        200: {"content": _BYTES, "description": "The file, or the archive."},
        206: {"content": _BYTES, "description": "The part that Range asked for."},
        304: {"description": "The client has this version."},
        416: problems(416)[416],
    },
    response_class=Response,
    openapi_extra=_documented("archive", "only", "start"),
)
async def download_file(request: Request, access: Access, file_path: FilePath) -> Response:
    """Download a file, also in parts (Range) and only if changed; ``archive`` sends a directory as one stream."""
    query = query_of(request, "archive", "only", "start")
    form = text_of(query, "archive")
    if form and form not in set(Format):
        raise InvalidInput(f"archive is one of {', '.join(Format)}.", field="archive")
    only = frozenset(query["only"].split(b"/")) if "only" in query else frozenset[bytes]()
    if only and (not form or not all(only)):
        raise InvalidInput("only goes with archive, and names at least one entry of the directory.", field="only")
    workspace_id = await access.enter(start=flag_of(query, "start"))
    async with AsyncExitStack() as stack:
        if form:
            return await _archive(
                access, workspace_id, file_path, Format(form), only, stack, head=request.method == "HEAD"
            )
        download = await stack.enter_async_context(access.files.download(workspace_id, file_path))
        headers = file_headers(download)
        if is_another_version(request.headers, download):
            raise Conflict(
                f"{shown(file_path)!r} is another version than If-Match or If-Unmodified-Since asks for.",
                code="precondition_failed",
                field="path",
            )
        if not_modified(request.headers, download):
            return Response(status_code=304, headers={name: headers[name] for name in ("ETag", "Last-Modified")})
        size = download.entry.size
        wanted = wanted_range(request.headers, download)
        start, end = wanted or (0, size)
        if start >= size and wanted is not None:
            refusal = Refusal("range_outside", f"The file has {size} bytes only.", field="Range")
            return error_response(refusal, request_id_of(request), headers={"Content-Range": f"bytes */{size}"})
        if wanted is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        headers["Content-Length"] = str(end - start)
        status = 200 if wanted is None else 206
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        return FileStream(download.stream(start, end), stack.pop_all(), headers, status)


async def _archive(
    access: WorkspaceAccess,
    workspace_id: AuthorisedId,
    path: bytes,
    form: Format,
    only: frozenset[bytes],
    stack: AsyncExitStack,
    *,
    head: bool,
) -> Response:
    archive = await stack.enter_async_context(access.files.archive(workspace_id, path, form, only=only))
    name = (archive.root.name.strip(b"/") or b"root") + b"." + form.value.encode("ascii")
    kinds = {Format.ZIP: "application/zip", Format.TAR: "application/x-tar", Format.TAR_GZ: "application/gzip"}
    headers = {**SAFE_HEADERS, "Content-Type": kinds[form], "Content-Disposition": disposition(name)}
    if archive.total is not None:
        headers["X-Archive-Entries"] = str(archive.total.entries)
        headers["X-Archive-Bytes"] = str(archive.total.content_bytes)
    return Response(headers=headers) if head else FileStream(archive.stream, stack.pop_all(), headers)


@router.put(
    "/files/{file_path:anybytes}",
    response_model=WrittenAnswer,
    responses={**problems(404, 409, 412, 429, 507), 201: {"model": WrittenAnswer, "description": "It is new."}},
    openapi_extra=_documented("mode", "in_place", "start", body=_BYTES),
)
async def write_file(request: Request, services: Asked, access: Access, file_path: FilePath) -> Response:
    """Write a file whole from the body, or leave it as it is; If-Match and If-None-Match: * are kept."""
    query = query_of(request, "mode", "in_place", "start")
    limit = services.settings.max_upload_bytes
    size, mode, condition = announced(request, limit), mode_of(query), condition_of(request)
    workspace_id = await access.enter(start=flag_of(query, "start"))
    written = await access.files.write(
        workspace_id,
        file_path,
        body_of(request, limit),
        size=size,
        mode=mode,
        condition=condition,
        in_place=flag_of(query, "in_place"),
    )
    answer = WrittenAnswer.of(written).model_dump(mode="json")
    return JSONResponse(answer, status_code=201 if written.created else 200, headers={"ETag": written.etag})


@router.patch(
    "/files/{file_path:anybytes}",
    responses=problems(404, 409, 429),
    openapi_extra=_documented("start", body=_json(ChangeFile)),
)
async def change_file(request: Request, access: Access, file_path: FilePath) -> WrittenAnswer:
    """Move a file, link or directory, or set its mode."""
    query = query_of(request, "start")
    wanted = await json_of(request, ChangeFile)
    workspace_id = await access.enter(start=flag_of(query, "start"))
    tree = access.files.tree
    if wanted.mode is not None:
        changed = await tree.change_mode(workspace_id, file_path, int(wanted.mode, 8))
    else:
        changed = await tree.move(workspace_id, file_path, wanted.target(), overwrite=wanted.overwrite)
    return WrittenAnswer(file=FileAnswer.of(changed))


@router.delete(
    "/files/{file_path:anybytes}",
    responses=problems(404, 409, 429),
    openapi_extra=_documented("recursive", "start"),
)
async def delete_file(request: Request, access: Access, file_path: FilePath) -> CountAnswer:
    """Delete a file, a link, an empty directory, or with ``recursive=1`` a directory with everything in it."""
    query = query_of(request, "recursive", "start")
    workspace_id = await access.enter(start=flag_of(query, "start"))
    return CountAnswer(
        count=await access.files.tree.delete(workspace_id, file_path, recursive=flag_of(query, "recursive"))
    )
