"""The node's socket: what goes in comes out, what is wrong is refused, who may not is told so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import resource
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from nixos_workspaces import errors
from nixos_workspaces.errors import Conflict, Forbidden, InvalidInput, RuntimeFailed, WorkspacesError
from nixos_workspaces.model.machine import Address, MachineSpec, MachineState, Observed, Resources
from nixos_workspaces.model.names import ID_PATTERN, REFERENCE_PATTERN
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.node import protocol
from nixos_workspaces.node.rpc import Answer, listen, serve_calls
from nixos_workspaces.runtimes.local import LocalRuntime

ids = st.from_regex(ID_PATTERN.removesuffix("$"), fullmatch=True)
toplevels = st.from_regex(r"/nix/store/[0-9a-df-np-sv-z]{32}-[0-9A-Za-z+._?=-]{1,50}", fullmatch=True)
sizes = st.integers(1 << 25, 1 << 50)
resources = st.builds(Resources, st.floats(0.01, 4096), sizes, sizes)
orders = st.builds(
    MachineSpec,
    workspace_id=ids,
    hostname=st.from_regex(REFERENCE_PATTERN.removesuffix("$"), fullmatch=True),
    generation=st.integers(0, 1 << 53),
    toplevel=toplevels,
    resources=resources,
    volume_key=st.binary(min_size=64, max_size=64),
    host_key=st.text(st.characters(max_codepoint=127), max_size=100),
    authorized_keys=st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)).map(tuple),
)
observations = st.builds(
    Observed,
    workspace_id=ids,
    state=st.sampled_from(MachineState),
    resources=st.none() | resources,
    address=st.none() | st.builds(Address, st.just("10.1.2.3"), st.integers(1, 65535)),
    started_at=st.none() | st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1)),  # noqa: DTZ001
    exit_reason=st.text(),
)


def through_json(value: Any) -> Any:
    return protocol.decode(protocol.encode({"value": value})[4:])["value"]


@given(orders)
def test_orders_arrive_as_they_were_sent(order: MachineSpec) -> None:
    assert protocol.spec_from_wire(through_json(protocol.spec_to_wire(order))) == order


@given(observations)
def test_observations_arrive_as_they_were_sent(seen: Observed) -> None:
    assert protocol.observed_from_wire(through_json(protocol.observed_to_wire(seen))) == seen


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_errors_arrive_as_what_they_are(kind: type[WorkspacesError]) -> None:
    if issubclass(kind, WorkspacesError):
        sent = kind("what happened", code="a_code", field="storage")
        got = protocol.error_from_wire(through_json(protocol.error_to_wire(sent)))
        assert (type(got), got.message, got.code, got.field) == (kind, "what happened", "a_code", "storage")


def test_an_error_arrives_with_its_sentence() -> None:
    left = Sentence("refused.quota", {"allowed": "1", "used": "1", "more": "2"}, UNIT_AND_OWNER)
    got = protocol.error_from_wire(through_json(protocol.error_to_wire(errors.InsufficientResources(left))))
    assert (got.said, got.message) == (left, left.text)
    unknown = {"kind": "Conflict", "message": "Of another version.", "said": {"code": "a.b", "values": {}}}
    assert (protocol.error_from_wire(unknown).said, protocol.error_from_wire(unknown).message) == (
        None,
        "Of another version.",
    )


UNIT_AND_OWNER = {"unit": Sentence("unit.memory"), "whose": Sentence("quota.group", {"group": "a"})}


def test_an_error_of_an_unknown_kind_is_still_an_error() -> None:
    assert type(protocol.error_from_wire({"kind": "Path", "message": "x"})) is RuntimeFailed


ORDER: dict[str, Any] = protocol.spec_to_wire(
    MachineSpec("ws-1", "demo", 1, f"/nix/store/{'0' * 32}-x", Resources(1, 1 << 30, 1 << 30), bytes(64), "key", ())
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("workspace_id", value) for value in ("", "../x", "a/b", "-a", "A", "a" * 41, None, 5, "a\n")),
        *(("hostname", value) for value in ("", "a b", "-a", "a" * 64, "a;b", None)),
        *(("toplevel", value) for value in ("/etc", "/nix/store", f"/nix/store/{'0' * 32}-x/../..", "x", None)),
        *(("generation", value) for value in (-1, "1", True, None, 1e300)),
        *(("volume_key", value) for value in ("", "AAAA", "?", None, 5)),
        *(("host_key", value) for value in (None, 5, "ä", "x" * 20_000)),
        *(("authorized_keys", value) for value in (None, "key", [""], ["a\nb"], [5], ["k"] * 1001)),
        *(("resources", value) for value in (None, {}, {"cpu": True, "memory": 1 << 30, "storage": 1 << 30})),
        ("resources", {"cpu": 1, "memory": 1 << 20, "storage": 1 << 30}),
        ("resources", {"cpu": 1, "memory": 1 << 30, "storage": -1}),
        ("resources", {"cpu": 0, "memory": 1 << 30, "storage": 1 << 30}),
    ],
)
def test_a_wrong_order_is_refused_with_its_field(field: str, value: object) -> None:
    with pytest.raises(InvalidInput):
        protocol.spec_from_wire(ORDER | {field: value})


@contextlib.asynccontextmanager
async def answering(path: Path, allowed: set[int]) -> AsyncIterator[LocalRuntime]:
    """A socket whose methods echo, fail as told, or hand over a socket."""

    async def handler(method: str, parameters: dict[str, Any]) -> Answer:
        match method:
            case "list":
                return Answer({"machines": [], "next": None})
            case "delete":
                raise Conflict("not now", code="busy")
            case "stop":
                raise ZeroDivisionError
            case "connect":
                ours, theirs = socket.socketpair()
                with ours:
                    ours.sendall(b"hello")
                return Answer(handed_over=theirs)
        return Answer(parameters)

    serving = asyncio.create_task(serve_calls(listen(path), allowed, handler))
    try:
        yield LocalRuntime(path)
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def exchange(path: Path, data: bytes) -> dict[str, Any]:
    """Send bytes and return the answer's message."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    writer.write_eof()
    body = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    message: dict[str, Any] = json.loads(body[4:]) if body else {}
    return message


