"""Observers of one terminal share a stream: they see every byte all the same, whatever happens to them or to it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bridge_fixture import WORKSPACE, Inside, Screen, bridge_to, inside, open_cat
from holder_fixture import build
from typing_extensions import override

from nixos_workspaces.terminals import session
from nixos_workspaces.terminals.output import OBSERVER_CREDIT_BYTES
from nixos_workspaces.terminals.ssh_bridge import (
    Attach,
    Control,
    Exited,
    Gap,
    News,
    Resized,
    SSHBridge,
    SSHSession,
    Start,
)
from nixos_workspaces.terminals.watching import feed
from nixos_workspaces.terminals.watching.turns import AT_ONCE, Turns, Waiting

OBSERVERS = 6
FLOOD_BYTES = 24 << 20
FLOOD = b"stty raw -echo; read begin; head -c %d /dev/zero; printf end; read away" % FLOOD_BYTES


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    """The holder, where sshd's user may run it."""
    with tempfile.TemporaryDirectory(prefix="nixws-agent-") as directory:
        Path(directory).chmod(0o755)
        yield build("all", Path(directory))


class Watched:
    """A terminal with its typist and observers."""

    def __init__(self, place: Inside, bridge: SSHBridge, typist: SSHSession, screen: Screen) -> None:
        self.place = place
        self.bridge = bridge
        self.typist = typist
        self.screen = screen
        self.screens: list[Screen] = []
        self.sessions: list[SSHSession] = []

    async def come(self, offset: int = 0) -> Screen:
        screen = Screen()
        wanted = Attach(self.typist.terminal_id, offset, 80, 24, readonly=True)
        self.sessions.append(await self.bridge.attach_terminal(WORKSPACE, screen, wanted, news=True))
        self.screens.append(screen)
        return screen

    @property
    def sharing(self) -> int:
        """The number of observers that have no stream of their own."""
        [feed] = self.bridge._feeds.values()
        return feed.unseen + 1

    async def until_shared(self, number: int) -> None:
        """Type until so many share: each key tells those who have caught up."""
        deadline, turn = time.monotonic() + 30, 0
        while self.sharing != number:
            assert time.monotonic() < deadline, f"{self.sharing} of {number} share"
            self.typist.write(b"%d " % turn)
            await self.screen.until_output(b"%d " % turn)
            await asyncio.sleep(0.01)
            turn += 1

    async def all_same(self) -> None:
        # All at one moment: what is seen of one before the others may be old when they have come so far.
        await self.screen.until(lambda: all(one.end == self.screen.end for one in self.screens))
        for one in self.screens:
            assert one.output == self.screen.output[len(self.screen.output) - len(one.output) :]


async def reaches(one: Screen, other: Screen) -> None:
    await one.until(lambda: one.end == other.end)


async def is_told(one: Screen, condition: Callable[[Control], bool]) -> None:
    await one.until(lambda: any(map(condition, one.controls)))


@asynccontextmanager
async def watched(program: Path) -> AsyncIterator[Watched]:
    async with inside(program, by_socket=True) as place, bridge_to(place) as bridge:
        screen = Screen()
        found = Watched(place, bridge, await open_cat(bridge, screen), screen)
        for _ in range(OBSERVERS):
            await found.come()
        yield found


async def test_observers_come_to_share_one_stream_and_miss_nothing(program: Path) -> None:
    async with watched(program) as terminal:
        await terminal.until_shared(OBSERVERS)
        late = await terminal.come(3)
        terminal.typist.write(bytes(range(256)) * 40)
        await terminal.until_shared(OBSERVERS + 1)
        await terminal.all_same()
        assert late.start == 3


async def test_an_observer_that_reads_nothing_holds_nobody_up_and_catches_up(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "REST_SECONDS", 0)
    async with watched(program) as terminal:
        await terminal.until_shared(OBSERVERS)
        slow = terminal.sessions[2]
        slow.pause_output()
        for turn in range(40):
            terminal.typist.write(b"%06d" % turn * 4000)
            await terminal.typist.input_ready()
            await terminal.screen.until_output(b"%06d" % turn)
        for one in (*terminal.screens[:2], *terminal.screens[3:]):
            await reaches(one, terminal.screen)
        assert terminal.screens[2].end < terminal.screen.end
        slow.resume_output()
        await terminal.all_same()
        await terminal.until_shared(OBSERVERS)


