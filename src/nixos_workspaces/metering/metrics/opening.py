"""The parts that measure workspaces, put together."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from nixos_workspaces.database import Database
from nixos_workspaces.metering.gauges import Gauges
from nixos_workspaces.metering.metrics.history import History
from nixos_workspaces.metering.metrics.sampler import Sampler
from nixos_workspaces.runtimes.base import Runtime


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of workspaces: those of one now, those of all, and those of before."""

    gauges: Gauges
    sampler: Sampler
    history: History


def open_figures(stack: AsyncExitStack, database: Database, runtime: Runtime) -> Figures:
    """Return what measures the machines of ``runtime``; what is not stored is, when ``stack`` closes."""
    gauges, history = Gauges(runtime), History(database)
    sampler = Sampler(database, runtime, gauges, history)
    stack.push_async_callback(sampler.close)
    return Figures(gauges, sampler, history)
