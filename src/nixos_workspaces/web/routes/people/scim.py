"""SCIM 2.0 below ``/scim/v2``, in its own media type and error shape; not in the OpenAPI document (decision 54)."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from nixos_workspaces.errors import InvalidInput, WorkspacesError
from nixos_workspaces.provisioning.wire import Answer, Question
from nixos_workspaces.services import Services
from nixos_workspaces.web.http import strict_json
from nixos_workspaces.web.http.errors import SCIM_PREFIX, Refusal, error_response, refusal_of
from nixos_workspaces.web.http.routing import read_body

ROOT = f"{SCIM_PREFIX}v2"
MOST_BODY = 256 << 10
"""Bytes of a request: a thousand members take a third of it."""
_LONGEST_QUERY = 4096
_WRITING = frozenset({"POST", "PUT", "PATCH"})


class ScimPaths:
    """ASGI middleware inside the gate: answers requests below ``/scim/``, and passes the others on."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; 404 to all where the settings have no SCIM."""
        if scope["type"] != "http" or not scope["path"].startswith(SCIM_PREFIX):
            await self._app(scope, receive, send)
            return
        request_id = str(scope["state"]["request_id"])
        if self._services.provisioning is None:
            answer: Response = error_response(Refusal("no_such_route", "There is nothing at this path."), request_id)
        else:
            try:
                answer = _response(await self._ask(Request(scope, receive), request_id))
            except WorkspacesError as refused:
                answer = refusal_of(refused, scope)
        await answer(scope, receive, send)

    async def _ask(self, request: Request, request_id: str) -> Answer:
        provisioning, state = self._services.provisioning, request.app.state
        assert provisioning is not None
        principal = request.state.principal
        state.rates.provisioning(principal.id)
        path: str = request.scope["path"]
        if path != ROOT and not path.startswith(f"{ROOT}/"):
            raise Refusal("no_such_route", f"SCIM is at {ROOT}.")
        if len(request.url.query) > _LONGEST_QUERY:
            raise InvalidInput(f"The query is longer than {_LONGEST_QUERY} characters.")
        body = b""
        if request.method in _WRITING:
            if request.headers.get("content-encoding", "identity").lower() != "identity":
                raise Refusal("unsupported_media_type", "Send the body without a Content-Encoding.")
            body = await read_body(request, MOST_BODY)
            if body:
                strict_json.parse(body)
        question = Question(
            method=request.method,
            base_url=f"{state.origin.of(request.scope)}{ROOT}",
            path=path.removeprefix(ROOT),
            query=dict(request.query_params),
            headers=request.headers.items(),
            body=body,
        )
        return await provisioning.answer(question, principal=principal, request_id=request_id)


def _response(answer: Answer) -> Response:
    content = b"" if answer.body is None else json.dumps(answer.body, separators=(",", ":")).encode()
    return Response(content, int(answer.status), {**answer.headers, "Cache-Control": "no-store"})
