"""The request, the workspace and the background task of the present work; tasks take them over from their maker."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

_REQUEST: ContextVar[str] = ContextVar("request_id", default="")
_WORKSPACE: ContextVar[str] = ContextVar("workspace_id", default="")
_TASK: ContextVar[str] = ContextVar("task", default="")


def note_request(request_id: str) -> None:
    """Let what follows in this task belong to a request, and to no workspace yet."""
    _REQUEST.set(request_id)
    _WORKSPACE.set("")


def note_workspace(workspace_id: str) -> None:
    """Let what follows in this task belong to a workspace."""
    _WORKSPACE.set(workspace_id)


def note_task(name: str) -> None:
    """Let what follows in this task belong to a background task, or to a call of the node."""
    _TASK.set(name)


def request_id() -> str:
    """Return the request that the present work belongs to; empty for none."""
    return _REQUEST.get()


def belongings() -> Mapping[str, str]:
    """Return all that the present work belongs to."""
    known = {"request_id": _REQUEST.get(), "workspace_id": _WORKSPACE.get(), "task": _TASK.get()}
    return {name: value for name, value in known.items() if value}
