"""The routes of the audit log."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import StreamingResponse

from nixos_workspaces.audit.entries import AuditClass, AuditEntry, AuditQuery, change_of
from nixos_workspaces.audit.exports import ExportFormat, exported
from nixos_workspaces.operations.audit.checking import Checked
from nixos_workspaces.schemas.access.audit import (
    LARGEST_SEQ,
    AuditEntryAnswer,
    AuditEntryDetail,
    AuditExportParameters,
    AuditFilters,
    AuditList,
    AuditParameters,
    AuditVerified,
    CheckpointAnswer,
    ConsistencyAnswer,
    ProofAnswer,
)
from nixos_workspaces.web.http.openapi import problems
from nixos_workspaces.web.http.routing import StrictRoute
from nixos_workspaces.web.http.streams import ndjson
from nixos_workspaces.web.routes.dependencies import Asked, By, RequestId

router = APIRouter(prefix="/api/nixos/audit", route_class=StrictRoute, tags=["audit"])

Number = Annotated[int, Path(ge=1, le=LARGEST_SEQ, description="The entry's number.")]
Size = Annotated[int | None, Query(ge=1, le=LARGEST_SEQ, description="Entries of the tree; all of now if not given.")]


@router.get("", responses=problems(403, body=False))
async def list_audit_entries(
    *, services: Asked, principal: By, request_id: RequestId, wanted: Annotated[AuditParameters, Query()]
) -> AuditList:
    """List audit entries, newest first. For administrators and auditors; reading is audited."""
    query = replace(_query(wanted), before=wanted.cursor)
    page = await services.audit.log.page(query, wanted.limit, principal=principal, request_id=request_id)
    return AuditList(
        entries=[_entry(number, entry) for number, entry in page.entries],
        next_cursor=None if page.next_before is None else str(page.next_before),
        size=page.size,
        verified=_verified(services.audit.checking.checked),
    )


@router.get("/checkpoint", responses=problems(403, body=False))
async def get_audit_checkpoint(*, services: Asked, principal: By) -> CheckpointAnswer:
    """Return a signed checkpoint of the audit log as it is now."""
    signed = await services.audit.signing.checkpoint(principal=principal)
    async with services.database.reading(once=True) as tx:
        witnessed = await tx.checkpoints.latest(witnessed=True)
    return CheckpointAnswer(
        size=signed.size,
        at=signed.at,
        note=signed.note,
        key=services.audit.signing.verifier_key,
        witnessed_size=None if witnessed is None else witnessed.size,
    )


@router.get("/consistency", responses=problems(403, body=False))
async def prove_audit_consistency(
    *,
    services: Asked,
    principal: By,
    request_id: RequestId,
    first: Annotated[int, Query(alias="from", ge=1, le=LARGEST_SEQ, description="Entries of the smaller tree.")],
    to: Size = None,
) -> ConsistencyAnswer:
    """Prove that the audit log of one size begins with that of another."""
    log = services.audit.log
    second, path = await log.consistency(first, to, principal=principal, request_id=request_id)
    return ConsistencyAnswer(first=first, second=second, path=_together(path))


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        **problems(403, body=False),
        200: {
            "description": "Entries, oldest first, one object a line.",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        },
    },
)
async def export_audit(
    *,
    request: Request,
    services: Asked,
    principal: By,
    request_id: RequestId,
    wanted: Annotated[AuditExportParameters, Query()],
) -> StreamingResponse:
    """Export audit entries, oldest first: as they stand in the tree, as OCSF or as CloudEvents."""
    form = ExportFormat(wanted.format)
    batches = await services.audit.log.export(_query(wanted), principal=principal, request_id=request_id)
    origin = services.audit.signing.verifier_key.partition("+")[0]
    stream = ndjson(request, batches, lambda batch: [exported(entry, form, origin) for entry in batch])
    return StreamingResponse(stream, media_type="application/x-ndjson")


@router.get("/{seq}", responses=problems(403, 404, body=False))
async def get_audit_entry(*, services: Asked, principal: By, request_id: RequestId, seq: Number) -> AuditEntryDetail:
    """Return one audit entry as it stands in the tree."""
    return AuditEntryDetail(entry=dict(await services.audit.log.entry(seq, principal=principal, request_id=request_id)))


@router.get("/{seq}/proof", responses=problems(403, 404, body=False))
async def prove_audit_entry(
    *, services: Asked, principal: By, request_id: RequestId, seq: Number, size: Size = None
) -> ProofAnswer:
    """Prove that an entry stands in the audit log."""
    proof = await services.audit.log.proof(seq, size, principal=principal, request_id=request_id)
    leaf = b64encode(proof.leaf).decode()
    return ProofAnswer(seq=seq, size=proof.size, leaf=leaf, path=_together(proof.path))


def _query(wanted: AuditFilters) -> AuditQuery:
    kind = None if wanted.kind is None else AuditClass(wanted.kind)
    return AuditQuery(wanted.actor, wanted.action, wanted.workspace, wanted.outcome, kind, wanted.since, wanted.until)


def _entry(number: int, entry: AuditEntry) -> AuditEntryAnswer:
    before, after = change_of(entry)
    return AuditEntryAnswer(
        seq=number,
        at=entry.at,
        actor=entry.actor,
        chain=list(entry.chain),
        address=entry.address,
        request_id=entry.request_id,
        action=entry.action,
        workspace_id=entry.workspace_id,
        target=entry.target,
        outcome=entry.outcome,
        before=None if before is None else dict(before),
        after=None if after is None else dict(after),
        detail=None if entry.detail is None else dict(entry.detail),
        kind="" if entry.kind is None else entry.kind.value,
    )


def _verified(checked: Checked) -> AuditVerified:
    finding = checked.finding
    return AuditVerified(
        size=checked.size,
        at=checked.at,
        first_bad=None if finding is None else finding.first,
        flaw="" if finding is None else finding.flaw.value,
    )


def _together(path: Sequence[bytes]) -> str:
    return b64encode(b"".join(path)).decode()
