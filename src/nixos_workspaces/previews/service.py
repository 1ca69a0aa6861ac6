"""Previews as a whole: the ports of workspaces and those who visit them."""

from __future__ import annotations

from dataclasses import dataclass

from nixos_workspaces.database import Database
from nixos_workspaces.events import Events
from nixos_workspaces.previews.ports import Ports
from nixos_workspaces.previews.visits import Visits
from nixos_workspaces.runtimes.base import Runtime


@dataclass(frozen=True, slots=True)
class Previews:
    """The parts of previews."""

    ports: Ports
    visits: Visits


def make_previews(database: Database, runtime: Runtime, events: Events) -> Previews:
    """Return the parts; a visit is decided on anew when its port is shown to others than before."""
    ports = Ports(database, runtime, events)
    visits = Visits(database, ports.program_of)
    ports.on_change = visits.forget
    return Previews(ports, visits)
