"""The wire types of tunnels."""

from __future__ import annotations

from pydantic import Field

from nixos_workspaces.schemas.wire import Answer


class TunnelAccess(Answer):
    """How to open a tunnel to a port inside a workspace."""

    websocket_url: str
    ticket: str = Field(
        description="Opens this WebSocket once within 30 seconds, sent as the subprotocol nixws.ticket.TICKET."
    )


class TunnelAccessAnswer(Answer):
    """How to open a tunnel to a port inside a workspace."""

    tunnel: TunnelAccess
