"""Traces of OpenTelemetry: from the request over the intent to the steps and phases, as a real receiver takes them."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fakes import World, fake_services
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from typing_extensions import override
from web_service import SMALL, running_web

from nixos_workspaces.errors import RuntimeFailed, Unavailable
from nixos_workspaces.logs import tracing
from nixos_workspaces.services import Services
from nixos_workspaces.settings import Settings


@dataclass
class Receiver:
    """A collector on loopback that takes OTLP over HTTP in protobuf."""

    url: str
    spans: list[Span] = field(default_factory=list)

    def named(self, name: str) -> Span:
        [found] = [one for one in self.spans if one.name == name]
        return found


def attributes(span: Span) -> dict[str, str]:
    return {one.key: one.value.string_value or str(one.value.int_value) for one in span.attributes}


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    receiver.spans += scope.spans
            self.send_response(200)
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}/v1/traces")
        thread = threading.Thread(target=server.serve_forever, name="receiver-of-traces")
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


@asynccontextmanager
async def traced(data: Path, *, url: str, world: World) -> AsyncIterator[Services]:
    async with fake_services(data, settings=Settings(data=data, otlp_endpoint=url), world=world) as services:
        yield services


def test_a_creation_and_a_start_are_one_tree_each_with_their_ids(tmp_path: Path) -> None:
    world = World()
    with receiving() as receiver:
        with running_web(tmp_path, partial(traced, url=receiver.url, world=world)) as web, web.http() as http:
            path = "/api/nixos/workspaces"
            answer = http.post(f"{path}/create", json={"name": "one", **SMALL}, headers={"X-Request-Id": "created-it"})
            made = answer.json()["workspace"]["id"]
            web.reaches(made, "running")
            http.get(path)
        spans = receiver.spans
    assert {one.name for one in spans} >= {
        *("POST workspace", "intent", "reconcile", "step build", "step create", "step start"),
        *("phase evaluate", "phase volume", "phase boot"),
    }
    request, intent, work = (receiver.named(name) for name in ("POST workspace", "intent", "reconcile"))
    assert {one.trace_id for one in spans} == {request.trace_id}
    assert (request.parent_span_id, intent.parent_span_id, work.parent_span_id) == (
        b"",
        request.span_id,
        intent.span_id,
    )
    for one in spans:
        if one.name.startswith(("step ", "phase ")):
            assert one.parent_span_id == work.span_id
        assert 0 < one.start_time_unix_nano <= one.end_time_unix_nano
        assert attributes(one)["nixws.request.id"] == "created-it"
        assert attributes(one)["nixws.workspace.id"] == made
    assert work.end_time_unix_nano >= receiver.named("step start").end_time_unix_nano


def test_of_a_failure_a_span_tells_the_code_and_not_the_words() -> None:
    with receiving() as receiver:
        end = tracing.start_tracing(receiver.url, "1")
        with pytest.raises(RuntimeFailed), tracing.span("step start"):
            raise RuntimeFailed("nixws_words_that_may_hold_anything", code="boot_failed")
        end()
        [span] = receiver.spans
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == "boot_failed"
    assert b"nixws_words" not in span.SerializeToString()


def test_without_the_setting_nothing_is_loaded_and_without_the_libraries_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = (
        "import sys, nixos_workspaces.logs.tracing as t\n"
        "with t.span('a'): pass\n"
        "assert not [n for n in sys.modules if n.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(Unavailable, match="pip install") as refused:
        tracing.start_tracing("http://127.0.0.1:9/v1/traces", "1")
    assert refused.value.code == "traces_missing"
