"""The routes of a workspace's ports and their previews."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Path, Request

from nixos_workspaces.auth.counted import Kind
from nixos_workspaces.auth.policy import Action, Principal
from nixos_workspaces.errors import Conflict, NotFound
from nixos_workspaces.model.access.shares import port_part
from nixos_workspaces.model.names import HIGHEST_PORT, LOWEST_PORT
from nixos_workspaces.model.reach.ports import SSH_PORT
from nixos_workspaces.model.workspace import Status, Workspace
from nixos_workspaces.previews.addresses import PreviewAddresses
from nixos_workspaces.previews.ports import Port
from nixos_workspaces.schemas.reach.ports import (
    PortAnswer,
    PortChange,
    PortList,
    PreviewAnswer,
    PreviewRequest,
    SharedPort,
)
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.http.tickets import Tickets
from nixos_workspaces.web.previews.entrance import LINK_PATH, OPEN_PATH, purpose
from nixos_workspaces.web.routes.dependencies import Asked, By, Reference, RequestId

router = APIRouter(prefix="/api/nixos", route_class=StrictRoute, tags=["ports"])

Number = Annotated[int, Path(ge=LOWEST_PORT, le=HIGHEST_PORT, description="The port's number.")]


@router.get("/workspaces/{workspace_id}/ports", responses=problems(404, 409, body=False))
async def list_ports(
    *, request: Request, services: Asked, principal: By, request_id: RequestId, workspace_id: Reference
) -> PortList:
    """List the ports on which something listens in a workspace, and those that are shown to others."""
    workspace, key = await services.workspaces.enter(workspace_id, principal=principal, action=Action.LIST_PORTS)
    services.counted_audit.note(Kind("list-ports", actor=principal.id, workspace_id=workspace.id), request_id)
    found = await services.previews.ports.list(workspace, key)
    return PortList(ports=[_told(request, workspace, one, principal) for one in found])


@router.get("/workspaces/{workspace_id}/ports/{port}", responses=problems(404, 409, body=False))
async def get_port(
    request: Request, services: Asked, principal: By, workspace_id: Reference, port: Number
) -> PortAnswer:
    """Return one port of a workspace, whether anything listens there or not."""
    workspace, key = await services.workspaces.enter(
        workspace_id, principal=principal, action=Action.READ_PORT, part=port_part(port)
    )
    return _told(request, workspace, await services.previews.ports.get(workspace, key, port), principal)


@router.put("/workspaces/{workspace_id}/ports/{port}", responses=problems(403, 404, 409))
async def put_port(
    *,
    request: Request,
    services: Asked,
    principal: By,
    request_id: RequestId,
    workspace_id: Reference,
    port: Number,
    wanted: PortChange,
) -> SharedPort:
    """Show a port to these people; a link that there was before ends, and who may not see it is cut off."""
    workspace, _ = await services.workspaces.enter(workspace_id, principal=principal, action=Action.SHARE_PORT)
    shown, secret = await services.previews.ports.show(
        workspace, port, wanted.visibility, wanted.lifetime(), principal=principal, request_id=request_id
    )
    told = _told(request, workspace, shown, None)
    link = None if secret is None or told.url is None else f"{told.url.rstrip('/')}{LINK_PATH}?key={secret}"
    return SharedPort(port=told, link=link)


@router.post("/previews", responses=problems(404, 409, 429))
async def open_preview(
    *, request: Request, services: Asked, principal: By, request_id: RequestId, wanted: PreviewRequest
) -> PreviewAnswer:
    """Return an address that opens a preview in a browser, once, within half a minute."""
    addresses: PreviewAddresses = request.app.state.preview_addresses
    try:
        parts = urlsplit(wanted.url)
    except ValueError:
        parts = urlsplit("")
    host = addresses.named(parts.netloc, parts.path)
    if host is None or parts.scheme not in {"http", "https"}:
        raise NotFound("This is not the address of a preview of this service.", code="preview_not_found", field="url")
    workspace = await services.previews.visits.find(host, principal)
    if workspace.status is Status.DELETING:
        raise Conflict("The workspace is being deleted.", code="not_running")
    services.counted_audit.note(Kind("open-preview", actor=principal.id, workspace_id=workspace.id), request_id)
    tickets: Tickets = request.app.state.tickets
    ticket = tickets.issue(principal, request.state.credential, purpose(workspace.id, host.port))
    origin = request.app.state.origin.of(request.scope)
    url = addresses.url_by_path(origin, host) if host.base else addresses.url(origin, workspace, host.port)
    base = url.rstrip("/")
    to = (parts.path.removeprefix(host.base) or "/") + (f"?{parts.query}" if parts.query else "")
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return PreviewAnswer(url=f"{base}{OPEN_PATH}?ticket={ticket}&to={quote(to, safe='')}{fragment}")


def _told(request: Request, workspace: Workspace, port: Port, principal: Principal | None) -> PortAnswer:
    """Return a port with its address for ``principal``; None: for anybody."""
    addresses: PreviewAddresses = request.app.state.preview_addresses
    url = None
    if port.number != SSH_PORT:
        is_owners = principal is not None and principal.id == workspace.owner_id
        address = addresses.url_for_owner if is_owners else addresses.url
        url = address(request.app.state.origin.of(request.scope), workspace, port.number)
    return PortAnswer.of(port.number, port.listener, port.share, url)
