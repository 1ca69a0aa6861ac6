"""Spans of OpenTelemetry over the work on workspaces; nothing is loaded or done while nobody takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from nixos_workspaces.errors import Unavailable, WorkspacesError
from nixos_workspaces.logs.context import belongings

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_NAMES = {"request_id": "nixws.request.id", "workspace_id": "nixws.workspace.id", "task": "nixws.task"}
_tracers: list[Tracer] = []
"""The one that is in use; none while traces are off."""


def start_tracing(endpoint: str, version: str) -> Callable[[], None]:
    """Send spans to ``endpoint`` by OTLP over HTTP from now on; return what sends the last ones and ends it.

    Raises ``Unavailable`` with code ``traces_missing`` where the libraries are not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as missing:
        message = "Traces need libraries that are not installed: pip install 'nixos-workspaces[traces]'."
        raise Unavailable(message, code="traces_missing") from missing
    about = {"service.name": "nixws", "service.version": version}
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    _tracers.append(provider.get_tracer("nixos_workspaces", version))

    def end() -> None:
        _tracers.clear()
        provider.shutdown()

    return end


@contextmanager
def span(name: str, attributes: Mapping[str, str | int] | None = None) -> Iterator[None]:
    """Make a span of the block, in the span that the present task is in; of a failure it tells the code alone."""
    if not _tracers:
        yield
        return
    from opentelemetry.trace import Status, StatusCode

    told = {**_belongings(), **(attributes or {})}
    with _tracers[-1].start_as_current_span(
        name, attributes=told, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as problem:
            code = problem.code if isinstance(problem, WorkspacesError) else type(problem).__name__
            current.set_attribute("error.type", code)
            current.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            current.set_attributes(_belongings())


def past_span(name: str, began: datetime, ended: datetime) -> None:
    """Make a span of something that is over, in the span that the present task is in."""
    if _tracers:
        current = _tracers[-1].start_span(name, start_time=_nanoseconds(began), attributes=_belongings())
        current.end(_nanoseconds(ended))


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000


def _belongings() -> dict[str, str]:
    return {_NAMES[name]: value for name, value in belongings().items()}
