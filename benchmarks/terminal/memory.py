"""What terminals cost the service and the workspace's terminal holder."""

from __future__ import annotations

import asyncio
import random

from benchmarks.terminal.clients import OurClient, now
from benchmarks.terminal.far_end import resident_kib
from benchmarks.terminal.figures import Result
from benchmarks.terminal.flooder import FLOOD
from benchmarks.terminal.peers import OURS
from benchmarks.terminal.setting import Setting

_FLOW_SECONDS = 2.0


async def stalled(setting: Setting) -> Result:
    """Growth while a client that has not read a byte is attached to a flooding terminal, alone.

    The terminal flooded before with a client that reads, so that what every flood costs, the holder's ring of 4 MiB
    above all, is not counted: what is left is what the stalled client costs.
    """
    pids = {"serve": setting.place.serve_pid(), "holder": setting.place.holder_pid()}
    result = Result()
    for peer in setting.ours:
        async with setting.opened((peer,)) as clients:
            reader = clients[peer]
            assert isinstance(reader, OurClient)
            reader.send(FLOOD.encode() + b"\r")
            await asyncio.sleep(_FLOW_SECONDS)
            before = {name: resident_kib(pid) for name, pid in pids.items()}
            client = await setting.ways.attach(peer, reader.session["id"], 0, reads=False)
            await reader.close()
            most = dict(before)
            end = now() + setting.seconds
            while now() < end:
                await asyncio.sleep(0.05)
                most = {name: max(most[name], resident_kib(pid)) for name, pid in pids.items()}
            assert client.received == 0
            await client.close()
        result.figures[peer] = {f"{name} grew KiB": most[name] - before[name] for name in pids}
        for name in pids:
            result.claim(f"{name} grew by MB, {peer}", result.figures[peer][f"{name} grew KiB"] * 1024 / 1e6, 1)
    return result


async def crowd(setting: Setting) -> Result:
    """Many idle terminals of one user at once: each answers, and what each costs a ``serve`` that had one before."""
    await asyncio.to_thread(setting.place.start_anew)
    serve = setting.place.serve_pid()
    async with setting.opened((OURS,)):
        before = resident_kib(serve)
    started = now()
    async with setting.opened({f"{OURS} {number}": OURS for number in range(setting.terminals)}) as clients:
        opening = now() - started
        await asyncio.sleep(2)
        each = (resident_kib(serve) - before) / setting.terminals
        word = random.randbytes(4).hex()
        for client in clients.values():
            await client.run(f"echo {word[:4]}''{word[4:]}", word.encode())
    figures = {"terminals": len(clients), "opened a second": len(clients) / opening, "serve KiB each": each}
    result = Result({OURS: figures})
    result.claim(f"KB of serve for one of {setting.terminals} idle terminals", each * 1.024, 150)
    result.claim("terminals open and answering at once", len(clients), setting.terminals, at_least=True)
    return result
