"""The wire types of figures: now, over time, and by program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import Field

from nixos_workspaces.model.machine import Metrics, Pressure
from nixos_workspaces.model.metering.figures import FIGURES, Figure, Kind, Row
from nixos_workspaces.model.usage import Program
from nixos_workspaces.schemas.wire import Answer, Time

Share = Annotated[float, Field(description="Share of the time, 0 to 1.")]
_PLACES = 3


class PressureAnswer(Answer):
    """How much of the time programs waited."""

    cpu: Share
    memory: Share
    memory_full: Share
    io: Share
    io_full: Share


class UsageFigures(Answer):
    """Present use: the first three in percent of the limits, the others in their own units."""

    cpu_usage: float
    memory_usage: float
    storage_usage: float
    cpu_cores: float = Field(description="CPU time used, in cores.")
    cpu_throttled: float = Field(description="Seconds a second for which the limit of CPU held programs up.")
    memory_bytes: int = Field(description="Memory that cannot be given back: of programs and of the kernel.")
    memory_limit_bytes: int
    memory_anon_bytes: int = Field(description="Memory of programs that no file stands behind.")
    memory_kernel_bytes: int
    memory_cache_bytes: int = Field(description="Page cache, which is given back when memory is short.")
    storage_bytes: int
    storage_capacity_bytes: int
    inodes: int
    inodes_capacity: int
    processes: int = Field(description="Processes and threads.")
    network_received: float = Field(description="Bytes a second that came in.")
    network_sent: float = Field(description="Bytes a second that went out.")
    disk_read: float = Field(description="Bytes a second read from the volume.")
    disk_written: float = Field(description="Bytes a second written to the volume.")
    denied_packets: int = Field(description="Packets that the network's rules did not let out, in this run.")
    oom_kills: int = Field(description="Programs killed for want of memory, in this run.")
    pressure: PressureAnswer | None = Field(description="null where the kernel does not tell it.")

    @classmethod
    def of(cls, metrics: Metrics | None) -> Self | None:
        """Convert; None stays None."""
        return None if metrics is None else cls(**figures_of(metrics))


_NAMES = tuple(one.name for one in fields(Metrics) if one.name != "pressure")
_PRESSURES = tuple(one.name for one in fields(Pressure))


def figures_of(metrics: Metrics) -> dict[str, Any]:
    """Return the JSON of present figures; plain, as it is made of 200 workspaces each second."""
    told: dict[str, Any] = {name: round(getattr(metrics, name), _PLACES) for name in _NAMES}
    pressure = metrics.pressure
    told["pressure"] = None if pressure is None else {one: round(getattr(pressure, one), 4) for one in _PRESSURES}
    return told


class ProgramAnswer(Answer):
    """The processes of one systemd unit."""

    name: str = Field(description="The unit's name.")
    cpu: float = Field(description="Cores in use.")
    memory_bytes: int = Field(description="Memory that no file stands behind.")
    processes: int

    @classmethod
    def of(cls, program: Program) -> Self:
        """Convert."""
        return cls(
            name=program.name,
            cpu=round(program.cpu, _PLACES),
            memory_bytes=program.memory_bytes,
            processes=program.processes,
        )


class ProgramList(Answer):
    """The units of a workspace that use the most CPU and memory, the busiest first."""

    programs: list[ProgramAnswer]


class Series(Answer):
    """One figure over time, a value for each of ``at``; null where it was not told."""

    unit: str = Field(description="bytes, percent, count, cores or share; of flows a second's.")
    mean: list[float | None]
    min: list[float | None]
    max: list[float | None]
    total: list[float | None] | None = Field(description="The amount in each step; null for what is a level.")


class MetricsSeries(Answer):
    """The figures of a workspace over time. Steps in which nothing was measured are missing from ``at``."""

    begin: Time
    end: Time
    step: int = Field(description="Seconds; more than were asked for where finer ones are not kept for so long.")
    at: list[Time] = Field(description="Where each step with samples begins.")
    seconds: list[float] = Field(description="Time that was measured in each step.")
    samples: list[int] = Field(description="Samples in each step.")
    figures: dict[str, Series]

    @classmethod
    def of(cls, begin: datetime, end: datetime, step: int, rows: Sequence[Row]) -> Self:
        """Convert."""
        return cls(
            begin=begin,
            end=end,
            step=step,
            at=[datetime.fromtimestamp(row.begin, UTC) for row in rows],
            seconds=[row.milliseconds / 1000 for row in rows],
            samples=[row.count for row in rows],
            figures={figure.name: _series(index, figure, rows) for index, figure in enumerate(FIGURES)},
        )


def _series(index: int, figure: Figure, rows: Sequence[Row]) -> Series:
    is_flow, scale = figure.kind is Kind.FLOW, figure.scale
    known = [row.highs[index] >= 0 for row in rows]

    def told(values: list[float]) -> list[float | None]:
        pairs = zip(known, values, strict=True)
        return [round(value * scale, 6) if is_known else None for is_known, value in pairs]

    sums = [row.sums[index] for row in rows]
    weights = [row.milliseconds / 1000 if is_flow else row.milliseconds for row in rows]
    return Series(
        unit=figure.unit,
        mean=told([total / weight for total, weight in zip(sums, weights, strict=True)]),
        min=told([row.lows[index] for row in rows]),
        max=told([row.highs[index] for row in rows]),
        total=told([float(one) for one in sums]) if is_flow else None,
    )
