"""The routes that look for something in a workspace's files: answers are NDJSON, and come while it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.files import Search
from nixos_workspaces.model.paths import checked
from nixos_workspaces.model.searches import Match, NamesQuery, SearchEnd, TextQuery
from nixos_workspaces.model.workspace import AuthorisedId
from nixos_workspaces.schemas.searches import FoundLine, SearchEndLine
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import PermittedRoute
from nixos_workspaces.web.http.streams import ndjson
from nixos_workspaces.web.routes.dependencies import Asked
from nixos_workspaces.web.routes.files.answers import SAFE_HEADERS, FileStream
from nixos_workspaces.web.routes.files.requests import Access, flag_of, query_of, text_of

router = APIRouter(prefix="/api/nixos/workspaces/{workspace_id}", route_class=PermittedRoute, tags=["files"])

LONGEST_TEXT = 200
MOST_MATCHES = 2_000
MOST_NAMES = 50_000
_HOME = b"/home/nixos"


def _parameter(name: str, description: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


def _limit_parameter(most: int, default: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return _parameter("limit", "After so many the search ends.", schema)


_FLAG = {"type": "string", "enum": ["0", "1", "false", "true"], "default": "0"}
_PATH = _parameter("path", "Absolute path of the directory; the home directory without it.", {"type": "string"})
_HIDDEN = _parameter("hidden", "1: names that begin with a dot too.", _FLAG)
_TEXT = _parameter(
    "q",
    "The text, taken as it is; one line.",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
    required=True,
)
_CASE = _parameter("case", "1: upper and lower case are told apart.", _FLAG)
_LINES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "JSON objects, one a line: what was found, as it is found ({path, line?, text?}), last how it "
        'ended ({tool, count, complete, bound}), or an error as {"error": {"code", "message"}}.',
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/files-search",
    responses={**problems(404, 409, 429, body=False), **_LINES},
    response_class=Response,
    openapi_extra={"parameters": [_TEXT, _PATH, _limit_parameter(MOST_MATCHES, 500), _CASE, _HIDDEN]},
)
async def search_files(request: Request, services: Asked, access: Access) -> Response:
    """Look for a text in the files below a directory, inside the workspace; closing the request ends the search.

    Files that hold no text, ``.git`` and ``node_modules`` are left out, with ripgrep also what ``.gitignore`` names;
    of one file at most 100 lines are told.
    """
    query = query_of(request, "q", "path", "limit", "case", "hidden")
    directory, limit = checked(query.get("path", _HOME)), _limit(query, 500, MOST_MATCHES)
    text = text_of(query, "q")
    if not 1 <= len(text) <= LONGEST_TEXT or any(letter in text for letter in "\0\r\n"):
        raise InvalidInput(f"q is one line of 1 to {LONGEST_TEXT} characters to look for.", field="q")
    wanted = TextQuery(text, limit, flag_of(query, "case"), flag_of(query, "hidden"))
    return await _answer(request, access, lambda key: services.searches.text(key, directory, wanted))


@router.get(
    "/files-names",
    responses={**problems(404, 409, 429, body=False), **_LINES},
    response_class=Response,
    openapi_extra={"parameters": [_PATH, _limit_parameter(MOST_NAMES, 20_000), _HIDDEN]},
)
async def list_file_names(request: Request, services: Asked, access: Access) -> Response:
    """List all files below a directory, of every depth; closing the request ends it.

    ``.git`` and ``node_modules`` are left out, with ripgrep also what ``.gitignore`` names.
    """
    query = query_of(request, "path", "limit", "hidden")
    directory, limit = checked(query.get("path", _HOME)), _limit(query, 20_000, MOST_NAMES)
    wanted = NamesQuery(limit, flag_of(query, "hidden"))
    return await _answer(request, access, lambda key: services.searches.names(key, directory, wanted))


def _limit(query: dict[str, bytes], default: int, most: int) -> int:
    given = query.get("limit", b"%d" % default)
    if not given.isdigit() or not 1 <= int(given[:9]) <= most:
        raise InvalidInput(f"limit is a whole number from 1 to {most}.", field="limit")
    return int(given[:9])


async def _answer(
    request: Request, access: Access, begin: Callable[[AuthorisedId], AbstractAsyncContextManager[Search]]
) -> Response:
    """Answer when the search has begun: what hinders it before is an error with its status."""
    key = await access.enter()
    headers = {**SAFE_HEADERS, "Content-Type": "application/x-ndjson"}
    async with AsyncExitStack() as stack:
        search = await stack.enter_async_context(begin(key))
        return FileStream(ndjson(request, search.found, _lines), stack.pop_all(), headers)


def _lines(part: Sequence[Match] | SearchEnd) -> Iterable[dict[str, Any]]:
    """Return the lines of what was found together, or of the end."""
    return [SearchEndLine.of(part)] if isinstance(part, SearchEnd) else map(FoundLine.of, part)