async def test_a_descriptor_comes_through(tmp_path: Path) -> None:
    async with answering(tmp_path / "s", {os.getuid()}) as runtime:
        with await runtime.connect("ws-1", 22) as received:
            assert received.recv(5) == b"hello"
            assert not received.getblocking()
            assert not os.get_inheritable(received.fileno())


@pytest.mark.parametrize("rest", [b"", struct.pack(">I", 100)[1:] + b"{", struct.pack(">I", 2)[1:] + b"{}"])
async def test_a_descriptor_is_let_go_where_the_answer_fails(tmp_path: Path, rest: bytes) -> None:
    """The node is killed while it answers, or is of another version: the connection into the workspace is closed."""
    ours, theirs = socket.socketpair()
    with ours, theirs, listen(tmp_path / "s") as server:
        ours.settimeout(5)
        call = asyncio.create_task(LocalRuntime(tmp_path / "s").connect("ws-1", 22))
        connection, _ = await asyncio.get_running_loop().sock_accept(server)
        with connection:
            socket.send_fds(connection, [b"\0"], [theirs.fileno()])
            theirs.close()
            connection.sendall(rest)
        with pytest.raises(errors.Unavailable):
            await call
        assert ours.recv(1) == b""


async def test_errors_and_faults_are_answers(tmp_path: Path) -> None:
    async with answering(tmp_path / "s", {os.getuid()}) as runtime:
        with pytest.raises(Conflict, match="not now"):
            await runtime.delete("ws-1")
        with pytest.raises(RuntimeFailed) as failed:
            await runtime.stop("ws-1")
        assert failed.value.code == "node_fault"
        assert await runtime.list() == []


