"""Sharing workspaces: by their owners, by links; giving them away; and the end of what was open."""

from __future__ import annotations

from dataclasses import dataclass

from nixos_workspaces.auth.sharing.joining import Joining
from nixos_workspaces.auth.sharing.open_access import OpenAccess
from nixos_workspaces.auth.sharing.shares import Shares
from nixos_workspaces.auth.sharing.transfers import Transfers


@dataclass(frozen=True, slots=True)
class Sharing:
    """The parts of sharing."""

    open_access: OpenAccess
    shares: Shares
    joining: Joining
    transfers: Transfers
