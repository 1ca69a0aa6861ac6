"""Resumable uploads: the tus protocol 1.0.0 with creation and termination.

``POST .../uploads`` with ``Upload-Length`` and ``Upload-Metadata`` begins one; ``PATCH`` of its Location goes on at
``Upload-Offset``; ``HEAD`` tells how far it got. Every request carries ``Tus-Resumable: 1.0.0``.

Of the metadata, values in Base64, count ``path``, ``filename`` (or ``name``) and ``mode`` (octal). ``path`` is that of
the file, or of a directory that will hold a file called ``filename``; without it that is the home directory.
Clients that send ``filename`` and ``filetype``, as tus-js-client, Uppy and tuspy do, need nothing else.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.files import Upload
from nixos_workspaces.web.http.errors import Refusal
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import PermittedRoute
from nixos_workspaces.web.routes.dependencies import Asked, Reference
from nixos_workspaces.web.routes.files.requests import Access, announced, body_of, condition_of, mode_of, query_of

router = APIRouter(prefix="/api/nixos/workspaces/{workspace_id}/uploads", route_class=PermittedRoute, tags=["files"])

VERSION = "1.0.0"
EXTENSIONS = "creation,termination"
CONTENT_TYPE = "application/offset+octet-stream"

UploadId = Annotated[str, Path(max_length=64)]


@router.options("", status_code=204, responses=problems(404, body=False))
async def upload_options(services: Asked, workspace_id: Reference) -> Response:
    """Tell which parts of tus are there; they are the same for every workspace."""
    del workspace_id
    headers = {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(services.settings.max_upload_bytes),
    }
    return Response(status_code=204, headers=headers)


@router.post("", status_code=201, responses=problems(404, 409, 412, 429, 507))
async def begin_upload(request: Request, services: Asked, workspace_id: Reference, access: Access) -> Response:
    """Begin a resumable upload; its Location takes the bytes."""
    query_of(request)
    _check_version(request)
    size = _number(request, "Upload-Length")
    if size > services.settings.max_upload_bytes:
        raise Refusal("body_too_large", f"One upload has at most {services.settings.max_upload_bytes} bytes.")
    metadata = _metadata(request.headers.get("upload-metadata", ""))
    path, name = metadata.get("path", b""), metadata.get("filename", b"") or metadata.get("name", b"")
    if not path and not name:
        raise InvalidInput("Upload-Metadata has to hold path or filename, in Base64.", field="Upload-Metadata")
    mode, condition = mode_of(metadata), condition_of(request)
    entered = await access.enter()
    upload = await access.files.uploads.create(entered, path, size, name=name, mode=mode, condition=condition)
    location = f"/api/nixos/workspaces/{workspace_id}/uploads/{upload.id}"
    return Response(status_code=201, headers={"Location": location, **_headers(upload)})


@router.get("/{upload_id}", responses=problems(404, 409, 412, 429, body=False))
async def upload_progress(request: Request, access: Access, upload_id: UploadId) -> Response:
    """Tell how far an upload has got, in headers; tus asks by HEAD."""
    _check_version(request)
    workspace_id = await access.enter()
    upload = await access.files.uploads.get(workspace_id, upload_id)
    return Response(status_code=200, headers={**_headers(upload), "Cache-Control": "no-store"})


@router.patch(
    "/{upload_id}",
    status_code=204,
    responses=problems(404, 409, 412, 429, 507),
    openapi_extra={"requestBody": {"content": {CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def continue_upload(request: Request, services: Asked, access: Access, upload_id: UploadId) -> Response:
    """Go on with an upload; the file is in place when its last byte has come."""
    _check_version(request)
    if request.headers.get("content-type", "").strip().lower() != CONTENT_TYPE:
        raise Refusal("unsupported_media_type", f"Send the bytes as Content-Type: {CONTENT_TYPE}.")
    offset = _number(request, "Upload-Offset")
    limit = services.settings.max_upload_bytes
    announced(request, limit)
    workspace_id = await access.enter()
    upload = await access.files.uploads.append(workspace_id, upload_id, offset, body_of(request, limit))
    tag = {"ETag": upload.written.etag} if upload.written is not None else {}
    return Response(status_code=204, headers={**_headers(upload), **tag})


@router.delete("/{upload_id}", status_code=204, responses=problems(404, 409, 412, 429))
async def abandon_upload(request: Request, access: Access, upload_id: UploadId) -> Response:
    """Give an upload up."""
    _check_version(request)
    workspace_id = await access.enter()
    await access.files.uploads.abort(workspace_id, upload_id)
    return Response(status_code=204, headers={"Tus-Resumable": VERSION})


def _headers(upload: Upload) -> dict[str, str]:
    return {
        "Tus-Resumable": VERSION,
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.size),
    }


def _check_version(request: Request) -> None:
    if request.headers.get("tus-resumable") != VERSION:
        raise Refusal("tus_version", f"Send Tus-Resumable: {VERSION}.", field="Tus-Resumable")


def _number(request: Request, name: str) -> int:
    given = request.headers.get(name, "")
    if not given.isascii() or not given.isdigit() or len(given) > 18:  # noqa: PLR2004 - more digits than any file has bytes
        raise InvalidInput(f"{name} has to be a whole number of bytes.", field=name)
    return int(given)


def _metadata(text: str) -> dict[str, bytes]:
    """Return tus metadata: pairs of a key and a Base64 value, separated by commas."""
    found: dict[str, bytes] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True)
        except (ValueError, binascii.Error) as wrong:
            raise InvalidInput("Upload-Metadata has a value that is not Base64.", field="Upload-Metadata") from wrong
    return found
