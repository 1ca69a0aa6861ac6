"""SSH from anywhere beside plain ssh to the same sshd: a key's echo, bytes a second, and how soon a revocation ends it.

The real service, a real workspace. ``plain`` is OpenSSH to the workspace's routed address, ``tunnel`` OpenSSH with the
connection that ``nixws ssh --stdio`` hands it, ``framed`` through ``nixws ssh --stdio``, as over TLS, ``gateway``
OpenSSH to the service's SSH port. Keys are typed one by one, the ways in turn, so that whatever else the machine does
meets all of them. Prints the figures and writes ``results/ssh.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import select
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import httpx2

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from system.service import NIXWS, Service, free_port, running_service  # noqa: E402  found by the line before

RESULTS = Path(__file__).resolve().parent / "results"
MOST_RATIO = 1.5
"""The promise for a key's echo."""
MOST_SECONDS = 1.0
"""The promise for the end of what is open under a revoked token."""
KEYS_AT_ONCE = 50


class Typist:
    """One SSH session with a terminal whose program gives back every byte."""

    def __init__(self, words: list[str]) -> None:
        program = "stty raw -echo; echo ready; exec cat"
        self.process = subprocess.Popen([*words, "-tt", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in: IO[bytes] = self.process.stdin
        self._out = self.process.stdout.fileno()
        said = b""
        while b"ready" not in said:
            said += self._read()
        time.sleep(0.5)  # the line end behind it

    def type(self) -> float:
        """Type one key; return the microseconds until it is back."""
        started = time.perf_counter()
        self._in.write(b"x")
        self._in.flush()
        while b"x" not in self._read():
            pass
        return (time.perf_counter() - started) * 1e6

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _read(self) -> bytes:
        data = os.read(self._out, 65536)
        assert data, "the session has ended"
        return data


def ways(service: Service, workspace: dict[str, Any], home: Path) -> dict[str, list[str]]:
    """Return the words of each way's ssh, up to the host."""
    ssh = home / ".ssh"
    ssh.mkdir(parents=True)
    env = service.environment() | {"HOME": str(home)}
    subprocess.run([NIXWS, "config-ssh"], env=env, check=True, stdout=subprocess.DEVNULL)
    key, known = ssh / "nixws/default.key", ssh / "nixws/default.known_hosts"
    address = service.show(workspace["id"])["ssh_info"]["host"]
    common = ["ssh", "-F", "none", "-i", str(key), "-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes"]
    return {
        "plain": [*common, "-o", "HostKeyAlias=demo.nixws", f"nixos@{address}"],
        "tunnel": ["ssh", "-F", str(ssh / "config"), "demo.nixws"],
        "framed": ["ssh", "-F", str(ssh / "config"), "-o", "ProxyUseFdpass=no", "demo.nixws"],
        "gateway": [
            *common, "-o", "HostKeyAlias=_gateway.nixws", "-p", service.settings["NIXWS_SSH_PORT"], "demo@127.0.0.1",
        ],
    }  # fmt: skip


def echo(each: dict[str, list[str]], keys: int) -> dict[str, list[float]]:
    """Return the echo times of each way in microseconds."""
    typists = {name: Typist(words) for name, words in each.items()}
    times: dict[str, list[float]] = {name: [] for name in each}
    try:
        for _ in range(keys // KEYS_AT_ONCE + 1):
            for name in random.sample(sorted(typists), len(typists)):
                typists[name].type()  # the first one after a pause finds cold caches
                times[name] += [typists[name].type() for _ in range(KEYS_AT_ONCE)]
    finally:
        for one in typists.values():
            one.close()
    return times


def speed(words: list[str], megabytes: int) -> float:
    """Return the MB/s of a download."""
    started = time.perf_counter()
    subprocess.run([*words, f"head -c {megabytes}000000 /dev/zero"],
                          check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    return megabytes / (time.perf_counter() - started)


def end_after_revocation(service: Service, home: Path) -> float:
    """Return the seconds from the sending of a revocation until ssh, whose tunnel was open, has ended."""
    token = service.nixws("token", "create", "brief").strip()
    (home / ".ssh").mkdir(parents=True)
    env = service.environment() | {"HOME": str(home), "NIXWS_TOKEN": token}
    subprocess.run([NIXWS, "config-ssh"], env=env, check=True, stdout=subprocess.DEVNULL)
    typist = Typist(["ssh", "-F", str(home / ".ssh/config"), "-o", "LogLevel=ERROR", "demo.nixws"])
    ended = os.pidfd_open(typist.process.pid)
    started = time.perf_counter()
    # Who logs out revokes the token that they do it with.
    headers = {"Authorization": f"Bearer {token}"}
    httpx2.post(f"{service.url}/api/nixos/logout", headers=headers).raise_for_status()
    assert select.select([ended], [], [], 30)[0], "ssh goes on"
    seconds = time.perf_counter() - started
    os.close(ended)
    typist.close()
    return seconds


def main() -> None:
    """Measure and write the results."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keys", type=int, default=2000)
    options.add_argument("--megabytes", type=int, default=200)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    with running_service(NIXWS_SSH_PORT=str(free_port())) as service:
        workspace = service.create("demo")
        each = ways(service, workspace, service.data.parent / "home")
        times = echo(each, chosen.keys)
        speeds = {
            name: statistics.median(speed(words, chosen.megabytes) for _ in range(chosen.rounds))
            for name, words in each.items()
        }
        ended = [end_after_revocation(service, service.data.parent / f"home{n}") for n in range(chosen.rounds)]
    figures = {
        name: {
            "p50 us": round(statistics.median(times[name]), 1),
            "p99 us": round(sorted(times[name])[int(len(times[name]) * 0.99)], 1),
            "MB/s": round(speeds[name], 1),
            "echo p50 / plain": round(statistics.median(times[name]) / statistics.median(times["plain"]), 3),
        }
        for name in each
    }
    machine = {"kernel": platform.release(), "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}
    print(json.dumps(figures), ended, flush=True)
    claims = {
        **{
            f"echo p50 of {name} / plain": (figures[name]["echo p50 / plain"], MOST_RATIO)
            for name in ("tunnel", "gateway")
        },
        "seconds from a revocation to the end, worst": (round(max(ended), 3), MOST_SECONDS),
    }
    stated = [
        {"claim": what, "found": found, "most": most, "kept": found <= most} for what, (found, most) in claims.items()
    ]
    result = {"machine": machine, "amounts": vars(chosen), "figures": figures, "claims": stated}
    (RESULTS / "ssh.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