@pytest.mark.parametrize(
    "answer",
    [b"{}x", b"[]", b"{}", b'{"error": 1}', b'{"result": null}', b'{"result": [1]}', b'{"result": {"more": 1}}'],
)
async def test_an_answer_of_another_version_is_unavailable(tmp_path: Path, answer: bytes) -> None:
    """A service that meets an older or a newer node says so, whatever is asked."""

    async def answer_so(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(struct.pack(">I", len(answer)) + answer)
        writer.close()

    runtime = LocalRuntime(tmp_path / "s")
    async with await asyncio.start_unix_server(answer_so, tmp_path / "s"):
        for call in (runtime.capabilities(), runtime.list(), runtime.observe("ws-1"), runtime.usage("ws-1")):
            with pytest.raises(errors.Unavailable) as refused:
                await call
            assert refused.value.code == "node_protocol"
        with pytest.raises(errors.Unavailable):
            await runtime.boot_log("ws-1")


async def test_other_users_are_refused(tmp_path: Path) -> None:
    async with answering(tmp_path / "s", set()) as runtime:
        with pytest.raises(Forbidden):
            await runtime.list()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", 1 << 30),
        struct.pack(">I", 3) + b"{}x",
        struct.pack(">I", 2) + b"[]",
        protocol.encode({"method": 5, "parameters": {}}),
        protocol.encode({"method": "list"}),
        b"",
        b"\0\0",
        struct.pack(">I", 100) + b"{",
    ],
)
async def test_garbage_ends_only_its_own_connection(tmp_path: Path, data: bytes) -> None:
    async with answering(tmp_path / "s", {os.getuid()}) as runtime:
        answer = await exchange(tmp_path / "s", data)
        assert answer == {} or answer["error"]["kind"] == "InvalidInput"
        assert await runtime.list() == []


async def test_a_call_that_cannot_be_taken_makes_nobody_deaf(tmp_path: Path) -> None:
    """Too many files are open when a call comes: it is answered once there is room again."""
    async with answering(tmp_path / "s", {os.getuid()}) as runtime:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            with warned("nixos_workspaces.node.rpc") as refused:
                resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, hard))
                try:
                    await asyncio.get_running_loop().sock_connect(client, str(tmp_path / "s"))
                    await asyncio.wait_for(refused.wait(), 10)
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert await runtime.list() == []


@contextlib.contextmanager
def warned(name: str) -> Iterator[asyncio.Event]:
    """Yield an event that is set when a logger warns."""
    seen = asyncio.Event()

    class Handler(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            seen.set()

    handler = Handler(logging.WARNING)
    logging.getLogger(name).addHandler(handler)
    try:
        yield seen
    finally:
        logging.getLogger(name).removeHandler(handler)


@contextlib.asynccontextmanager
async def listing(path: Path, machines: dict[str, Observed]) -> AsyncIterator[LocalRuntime]:
    """A socket that lists machines as the node does."""

    async def handler(_method: str, parameters: dict[str, Any]) -> Answer:
        chosen, last = protocol.page_of(machines, parameters["after"])
        return Answer({"machines": [protocol.observed_to_wire(machines[one]) for one in chosen], "next": last})

    serving = asyncio.create_task(serve_calls(listen(path), {os.getuid()}, handler))
    try:
        yield LocalRuntime(path)
    finally:
        serving.cancel()
        await asyncio.wait({serving})


@pytest.mark.parametrize("count", [0, 1, 500, 501, 12_000])
async def test_any_number_of_machines_is_listed(tmp_path: Path, count: int) -> None:
    """Twelve thousand in one answer were more than a client takes: the node seemed not to answer."""
    machines = {name: Observed(name, MachineState.STOPPED) for name in (f"ws-{number}" for number in range(count))}
    async with listing(tmp_path / "s", machines) as runtime:
        assert {one.workspace_id: one for one in await runtime.list()} == machines


async def test_machines_that_stay_the_same_are_read_once(tmp_path: Path) -> None:
    machines = {name: Observed(name, MachineState.STOPPED) for name in (f"ws-{number:04}" for number in range(600))}
    async with listing(tmp_path / "s", machines) as runtime:
        first = await runtime.list()
        machines["ws-0599"] = Observed("ws-0599", MachineState.RUNNING)
        second = await runtime.list()
        assert [one.state for one in second if one.workspace_id == "ws-0599"] == [MachineState.RUNNING]
        assert all(one is other for one, other in zip(first[:500], second[:500], strict=True))
        machines.clear()
        assert await runtime.list() == []


async def test_a_list_that_does_not_come_to_an_end_is_refused(tmp_path: Path) -> None:
    async def handler(_method: str, _parameters: dict[str, Any]) -> Answer:
        return Answer({"machines": [], "next": "ws-1"})

    serving = asyncio.create_task(serve_calls(listen(tmp_path / "s"), {os.getuid()}, handler))
    with pytest.raises(errors.Unavailable):
        await LocalRuntime(tmp_path / "s").list()
    serving.cancel()
    await asyncio.wait({serving})
