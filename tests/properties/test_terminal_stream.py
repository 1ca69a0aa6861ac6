"""The bytes are exact for any typing, printing and cutting, wherever connections break."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterator, Sequence

import pytest
from holder_fixture import Holder, build, running_holder
from hypothesis import given, settings
from hypothesis import strategies as st

from nixos_workspaces.errors import RuntimeFailed
from nixos_workspaces.terminals import protocol
from nixos_workspaces.terminals.input import Input
from nixos_workspaces.terminals.output import (
    CLIENT_BYTES,
    CLIENT_SECONDS,
    FRAME_BYTES,
    MOST_CLIENT_BYTES,
    ClientWindow,
    Control,
    Output,
)
from nixos_workspaces.terminals.text import whole_characters


def cut(data: bytes, at: list[int]) -> Iterator[bytes]:
    """Cut ``data`` at the given places, taken modulo its length."""
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    for start, end in itertools.pairwise(places):
        yield data[start:end]


def frame(kind: bytes, payload: bytes) -> bytes:
    return kind + b"\0\0\0" + len(payload).to_bytes(4, "little") + payload


FRAMES = {
    protocol.Window(1, 2**63): frame(b"W", (1).to_bytes(8, "little") + (2**63).to_bytes(8, "little")),
    protocol.Gap(5, 9): frame(b"G", (5).to_bytes(8, "little") + (9).to_bytes(8, "little")),
    protocol.Resized(80, 24): frame(b"Z", b"\x50\0\x18\0"),
    protocol.Exited(-1, 7): frame(b"X", b"\xff\xff\xff\xff" + (7).to_bytes(8, "little")),
    protocol.Refused(protocol.Refusal.START, "nö"): frame(b"E", b"\5\0\3\0n\xc3\xb6"),
}


@given(st.lists(st.binary(max_size=300) | st.sampled_from(list(FRAMES)), max_size=20), st.lists(st.integers(0, 2**20)))
def test_frames_are_the_same_however_the_stream_is_cut(sent: list[bytes | protocol.Window], places: list[int]) -> None:
    seen: list[bytes | protocol.Frame] = []
    reader = protocol.FrameReader(seen.append, seen.append)
    stream = b"".join(frame(b"D", each) if isinstance(each, bytes) else FRAMES[each] for each in sent)
    for piece in cut(stream, places):
        reader.feed(piece)
    assert joined(seen) == joined(list(sent))


def joined(items: list[bytes | protocol.Frame]) -> list[object]:
    """Put neighbouring output together; only its bytes and place count."""
    result: list[object] = []
    for item in items:
        if isinstance(item, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += item
        elif item != b"":
            result.append(item)
    return result


@given(st.binary(max_size=400))
def test_bytes_that_are_no_frames_are_refused_or_waited_for(noise: bytes) -> None:
    reader = protocol.FrameReader(lambda _: None, lambda _: None)
    with contextlib.suppress(RuntimeFailed):
        reader.feed(noise)


@given(st.text(max_size=60), st.integers(0, 300))
def test_text_is_cut_between_characters_only(text: str, place: int) -> None:
    data = text.encode()
    end = min(place, len(data))
    at = whole_characters(data, end)
    assert end - 3 <= at <= end
    assert data[:at].decode() + data[at:].decode() == text


@given(st.binary(min_size=1, max_size=12))
def test_what_is_held_back_always_begins_a_character(data: bytes) -> None:
    at = whole_characters(data, len(data))
    held = data[at:]
    endings = [b"", b"\x80", b"\x80\x80", b"\x90\x80\x80", b"\xa0\x80", b"\xbf\xbf\xbf", b"\x8f\x80\x80"]
    assert not held or any(completes(held + ending) for ending in endings)
    shown = data.decode(errors="replace")
    assert not held or data[:at].decode(errors="replace") == shown[: len(data[:at].decode(errors="replace"))]


def completes(data: bytes) -> bool:
    with contextlib.suppress(UnicodeDecodeError):
        return len(data.decode()) == 1
    return False


class Sink:
    """A client that keeps what it gets."""

    def __init__(self) -> None:
        self.items: list[bytes | Control] = []
        self.end = 0

    def send_output(self, data: bytes, end_offset: int) -> None:
        assert 0 < len(data) <= FRAME_BYTES
        assert end_offset == self.end + len(data)
        self.end = end_offset
        self.items.append(data)

    def send_control(self, message: Control) -> None:
        if isinstance(message, protocol.Gap):
            self.end = message.end
        self.items.append(message)


ACTIONS = st.one_of(
    st.binary(min_size=1, max_size=200),
    st.integers(1, 3 * FRAME_BYTES).map(lambda size: b"x" * size),
    st.text(min_size=1, max_size=20).map(str.encode),
    st.sampled_from(["pause", "resume", "acknowledge", "turn", "resized"]),
)


@settings(deadline=None)
@given(st.lists(ACTIONS, max_size=40), st.booleans(), st.booleans())
def test_output_keeps_its_order_and_its_bounds(actions: list[bytes | str], text: bool, acknowledges: bool) -> None:  # noqa: FBT001  # Hypothesis gives them by place
    async def play() -> None:
        sink = Sink()
        reported: list[int] = []
        output = Output(sink, reported.append, text=text, acknowledges=acknowledges, clock=lambda: 0.0)
        sent: list[bytes | protocol.Frame] = []
        consumed = 0
        for action in actions:
            match action:
                case bytes():
                    sent.append(action)
                    output.push_data(action)
                case "resized":
                    sent.append(protocol.Resized(80, 24))
                    output.push_control(protocol.Resized(80, 24))
                case "pause":
                    output.pause()
                case "resume":
                    output.resume()
                    output.flush()
                case "acknowledge":
                    frames = sum(isinstance(item, bytes) for item in sink.items)
                    output.acknowledge(frames - consumed)
                    output.flush()
                    consumed = frames
                case _:
                    await asyncio.sleep(0)
            if acknowledges:
                pieces = [item for item in sink.items if isinstance(item, bytes)]
                assert sum(map(len, pieces[consumed:])) < CLIENT_BYTES + FRAME_BYTES
        output.push_control(protocol.Resized(1, 1))
        output.resume()
        for _ in range(200):
            output.acknowledge(1 << 20)
            output.flush()
        assert output.held < len("\N{OM SYMBOL}".encode()) + 1  # the beginning of a character that was never completed
        assert_same(sink.items, [*sent, protocol.Resized(1, 1)], text=text)
        assert reported == sorted(reported)

    asyncio.run(play())


@given(
    st.lists(st.tuples(st.integers(0, 1 << 22), st.floats(0.0001, 1)), min_size=1, max_size=50), st.floats(0.002, 0.05)
)
def test_a_window_is_what_was_consumed_lately(rounds: list[tuple[int, float]], step: float) -> None:
    now = 0.0
    window = ClientWindow(lambda: now)
    for size, seconds in rounds:
        now += seconds
        window.consumed(size)
        assert CLIENT_BYTES <= window.size <= MOST_CLIENT_BYTES
    # Whatever was before: a steady pace gives it the bytes of that pace.
    wanted = 2 * CLIENT_BYTES / CLIENT_SECONDS
    for _ in range(200):
        now += step
        window.consumed(int(wanted * step))
    assert window.size == pytest.approx(2 * CLIENT_BYTES, rel=0.01)


def test_a_window_of_a_client_without_output_is_not_narrowed() -> None:
    now = 0.0
    window = ClientWindow(lambda: now)
    for _ in range(3):
        window.begin()
        now += CLIENT_SECONDS
        window.consumed(4 * CLIENT_BYTES)
        assert window.size == pytest.approx(4 * CLIENT_BYTES, rel=0.01)
        now += 3600


def assert_same(seen: Sequence[bytes | Control], wanted: Sequence[bytes | protocol.Frame], *, text: bool) -> None:
    """As text, a new size that comes within a character is told before it; nothing else changes its place."""
    if not text:
        assert joined(list(seen)) == joined(list(wanted))  # type: ignore[arg-type]
        return
    stream = b"".join(item for item in wanted if isinstance(item, bytes))
    shown = b"".join(item for item in seen if isinstance(item, bytes))
    assert shown == stream[: len(shown)]
    assert len(stream) - len(shown) < 4, "what is left is the beginning of a character"
    for told, happened in zip(size_places(seen), size_places(wanted), strict=True):
        assert told == whole_characters(stream[:happened], happened)


def size_places(items: Sequence[object]) -> list[int]:
    """Return how much output stands before each size."""
    places, before = [], 0
    for item in items:
        if isinstance(item, bytes):
            before += len(item)
        else:
            places.append(before)
    return places


class Counter:
    """The holder's side of numbered input."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.limit = 65536

    def take(self, data: bytes) -> None:
        offset, payload = int.from_bytes(data[8:16], "little"), data[16:]
        assert offset <= len(self.received)
        assert offset + len(payload) <= self.limit
        self.received += payload[len(self.received) - offset :]


