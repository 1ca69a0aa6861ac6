"""Workspaces that change size by themselves: what was asked for, the size they have, and the decisions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from nixos_workspaces.database.automation.scaling_tables import scaling_decisions, workspace_scaling
from nixos_workspaces.database.schema import workspaces
from nixos_workspaces.model.automation.scaling import (
    MOST_KEPT,
    AutoscalePolicy,
    Boost,
    ScalingDecision,
    ScalingKind,
    Size,
    StoredScaling,
)
from nixos_workspaces.model.service import Sentence

_decisions = scaling_decisions.c


class ScalingRepository:
    """Sizes that change by themselves, inside one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work in the transaction of ``connection``."""
        self._connection = connection

    async def find(self, workspace_id: str) -> StoredScaling:
        """Return what was asked for; nothing where nothing was."""
        wanted = select(workspace_scaling).where(workspace_scaling.c.workspace_id == workspace_id)
        row = (await self._connection.execute(wanted)).one_or_none()
        return StoredScaling() if row is None else StoredScaling(_read_policy(row.policy), _read_boost(row.boost))

    async def replace(self, workspace_id: str, stored: StoredScaling) -> None:
        """Store what was asked for."""
        table = workspace_scaling
        await self._connection.execute(delete(table).where(table.c.workspace_id == workspace_id))
        if stored != StoredScaling():
            values = {"policy": policy_form(stored.policy), "boost": boost_form(stored.boost)}
            await self._connection.execute(insert(table).values(workspace_id=workspace_id, **values))

    async def watched(self) -> Mapping[str, StoredScaling]:
        """Return what was asked for of each workspace, by its id; also of those that have another size than chosen."""
        scaled = or_(workspaces.c.scaled_cpu.is_not(None), workspaces.c.scaled_memory_bytes.is_not(None))
        asked = workspace_scaling.c.workspace_id.is_not(None)
        wanted = (
            select(workspaces.c.id, workspace_scaling.c.policy, workspace_scaling.c.boost)
            .outerjoin(workspace_scaling, workspace_scaling.c.workspace_id == workspaces.c.id)
            .where(workspaces.c.deleted_at.is_(None), or_(scaled, asked))
        )
        rows = await self._connection.execute(wanted)
        return {row[0]: StoredScaling(_read_policy(row[1]), _read_boost(row[2])) for row in rows}

    async def set_size(self, workspace_id: str, cpu: float | None, memory_bytes: int | None) -> None:
        """Store the size that a workspace has by itself; None: as chosen."""
        values = {"scaled_cpu": cpu, "scaled_memory_bytes": memory_bytes}
        await self._connection.execute(update(workspaces).where(workspaces.c.id == workspace_id).values(**values))

    async def add(self, workspace_id: str, decision: ScalingDecision) -> None:
        """Store a decision."""
        await self._connection.execute(
            insert(scaling_decisions).values(
                workspace_id=workspace_id,
                at=decision.at,
                kind=decision.kind.value,
                cpu_before=decision.before.cpu,
                cpu_after=decision.after.cpu,
                memory_before=decision.before.memory_bytes,
                memory_after=decision.after.memory_bytes,
                reason={"code": decision.reason.code, "values": dict(decision.reason.values)},
                evidence=dict(decision.evidence),
            )
        )

    async def decisions(self, workspace_id: str, limit: int) -> tuple[ScalingDecision, ...]:
        """Return the last decisions about a workspace, newest first."""
        wanted = select(scaling_decisions).where(_decisions.workspace_id == workspace_id)
        rows = await self._connection.execute(wanted.order_by(_decisions.id.desc()).limit(limit))
        return tuple(
            ScalingDecision(
                row.at,
                ScalingKind(row.kind),
                Size(row.cpu_before, row.memory_before),
                Size(row.cpu_after, row.memory_after),
                Sentence(row.reason["code"], row.reason["values"]),
                row.evidence,
            )
            for row in rows
        )

    async def forget(self, before: datetime, workspace_id: str) -> None:
        """Forget decisions that are older, and those of one workspace beyond the last ``MOST_KEPT``."""
        await self._connection.execute(delete(scaling_decisions).where(_decisions.at < before))
        newest = select(_decisions.id).where(_decisions.workspace_id == workspace_id)
        oldest_kept = newest.order_by(_decisions.id.desc()).offset(MOST_KEPT - 1).limit(1)
        row = (await self._connection.execute(oldest_kept)).scalar_one_or_none()
        if row is not None:
            await self._connection.execute(
                delete(scaling_decisions).where(_decisions.workspace_id == workspace_id, _decisions.id < row)
            )


def policy_form(policy: AutoscalePolicy | None) -> dict[str, Any] | None:
    """Return a policy as JSON."""
    if policy is None:
        return None
    sizes = {
        "least": [policy.least.cpu, policy.least.memory_bytes],
        "most": [policy.most.cpu, policy.most.memory_bytes],
    }
    return sizes | {"down_after": policy.down_after.total_seconds()}


def boost_form(boost: Boost | None) -> dict[str, Any] | None:
    """Return a boost as JSON."""
    if boost is None:
        return None
    parts = {"cpu": boost.cpu, "memory_bytes": boost.memory_bytes}
    return parts | {"until": boost.until.isoformat(), "by": boost.by}


def _read_policy(form: Any) -> AutoscalePolicy | None:
    if form is None:
        return None
    return AutoscalePolicy(Size(*form["least"]), Size(*form["most"]), timedelta(seconds=form["down_after"]))


def _read_boost(form: Any) -> Boost | None:
    if form is None:
        return None
    return Boost(form["cpu"], form["memory_bytes"], datetime.fromisoformat(form["until"]), form["by"])
