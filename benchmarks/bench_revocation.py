"""Time from a revocation to the end of everything that is open by what was revoked.

The real web service over a real sshd and terminal holder. In every round a new person with a token opens one of each:
terminal, event socket, followed log, download, archive, uploads of each kind, a slow request body. Then, in turns, the
token is revoked, by another connection to the database as ``nixws token revoke`` does it from another process; the
session that they came with is signed out; the person is suspended; or the share by which they are in the workspace is
revoked, which ends all but what is their own. The time counts from before that until the client sees the end. Then the
same for SSH (tunnels of both kinds and connections at the gateway under a certificate, whose token or share is revoked;
others under a key that is removed) and for previews (a WebSocket, an endless answer), whose share is revoked. Prints a
row for each kind and each cause, and writes ``results/revocation.json`` with the machine described.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import selectors
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import uvloop
from open_things import KINDS, REVOKED, Open, Place, events, running_place, slow_body
from people_fixture import person
from preview_fixture import Place as Previews
from preview_fixture import previews, serving
from ssh_place import Framed, Plain, SshPlace, ssh_place
from test_previews import handshake

from nixos_workspaces.auth.policy import Principal, Role
from nixos_workspaces.auth.tokens import Tokens
from nixos_workspaces.services import open_tokens
from nixos_workspaces.web.http.access import rates
from nixos_workspaces.web.http.access.windows import Rate

RESULTS = Path(__file__).resolve().parent / "results"
MOST_SECONDS = 1.0
"""The promise."""
LEAST_OF_SSH = 40


def seconds_to_the_end(opened: dict[str, Open], started: float) -> dict[str, float]:
    """Read everything until it is over; return when that was."""
    ended: dict[str, float] = {}
    with selectors.DefaultSelector() as selector:
        for name, one in opened.items():
            selector.register(one.socket, selectors.EVENT_READ, name)
        while len(ended) < len(opened):
            ready = selector.select(10)
            assert ready, f"after 10 s still open: {sorted(opened.keys() - ended.keys())}"
            for key, _ in ready:
                opened[key.data].read()
                if opened[key.data].over:
                    ended[key.data] = time.perf_counter() - started
                    selector.unregister(key.fileobj)
    return ended


def measure(place: Place, rounds: int) -> dict[str, list[float]]:
    """Return the times of each kind, and of each cause."""
    causes = "token", "session", "user", "share"
    times: dict[str, list[float]] = {name: [] for name in (*(kind.__name__ for kind in KINDS), *map(_by, causes))}

    async def work() -> None:
        async with open_tokens(place.web.services.settings) as elsewhere:
            for number in range(rounds):
                await _round(place, elsewhere, number, causes[number % len(causes)], times)

    asyncio.run(work())
    return times


def _by(cause: str) -> str:
    return f"by_{cause}"


async def _round(place: Place, elsewhere: Tokens, number: int, cause: str, times: dict[str, list[float]]) -> None:
    # What an administrator has open does not depend on a share.
    role = Role.MEMBER if cause == "share" else Role.ADMIN
    who = person(place.web, f"round-{number}", role)
    with place.web.http() as http:
        wanted = {"with": f"user:{who.id}", "access": "editor"}
        share_id = http.post(f"{place.root}/shares", json=wanted).json()["share"]["id"] if cause == "share" else ""
        secret = who.token
        if cause == "session":
            secret = http.post("/api/nixos/login", json={"token": who.token}).json()["token"]
        kinds = [one for one in KINDS if cause != "share" or one not in {events, slow_body}]
        opened = {kind.__name__: kind(place, secret) for kind in kinds}
        if cause == "share":
            for one in opened.values():
                one.last_word = _OF_SHARE.get(one.last_word, one.last_word)
        try:
            started = time.perf_counter()
            match cause:
                case "token":
                    await elsewhere.revoke(who.token_id, principal=Principal(who.id, who.id))
                case "session":
                    http.post("/api/nixos/logout", headers={"Authorization": f"Bearer {secret}"}).raise_for_status()
                case "user":
                    http.patch(f"/api/nixos/users/{who.id}", json={"state": "suspended"}).raise_for_status()
                case _:
                    http.delete(f"{place.root}/shares/{share_id}").raise_for_status()
            for name, seconds in seconds_to_the_end(opened, started).items():
                times[name].append(seconds)
                times[_by(cause)].append(seconds)
        finally:
            for one in opened.values():
                one.close()


_OF_SHARE = {
    REVOKED: (4404).to_bytes(2, "big"),
    b'"unauthenticated"': b'"workspace_not_found"',
    b"HTTP/1.1 401": b"HTTP/1.1 404",
}
"""The last words where it is the share that ends, by those where it is the credential."""


def measure_ssh(place: SshPlace, rounds: int) -> dict[str, list[float]]:
    """Return the times of tunnels and of connections at the gateway."""
    kinds = "plain_tunnel", "framed_tunnel", "gateway_certificate", "gateway_key", "ssh_by_token", "ssh_by_share"
    times: dict[str, list[float]] = {kind: [] for kind in kinds}

    async def work() -> None:
        async with open_tokens(place.web.services.settings) as elsewhere:
            for number in range(rounds):
                for kind, seconds in (await _ssh_round(place, elsewhere, number)).items():
                    times[kind].append(seconds)

    asyncio.run(work())
    return times


async def _ssh_round(place: SshPlace, elsewhere: Tokens, number: int) -> dict[str, float]:
    who, by_share = person(place.web, f"round-{number}"), number % 2 == 1
    with place.web.http() as http:
        shares = f"/api/nixos/workspaces/{place.workspace}/shares"
        share_id = http.post(shares, json={"with": f"user:{who.id}", "access": "editor"}).json()["share"]["id"]
        plain, framed = Plain(place, 22, who.token), Framed(place, 22, who.token)
        for tunnel in (plain, framed):
            tunnel.recv()  # the greeting
        session = place.session(place.certified_key(who.token), "-l", place.workspace)
        opened = {"plain_tunnel": plain, "framed_tunnel": framed, "gateway_certificate": session.stderr}
        started = time.perf_counter()
        if by_share:
            http.delete(f"{shares}/{share_id}").raise_for_status()
        else:
            await elsewhere.revoke(who.token_id, principal=Principal(who.id, who.id))
        ended = _ends(opened, started)
    session.communicate()
    for tunnel in (plain, framed):
        tunnel.close()
    cause = "ssh_by_share" if by_share else "ssh_by_token"
    return {**ended, "gateway_key": _end_of_key(place), cause: max(ended.values())}


def measure_previews(place: Previews, rounds: int) -> dict[str, list[float]]:
    """Return the times of what is open in previews."""
    times: dict[str, list[float]] = {"preview_socket": [], "preview_stream": []}
    with serving() as app, place.web.http() as http:
        place.listen(3000, app)
        shares = f"/api/nixos/workspaces/{place.id}/shares"
        for number in range(rounds):
            who = person(place.web, f"round-{number}")
            wanted = {"with": f"user:{who.id}", "part": "port:3000"}
            share_id = http.post(shares, json=wanted).json()["share"]["id"]
            browser = place.opened(name=place.id, token=who.token)
            cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
            stream = f"GET /endless HTTP/1.1\r\nHost: {browser.host}\r\nCookie: {cookies}\r\n\r\n".encode()
            shake = handshake(browser.host, cookies, f"http://{browser.host}")
            with browser.raw(shake) as socket, browser.raw(stream) as endless:
                socket.recv(4096)
                endless.recv(4096)
                started = time.perf_counter()
                http.delete(f"{shares}/{share_id}").raise_for_status()
                for name, one in (("preview_socket", socket), ("preview_stream", endless)):
                    with suppress(ConnectionResetError):
                        while one.recv(1 << 16):
                            pass
                    times[name].append(time.perf_counter() - started)
    return times


def _ends(opened: dict[str, Any], started: float) -> dict[str, float]:
    """Return when something came from each: nothing but the end, or its reason, can."""
    ended: dict[str, float] = {}
    with selectors.DefaultSelector() as selector:
        for name, one in opened.items():
            selector.register(one, selectors.EVENT_READ, name)
        while selector.get_map():
            ready = selector.select(10)
            assert ready, f"after 10 s still open: {sorted(opened.keys() - ended.keys())}"
            for key, _ in ready:
                ended[key.data] = time.perf_counter() - started
                selector.unregister(key.fileobj)
    return ended


def _end_of_key(place: SshPlace) -> float:
    key, key_id = place.new_key()
    session = place.session(key)
    started = time.perf_counter()
    with place.web.http() as http:
        http.delete(f"/api/nixos/ssh-keys/{key_id}").raise_for_status()
    _ends({"key": session.stderr}, started)
    seconds = time.perf_counter() - started
    session.communicate()
    return seconds


def at(times: list[float], share: float) -> float:
    """Return a quantile in milliseconds."""
    ordered = sorted(times)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="how many tokens are revoked")
    rounds = parser.parse_args().rounds
    rates.SESSIONS_OF_ACCOUNT = Rate(100_000)  # more are made here than people make
    with tempfile.TemporaryDirectory(prefix="nixws-bench-") as data:
        Path(data).chmod(0o755)
        with running_place(Path(data)) as place:
            times = measure(place, rounds)
    with tempfile.TemporaryDirectory(prefix="nixws-bench-") as data:
        Path(data).chmod(0o755)
        with ssh_place(Path(data), uvloop.new_event_loop) as ssh:
            times |= measure_ssh(ssh, max(LEAST_OF_SSH, rounds // 4))
    with tempfile.TemporaryDirectory(prefix="nixws-bench-") as data, previews(Path(data)) as previewed:
        times |= measure_previews(previewed, max(LEAST_OF_SSH, rounds // 4))
    figures = {
        name: {"rounds": len(one), "p50_ms": at(one, 0.5), "p99_ms": at(one, 0.99), "max_ms": at(one, 1)}
        for name, one in times.items()
    }
    for name, figure in figures.items():
        print(f"{name:<20}", *(f"{label} {value:7.1f} " for label, value in figure.items()))
    RESULTS.mkdir(exist_ok=True)
    machine = {"kernel": platform.release(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    result = {"machine": machine, "revocations": rounds, "figures": figures}
    (RESULTS / "revocation.json").write_text(json.dumps(result, indent=2) + "\n")
    late = [name for name, figure in figures.items() if figure["p99_ms"] > MOST_SECONDS * 1000]
    if late:
        sys.exit(f"later than {MOST_SECONDS:g} s at the 99th percentile: {', '.join(late)}")


if __name__ == "__main__":
    main()