@given(st.lists(st.binary(min_size=1, max_size=90_000) | st.sampled_from(["break", "window"]), max_size=30), st.data())
@settings(deadline=None)
def test_input_arrives_once_and_in_order_across_breaks(actions: list[bytes | str], data: st.DataObject) -> None:
    """A broken connection swallows any end of what was sent."""
    typed = bytearray()
    side, holder = Input(), Counter()
    side.resume(0, holder.limit)
    wire: list[bytes] = []
    for action in [*actions, *(["break", "window"] * 60)]:
        if isinstance(action, bytes):
            typed += action
            side.push(action)
            side.send(wire.append)
            continue
        arrived = data.draw(st.integers(0, len(wire))) if action == "break" and len(wire) > 1 else len(wire)
        for each in wire[:arrived]:
            holder.take(each)
        wire.clear()
        holder.limit = len(holder.received) + 65536
        if action == "break":
            side.resume(len(holder.received), holder.limit)
        else:
            side.confirm(len(holder.received), holder.limit)
        side.send(wire.append)
        if len(typed) == len(holder.received) and not wire:
            break
    assert bytes(holder.received) == bytes(typed)


@pytest.fixture(scope="module")
def holder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Holder]:
    with running_holder(build("sanitized", tmp_path_factory.mktemp("agent")), "--ring", str(1 << 20)) as running:
        yield running


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=9000), st.lists(st.integers(0, 9100), max_size=5)), max_size=8),
    st.lists(st.integers(0, 2**20), max_size=6),
)
def test_a_terminal_echoes_any_bytes_exactly_from_any_offset(
    holder: Holder, typed: list[tuple[bytes, list[int]]], offsets: list[int]
) -> None:
    """Typed in any pieces, over a new connection for each burst, read again from any offset."""
    wanted = b"ready\n"
    client = holder.open("stty raw -echo; echo ready; exec cat", token=1)
    client.until_output(wanted)
    terminal, sent = client.id, 0
    for burst, places in typed:
        for piece in cut(burst, places):
            client.send(protocol.input_bytes(sent, piece))
            sent += len(piece)
        wanted += burst
        client.until(lambda: client.end >= len(wanted))  # noqa: B023  # called at once
        client.socket.close()
        client = holder.attach(terminal, client.end, token=1)
        assert client.attached is not None
        assert client.attached.input_received == sent
    for offset in [0, *offsets]:
        start = offset % (len(wanted) + 1)
        with holder.attach(terminal, start) as reader:
            reader.until(lambda: reader.end >= len(wanted))  # called at once
            assert bytes(reader.data) == wanted[start:]
    client.send(protocol.close(terminal))
    client.socket.close()
