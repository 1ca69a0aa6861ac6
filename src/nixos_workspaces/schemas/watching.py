"""The wire type of a wish to watch workspaces."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nixos_workspaces.schemas.wire import Request

MOST_USAGE = 200
MOST_TERMINALS = MOST_PORTS = 16

WorkspaceId = Annotated[str, Field(min_length=1, max_length=64)]


class WatchRequest(Request):
    """The workspaces to be watched, in the place of those before."""

    type: Literal["watch"]
    usage: Annotated[list[WorkspaceId], Field(max_length=MOST_USAGE)] = Field(default_factory=list)
    terminals: Annotated[list[WorkspaceId], Field(max_length=MOST_TERMINALS)] = Field(default_factory=list)
    ports: Annotated[list[WorkspaceId], Field(max_length=MOST_PORTS)] = Field(default_factory=list)
