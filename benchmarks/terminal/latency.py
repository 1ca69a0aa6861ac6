"""How long somebody who types waits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack

from benchmarks.terminal.clients import Client, now
from benchmarks.terminal.figures import Result, latencies, middle, shuffled
from benchmarks.terminal.flooder import flooder
from benchmarks.terminal.peers import OURS, PLAIN
from benchmarks.terminal.setting import Setting

WARM_UP_KEYS = 100
WORD_KEYS = 20
"""Keys in one terminal before it is the next one's turn: people type words, and seven servers that take turns at single
keys would measure each other's claims on the processor's caches."""


async def echo(setting: Setting) -> Result:
    """Keys through ``stty raw -echo; cat``, a word in one terminal, then in the next; their order is drawn anew."""
    async with setting.opened(setting.peers) as clients:
        for client in clients.values():
            await client.echo_by_program()
        await _type_in_turn(clients, WARM_UP_KEYS)
        waits = await _type_in_turn(clients, setting.keys)
    result = Result({peer: latencies(seconds) for peer, seconds in waits.items()})
    if setting.has_both:
        result.claim("echo p50 / ssh", result.ratio(OURS, "p50 us", PLAIN), 1.6)
        result.claim("echo p99 / ssh", result.ratio(OURS, "p99 us", PLAIN), 2)
    return result


async def _type_in_turn(clients: Mapping[str, Client], keys: int) -> dict[str, list[float]]:
    waits: dict[str, list[float]] = {peer: [] for peer in clients}
    for _ in range(keys // WORD_KEYS):
        for peer in shuffled(clients):
            waits[peer] += await _type(clients[peer], WORD_KEYS)
    return waits


async def _type(client: Client, keys: int) -> list[float]:
    waits = []
    for _ in range(keys):
        waits.append(await client.keystroke(b"%c" % random.randrange(97, 123)))
        await asyncio.sleep(random.uniform(0.0005, 0.002))
    return waits


async def neighbour(setting: Setting) -> Result:
    """The same in a quiet terminal while another one of the same peer floods; twice the keys, one peer at a time."""
    keys = setting.keys // 2 // setting.rounds
    waits: dict[str, list[float]] = {peer: [] for peer in setting.peers}
    speeds: dict[str, list[float]] = {peer: [] for peer in setting.peers}
    async with setting.opened(setting.peers) as clients, AsyncExitStack() as stack:
        neighbours = {peer: await stack.enter_async_context(flooder(setting.ways, peer)) for peer in setting.peers}
        for client in clients.values():
            await client.echo_by_program()
        for _ in range(4 * setting.rounds):
            for peer in shuffled(clients):
                await neighbours[peer].tell()
                waits[peer] += await _type(clients[peer], keys)
                speeds[peer].append(await neighbours[peer].tell())
    result = Result({peer: latencies(waits[peer]) | {"flood MB/s": middle(speeds[peer])} for peer in setting.peers})
    if setting.has_both:
        result.claim("echo p99 beside a flood / ssh", result.ratio(OURS, "p99 us", PLAIN), 1.5)
    return result


async def typists(setting: Setting) -> Result:
    """Many terminals open of each kind; in turn the ones and the others type at 5 keys a second each."""
    peers = tuple(peer for peer in (PLAIN, OURS) if peer in setting.peers)
    names = {f"{peer} {number}": peer for peer in peers for number in range(setting.typists)}
    waits: dict[str, list[float]] = {peer: [] for peer in peers}
    async with setting.opened(names) as clients:
        for client in clients.values():
            await client.echo_by_program()
        for _ in range(4 * setting.rounds):  # the slowest hundredth is what else the machine does
            for peer in shuffled(peers):
                own = [clients[name] for name, its in names.items() if its == peer]
                for typed in await asyncio.gather(*(_type_slowly(client, setting.seconds) for client in own)):
                    waits[peer] += typed
    result = Result({peer: latencies(waits[peer]) | {"typists": setting.typists} for peer in peers})
    if setting.has_both:
        result.claim(f"{setting.typists} typists p99 / ssh", result.ratio(OURS, "p99 us", PLAIN), 1.5)
    return result


async def _type_slowly(client: Client, seconds: float) -> list[float]:
    waits = []
    end = now() + seconds
    await asyncio.sleep(random.uniform(0, 0.2))
    while (begun := now()) < end:
        waits.append(await client.keystroke(b"k"))
        await asyncio.sleep(max(0, begun + random.uniform(0.15, 0.25) - now()))
    return waits


async def prompt(setting: Setting) -> Result:
    """From opening a terminal to its first prompt: ours with a warm connection, the others as always."""
    waits: dict[str, list[float]] = {peer: [] for peer in setting.peers}
    async with setting.opened(setting.ours):
        for _ in range(4 * setting.rounds):
            for peer in shuffled(setting.peers):
                started = now()
                client = await setting.ways.open(peer)
                waits[peer].append(now() - started)
                await client.close()
    result = Result({peer: latencies(seconds, unit="ms") for peer, seconds in waits.items()})
    if setting.has_both:
        result.claim("first prompt / a new ssh", result.ratio(OURS, "p50 ms", PLAIN), 0.1)
    return result