async def test_a_broken_stream_is_made_again_for_all(program: Path) -> None:
    async with watched(program) as terminal:
        await terminal.until_shared(OBSERVERS)
        terminal.place.cut()
        terminal.typist.write(b"after the cut")
        await terminal.screen.until_output(b"after the cut")
        await terminal.all_same()


async def test_observers_are_told_of_sizes_news_and_the_end(program: Path) -> None:
    async with watched(program) as terminal:
        await terminal.until_shared(OBSERVERS)
        terminal.typist.resize(99, 33)
        for one in terminal.screens:
            await is_told(one, lambda said: said == Resized(99, 33))
        await terminal.bridge.rename_terminal(WORKSPACE, terminal.typist.terminal_id, "named")
        for one in terminal.screens:
            await is_told(one, lambda said: isinstance(said, News) and said.name == "named")
        [listed] = await terminal.bridge.list_terminals(WORKSPACE)
        assert listed.attached == OBSERVERS + 1
        terminal.sessions.pop().close()
        terminal.screens.pop()
        await terminal.bridge.close_terminal(WORKSPACE, terminal.typist.terminal_id)
        for one in terminal.screens:
            assert isinstance(await one.until_end(), Exited)
    assert terminal.bridge._feeds == {}


@asynccontextmanager
async def flooded(program: Path, observers: int) -> AsyncIterator[Watched]:
    """Open a terminal that prints much once it is typed to, and have observers share its stream."""
    async with inside(program, by_socket=True) as place, bridge_to(place) as bridge:
        screen = Screen()
        typist = await bridge.create_terminal_session(WORKSPACE, screen, Start(80, 24, FLOOD.decode()))
        terminal = Watched(place, bridge, typist, screen)
        for _ in range(observers):
            await terminal.come()
        [shared] = bridge._feeds.values()
        await screen.until(lambda: len(shared._joined) == observers)
        yield terminal


async def test_a_flood_is_handed_out_in_turns_of_bounded_size(program: Path) -> None:
    watchers = 3 * AT_ONCE
    async with flooded(program, watchers) as terminal:
        terminal.typist.write(b"\n")
        most = before = 0
        while not all(one.output.endswith(b"end") for one in terminal.screens):
            await asyncio.sleep(0)  # one turn of the event loop
            now = sum(len(one.output) for one in terminal.screens)
            most, before = max(most, now - before), now
        # What they share, and the streams of those who were found too slow meanwhile.
        assert most <= AT_ONCE * feed.ROUND_BYTES + feed.MOST_SLOW * OBSERVER_CREDIT_BYTES
        assert most < watchers * feed.ROUND_BYTES


async def test_observers_skip_what_cannot_be_handed_out_in_time_and_stay_together(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "SKIP_SECONDS", 0)
    async with flooded(program, OBSERVERS) as terminal:
        terminal.typist.write(b"\n")
        for one in terminal.screens:
            await one.until_output(b"end")
            gaps = [said for said in one.controls if isinstance(said, Gap)]
            assert gaps
            assert len(one.output) + sum(gap.end - gap.start for gap in gaps) == one.end == terminal.screen.end
        assert terminal.sharing == OBSERVERS
    assert not [said for said in terminal.screen.controls if isinstance(said, Gap)]


async def test_of_many_who_are_too_slow_a_few_read_on_and_the_others_skip(program: Path) -> None:
    async with flooded(program, OBSERVERS) as terminal:
        for slow in terminal.sessions:
            slow.pause_output()
        terminal.typist.write(b"\n")
        await terminal.screen.until_output(b"end")
        [shared] = terminal.bridge._feeds.values()
        assert len(shared._slow) == feed.MOST_SLOW
        for slow in terminal.sessions:
            slow.resume_output()
        for one in terminal.screens:
            await reaches(one, terminal.screen)
            assert one.output.endswith(b"end")


async def test_turns_are_given_in_order_and_so_many_in_a_period() -> None:
    turns, served, all_are = Turns(), list[int](), asyncio.Event()

    class Numbered(Waiting):
        def __init__(self, number: int) -> None:
            self.number = number

        @override
        def take_turn(self) -> None:
            served.append(self.number)
            if len(served) == 3 * AT_ONCE - 1:
                all_are.set()

    everybody = [Numbered(number) for number in range(3 * AT_ONCE)]
    for one in everybody:
        turns.ask(one)
    assert served == list(range(AT_ONCE))
    for one in everybody[AT_ONCE:]:
        turns.ask(one)  # asked twice, served once
    turns.forget(everybody[-1])
    await all_are.wait()
    assert served == list(range(3 * AT_ONCE - 1))
