"""Much output: how fast it comes, how soon it can be stopped, how soon it is there again."""

from __future__ import annotations

import asyncio

from benchmarks.terminal.clients import ANSWER_SECONDS, Client, OurClient, now
from benchmarks.terminal.far_end import COLOURS, COLOURS_BYTES
from benchmarks.terminal.figures import Result, latencies, middle, shuffled
from benchmarks.terminal.peers import OURS, PLAIN
from benchmarks.terminal.setting import Setting

SLOW = 5e6
"""Bytes a second that a browser draws at its best."""
FLOOD_SECONDS = 1.0
_SILENCE_SECONDS = 0.4
"""Between two floods: their commands are typed, and our floods make room for whoever typed elsewhere just now, which is
``neighbour``'s matter."""
REPLAYED = 4 << 20


async def flood(setting: Setting) -> Result:
    """MB/s of short lines, one endless line, and colours with several alphabets; the client reads as fast as it can."""
    amount = int(setting.megabytes * 1e6)
    kinds = {
        "seq": f"seq 1 {amount // 9}",
        "line": f"head -c {amount} /dev/zero | tr '\\0' x",
        "colours": f"for i in $(seq {max(1, amount // COLOURS_BYTES)}); do cat {COLOURS}; done",
    }
    speeds: dict[str, dict[str, list[float]]] = {peer: {kind: [] for kind in kinds} for peer in setting.peers}
    async with setting.opened(setting.peers) as clients:
        for _ in range(4 * setting.rounds):  # single rounds vary by half
            for kind, command in kinds.items():
                for peer in shuffled(clients):
                    await asyncio.sleep(_SILENCE_SECONDS)
                    speeds[peer][kind].append(await _stream(clients[peer], command))
    result = Result({peer: {f"{kind} MB/s": middle(speeds[peer][kind]) for kind in kinds} for peer in setting.peers})
    if setting.has_both:
        for kind in kinds:
            result.claim(f"flood of {kind} / ssh", result.ratio(OURS, f"{kind} MB/s", PLAIN), 1, at_least=True)
    return result


async def _stream(client: Client, command: str) -> float:
    """Return the MB/s between two marks around a command's output."""
    started = await client.run(f"echo ST''ART; {command}; echo; echo EN''D", b"START\r\n")
    before = client.received
    ended = await asyncio.wait_for(client.expect(b"END\r\n"), ANSWER_SECONDS)
    return (client.received - before) / (ended - started) / 1e6


async def interrupt(setting: Setting) -> Result:
    """From Ctrl-C in a flood to the prompt, with a client that reads no more than 5 MB/s."""
    waits: dict[str, list[float]] = {peer: [] for peer in setting.peers}
    async with setting.opened(setting.peers) as clients:
        for _ in range(setting.rounds):
            for peer in shuffled(clients):
                client = clients[peer]
                client.speed = SLOW
                client.send(b"seq 1 1000000000\r")
                await asyncio.sleep(FLOOD_SECONDS)
                waits[peer].append(await client.interrupt())
                client.speed = None
    result = Result({peer: latencies(seconds, unit="ms") for peer, seconds in waits.items()})
    if setting.has_both:
        result.claim("Ctrl-C in a flood / ssh", result.ratio(OURS, "p50 ms", PLAIN), 0.3)
    return result


async def replay(setting: Setting) -> Result:
    """Attaching to a terminal until its last 4 MiB are there: from connecting, and from the ``session`` message."""
    connecting: dict[str, list[float]] = {peer: [] for peer in setting.ours}
    attached: dict[str, list[float]] = {peer: [] for peer in setting.ours}
    async with setting.opened(setting.ours[:1]) as clients:
        (client,) = clients.values()
        assert isinstance(client, OurClient)
        await client.run(f"seq 1 {REPLAYED // 4}; echo; echo EN''D", b"END\r\n")
        await asyncio.sleep(0.5)  # nothing marks the end of a prompt
        start = client.session["offset"] + client.received - REPLAYED
        for _ in range(4 * setting.rounds):
            for peer in shuffled(setting.ours):
                started = now()
                second = await setting.ways.attach(peer, client.session["id"], start)
                came = await asyncio.wait_for(second.has_received(REPLAYED), ANSWER_SECONDS)
                connecting[peer].append(came - started)
                attached[peer].append(came - second.session_came)
                await second.close()
    result = Result()
    for peer in setting.ours:
        since_session = {f"{name} of session": value for name, value in latencies(attached[peer], unit="ms").items()}
        result.figures[peer] = latencies(connecting[peer], unit="ms") | since_session
    result.claim("replay of 4 MiB, ms from connecting", result.figures[setting.ours[0]]["p50 ms"], 50)
    return result
