"""Figures in the text form that Prometheus reads.

Its library is loaded with the first request: a service that nobody scrapes does without its memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from nixos_workspaces.model.machine import Usage
from nixos_workspaces.model.workspace import Workspace

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

MOST_WORKSPACES = 2000
"""Workspaces that are told; a gauge says how many are left out."""


class Kind(StrEnum):
    """The kind of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Described:
    """One metric as it is documented."""

    name: str
    """As it is written; that of a counter ends with ``_total``."""
    kind: Kind
    help: str
    labels: tuple[str, ...] = ("workspace",)


Read = Callable[[Workspace, Usage], float]

_OF_WORKSPACES: Mapping[Described, Read] = {
    Described("nixws_workspace_cpu_seconds_total", Kind.COUNTER, "CPU time used in the present run."): (
        lambda _, usage: usage.cpu_seconds
    ),
    Described(
        "nixws_workspace_cpu_throttled_seconds_total", Kind.COUNTER, "Time for which the limit of CPU held programs up."
    ): lambda _, usage: usage.throttled_seconds,
    Described("nixws_workspace_cpu_limit_cores", Kind.GAUGE, "Limit of CPU."): (
        lambda workspace, _: workspace.limits.cpu
    ),
    Described(
        "nixws_workspace_memory_bytes", Kind.GAUGE, "Memory that cannot be given back: of programs and of the kernel."
    ): lambda _, usage: usage.memory_bytes,
    Described("nixws_workspace_memory_anon_bytes", Kind.GAUGE, "Memory of programs that no file stands behind."): (
        lambda _, usage: usage.memory_anon_bytes
    ),
    Described("nixws_workspace_memory_kernel_bytes", Kind.GAUGE, "Memory that the kernel holds for the workspace."): (
        lambda _, usage: usage.memory_kernel_bytes
    ),
    Described("nixws_workspace_memory_cache_bytes", Kind.GAUGE, "Page cache."): (
        lambda _, usage: usage.memory_cache_bytes
    ),
    Described("nixws_workspace_memory_limit_bytes", Kind.GAUGE, "Limit of memory."): (
        lambda workspace, _: workspace.limits.memory_bytes
    ),
    Described("nixws_workspace_storage_bytes", Kind.GAUGE, "Bytes used of the volume."): (
        lambda _, usage: usage.storage_bytes
    ),
    Described("nixws_workspace_storage_limit_bytes", Kind.GAUGE, "Bytes that the volume holds."): (
        lambda _, usage: usage.storage_capacity_bytes
    ),
    Described("nixws_workspace_inodes", Kind.GAUGE, "Inodes used of the volume."): lambda _, usage: usage.inodes,
    Described("nixws_workspace_inodes_limit", Kind.GAUGE, "Inodes that the volume holds."): (
        lambda _, usage: usage.inodes_capacity
    ),
    Described("nixws_workspace_processes", Kind.GAUGE, "Processes and threads."): lambda _, usage: usage.processes,
    Described("nixws_workspace_network_receive_bytes_total", Kind.COUNTER, "Bytes received in the present run."): (
        lambda _, usage: usage.network_received_bytes
    ),
    Described("nixws_workspace_network_transmit_bytes_total", Kind.COUNTER, "Bytes sent in the present run."): (
        lambda _, usage: usage.network_sent_bytes
    ),
    Described(
        "nixws_workspace_network_denied_packets_total",
        Kind.COUNTER,
        "Packets that the rules did not let out.",
    ): lambda _, usage: usage.denied_packets,
    Described("nixws_workspace_disk_read_bytes_total", Kind.COUNTER, "Bytes read from the volume."): (
        lambda _, usage: usage.disk_read_bytes
    ),
    Described("nixws_workspace_disk_written_bytes_total", Kind.COUNTER, "Bytes written to the volume."): (
        lambda _, usage: usage.disk_written_bytes
    ),
    Described("nixws_workspace_oom_kills_total", Kind.COUNTER, "Programs killed for want of memory."): (
        lambda _, usage: usage.oom_kills
    ),
}
_WAITING = Described(
    "nixws_workspace_pressure_waiting_seconds_total",
    Kind.COUNTER,
    "Time for which some program waited for a resource; missing where the kernel does not tell it.",
    ("workspace", "resource"),
)
_STALLED = Described(
    "nixws_workspace_pressure_stalled_seconds_total",
    Kind.COUNTER,
    "Time for which all programs waited for a resource at once; missing where the kernel does not tell it.",
    ("workspace", "resource"),
)
_INFO = Described(
    "nixws_workspace_info",
    Kind.GAUGE,
    "Always 1; tells name, owner and template of a workspace that runs or is paused.",
    ("workspace", "name", "owner", "template"),
)
_WORKSPACES = Described("nixws_workspaces", Kind.GAUGE, "Workspaces by status.", ("status",))
_LEFT_OUT = Described(
    "nixws_workspaces_left_out", Kind.GAUGE, f"Workspaces beyond the {MOST_WORKSPACES} that are told one by one.", ()
)
_AGE = Described("nixws_figures_age_seconds", Kind.GAUGE, "Time since the figures were measured.", ())
_BUILD = Described("nixws_build_info", Kind.GAUGE, "Always 1; tells the version of the service.", ("version",))

METRICS = (*_OF_WORKSPACES, _WAITING, _STALLED, _INFO, _WORKSPACES, _LEFT_OUT, _AGE, _BUILD)
"""Every metric that is told."""


@dataclass(frozen=True, slots=True)
class Scraped:
    """Everything that one answer tells."""

    workspaces: Sequence[Workspace]
    """Those that are told one by one."""
    usages: Mapping[str, Usage]
    statuses: Mapping[str, int]
    left_out: int
    at: datetime
    now: datetime
    version: str


def written(scraped: Scraped, accept: str) -> tuple[bytes, str]:
    """Return the answer and its content type, in the newest form that the client takes. Blocks; call it in a thread."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import Collector

    class Collected(Collector):
        @override
        def collect(self) -> Iterator[Metric]:
            return _families(scraped)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected())
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _families(scraped: Scraped) -> Iterator[Metric]:
    known = [(one, scraped.usages[one.id]) for one in scraped.workspaces if one.id in scraped.usages]
    for described, read in _OF_WORKSPACES.items():
        yield _family(described, (((one.id,), read(one, usage)) for one, usage in known))
    waiting, stalled = [], []
    for one, usage in known:
        if (pressure := usage.pressure) is not None:
            waiting += [((one.id, name), getattr(pressure, name)) for name in ("cpu", "memory", "io")]
            stalled += [((one.id, name), getattr(pressure, f"{name}_full")) for name in ("memory", "io")]
    yield _family(_WAITING, waiting)
    yield _family(_STALLED, stalled)
    yield _family(
        _INFO, (((one.id, one.name, one.owner_name or one.owner_id, one.environment.template), 1.0) for one, _ in known)
    )
    yield _family(_WORKSPACES, (((status,), float(count)) for status, count in sorted(scraped.statuses.items())))
    yield _family(_LEFT_OUT, [((), float(scraped.left_out))])
    yield _family(_AGE, [((), max(0.0, (scraped.now - scraped.at).total_seconds()))])
    yield _family(_BUILD, [((scraped.version,), 1.0)])


def _family(described: Described, values: Any) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    make = CounterMetricFamily if described.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(described.name, described.help, labels=described.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family
