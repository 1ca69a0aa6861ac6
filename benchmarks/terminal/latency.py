"""How long somebody who types waits."""

from __future__ import annotations

import asyncio
import random

from benchmarks.terminal.clients import Client
from benchmarks.terminal.figures import Result, latencies
from benchmarks.terminal.peers import OURS, PLAIN
from benchmarks.terminal.setting import Setting

WARM_UP_KEYS = 100


async def echo(setting: Setting) -> Result:
    """One key at a time through ``stty raw -echo; cat``; for every key the order of the peers is drawn anew."""
    clients = {peer: await setting.ways.open(peer) for peer in setting.peers}
    try:
        for client in clients.values():
            await client.echo_by_program()
        await _type_in_turn(clients, WARM_UP_KEYS)
        waits = await _type_in_turn(clients, setting.keys)
    finally:
        await setting.close(clients.values())
    result = Result({peer: latencies(seconds) for peer, seconds in waits.items()})
    if setting.has_both:
        result.claim("echo p50 / ssh", result.ratio(OURS, "p50 us", PLAIN), 1.6)
        result.claim("echo p99 / ssh", result.ratio(OURS, "p99 us", PLAIN), 2)
    return result


async def _type_in_turn(clients: dict[str, Client], keys: int) -> dict[str, list[float]]:
    waits: dict[str, list[float]] = {peer: [] for peer in clients}
    order = list(clients)
    for number in range(keys):
        random.shuffle(order)
        for peer in order:
            waits[peer].append(await clients[peer].keystroke(b"%c" % (97 + number % 26)))
            await asyncio.sleep(random.uniform(0.0005, 0.002))
    return waits
