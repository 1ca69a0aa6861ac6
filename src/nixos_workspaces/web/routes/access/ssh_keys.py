"""The routes of people's SSH keys and of certificates for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from nixos_workspaces.schemas.access.ssh_keys import (
    CertificateAnswer,
    CertificateRequest,
    PublicKeyAnswer,
    PublicKeyDetail,
    PublicKeyList,
    SshKeyRequest,
)
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.routes.dependencies import Asked, By, RequestId

router = APIRouter(prefix="/api/nixos", route_class=StrictRoute, tags=["ssh"])

KeyId = Annotated[str, Path(max_length=64, description="The key's id.")]


@router.get("/ssh-keys", responses=problems(body=False))
async def list_ssh_keys(services: Asked, principal: By) -> PublicKeyList:
    """List the caller's public keys, which open the caller's workspaces."""
    found = await services.ssh.keys.list(principal=principal)
    return PublicKeyList(
        ssh_keys=[PublicKeyAnswer.of(one) for one in found],
        host_authority=services.ssh.keys.host_authority,
        gateway_port=services.settings.ssh_port or None,
    )


@router.post("/ssh-keys", status_code=201, responses=problems())
async def add_ssh_key(
    *, services: Asked, principal: By, request_id: RequestId, wanted: SshKeyRequest, response: Response
) -> PublicKeyDetail:
    """Register a public key: it opens the caller's workspaces at once; the same one again changes nothing."""
    key = await services.ssh.keys.add(wanted.public_key, wanted.name, principal=principal, request_id=request_id)
    response.headers["Location"] = f"/api/nixos/ssh-keys/{key.id}"
    return PublicKeyDetail(ssh_key=PublicKeyAnswer.of(key))


@router.delete("/ssh-keys/{key_id}", status_code=204, responses=problems(404))
async def remove_ssh_key(*, services: Asked, principal: By, request_id: RequestId, key_id: KeyId) -> Response:
    """Remove a public key from all of the caller's workspaces, and end what it has opened at the SSH gateway."""
    await services.ssh.keys.remove(key_id, principal=principal, request_id=request_id)
    return Response(status_code=204)


@router.post("/ssh-certificates", status_code=201, responses=problems(409))
async def sign_ssh_key(
    *, request: Request, services: Asked, principal: By, request_id: RequestId, wanted: CertificateRequest
) -> CertificateAnswer:
    """Certify a public key for the SSH gateway, for some hours and as long as the caller's token is valid."""
    token = await services.ssh.tokens.find(request.state.credential)
    lifetime = timedelta(hours=wanted.valid_for)
    signed = await services.ssh.keys.sign(
        wanted.public_key, lifetime, principal=principal, token=token, request_id=request_id
    )
    return CertificateAnswer(certificate=signed.certificate, expires_at=signed.expires_at)
