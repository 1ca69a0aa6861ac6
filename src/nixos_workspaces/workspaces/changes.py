"""The events of a workspace's changes."""

from __future__ import annotations

from nixos_workspaces.events import Event
from nixos_workspaces.model.workspace import Progress, Workspace
from nixos_workspaces.schemas.wire import SentenceAnswer
from nixos_workspaces.schemas.workspaces import FaultAnswer, PhaseAnswer


def status_event(workspace: Workspace) -> Event:
    """Return the event of a workspace's status; ``owner_id`` is for choosing its recipients, not for clients."""
    fault = FaultAnswer.of(workspace.fault)
    return Event(
        "workspace.status",
        workspace.id,
        {
            "owner_id": workspace.owner_id,
            "name": workspace.name,
            "status": workspace.status.value,
            "fault": None if fault is None else fault.model_dump(mode="json", exclude={"at"}),
            "generation": workspace.generation,
            "phases": _phases(workspace),
        },
    )


def progress_event(workspace: Workspace, progress: Progress) -> Event:
    """Return the event of the progress of the present work."""
    return Event(
        "workspace.progress",
        workspace.id,
        {
            "owner_id": workspace.owner_id,
            "phase": progress.phase.value,
            "fraction": progress.fraction,
            "message": progress.message,
            "said": None if progress.said is None else SentenceAnswer.of(progress.said).model_dump(mode="json"),
            "phases": _phases(workspace),
        },
    )


def _phases(workspace: Workspace) -> list[dict[str, str | None]]:
    """Return the times of the phases as the API writes them."""
    return [PhaseAnswer.of(one).model_dump(mode="json") for one in workspace.phases.times]
