"""How soon a workspace that the service has paused or stopped by itself serves what woke it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from system.service import Service, running_service
from waiting import until
from websockets.sync.client import ClientConnection, connect

PORT = 8000
SERVE = "systemd-run --user --quiet --unit=web python3 -m http.server 8000"
PAUSE = {"pause_after": "10s", "warn": "1s"}


def measured(settings: dict[str, str], rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each way."""
    # A twentieth of a minute: the service pauses by itself three seconds after the last work.
    with running_service(**settings, NIXWS_IDLE_PAUSE="0.05") as service:
        times = _from_pause(service, rounds)
    with running_service(**settings, NIXWS_IDLE_STOP="0.05") as service:
        return times | _from_stop(service, max(1, rounds // 2))


def _from_pause(service: Service, rounds: int) -> dict[str, list[float]]:
    made = service.create("waked", packages=["python3"], canaries=False)
    service.ssh(made, SERVE)
    login, session = _login(service), None
    times: dict[str, list[float]] = {}
    with _typed(service, made) as terminal:
        session = _Session(login)
        for number in range(rounds):
            ways: dict[str, Callable[[], None]] = {
                "from pause: a key in a terminal until its echo": lambda: _echo(terminal),
                "from pause: a key in an SSH session until its echo": session.echo,
                "from pause: a request until its answer": lambda: _page(service, made),
            }
            logins = {
                "from pause: a new SSH login until its output": lambda: _output(login),
                "running: a new SSH login until its output": lambda: _output(login),
            }
            for name, way in (ways | (logins if number % 4 == 0 else {})).items():
                if not name.startswith("running"):
                    _rests(service, made, "paused")
                times.setdefault(name, []).append(_timed(way))
        session.close()
    return times


def _from_stop(service: Service, rounds: int) -> dict[str, list[float]]:
    made = service.create("waked", canaries=False)
    login = _login(service)
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        _rests(service, made, "stopped")
        times.setdefault("from stop: a new terminal until its first output", []).append(
            _timed(lambda: _opened(service, made))
        )
        _rests(service, made, "stopped")
        times.setdefault("from stop: a new SSH login until its output", []).append(_timed(lambda: _output(login)))
    return times


def _timed(way: Callable[[], None]) -> float:
    began = time.perf_counter()
    way()
    return (time.perf_counter() - began) * 1000


def _rests(service: Service, made: dict[str, Any], status: str) -> None:
    """Wait until it rests again; what woke it last is served before its record says that it runs."""

    def has(wanted: str) -> bool:
        found = service.api("GET", "/workspaces")["workspaces"]
        return any(one["id"] == made["id"] and one["status"] == wanted for one in found)

    until("it runs", lambda: has("running"), 120, 0.05)
    until(f"it is {status}", lambda: has(status), 120, 0.3)
    time.sleep(0.3)  # what the service does behind the change is over


@contextmanager
def _typed(service: Service, made: dict[str, Any]) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{service.port}/ws/nixos/workspaces/{made['id']}/terminal"
    headers = {"Authorization": f"Bearer {service.token}"}
    with connect(url, additional_headers=headers, proxy=None) as terminal:
        terminal.send(json.dumps({"type": "input", "data": "stty raw -echo; echo rea''dy; exec cat\r"}))
        shown = ""
        while "ready" not in shown:
            shown += json.loads(terminal.recv(30)).get("data", "")
        yield terminal


def _echo(terminal: ClientConnection) -> None:
    terminal.send(json.dumps({"type": "input", "data": "x"}))
    while "x" not in json.loads(terminal.recv(60)).get("data", ""):
        pass


def _page(service: Service, made: dict[str, Any]) -> None:
    host = f"{PORT}--{made['name']}.localhost:{service.port}"
    answer = service.http.get(f"http://127.0.0.1:{service.port}/", headers={"Host": host})
    assert answer.status_code == 200, answer.text[:500]


def _login(service: Service) -> list[str]:
    """Return the words that log in at the gateway."""
    key = service.data.parent / "gateway.key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = Path(f"{key}.pub").read_text().strip()
    service.api("POST", "/ssh-keys", 201, json={"name": "bench", "public_key": public})
    options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
    port = service.settings["NIXWS_SSH_PORT"]
    return ["ssh", "-F", "none", "-o", "BatchMode=yes", *options, "-i", str(key), "-p", port, "waked@127.0.0.1"]


def _output(login: list[str]) -> None:
    done = subprocess.run(
        [*login, "echo awake"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120
    )
    assert done.stdout == b"awake\n", done.stderr


def _opened(service: Service, made: dict[str, Any]) -> None:
    url = f"ws://127.0.0.1:{service.port}/ws/nixos/workspaces/{made['id']}/terminal"
    with connect(
        url, additional_headers={"Authorization": f"Bearer {service.token}"}, proxy=None, open_timeout=120
    ) as terminal:
        while json.loads(terminal.recv(120))["type"] != "output":
            pass


class _Session:
    """One SSH session with a terminal whose program gives back every byte."""

    def __init__(self, login: list[str]) -> None:
        words = [*login[:-1], "-tt", login[-1], "stty raw -echo; echo rea''dy; exec cat"]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        said = b""
        while b"ready" not in said:
            said += self._read()

    def echo(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"x")
        while b"x" not in self._read():
            pass

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _read(self) -> bytes:
        assert self._process.stdout is not None
        data: bytes = self._process.stdout.read(4096)
        assert data, "the session has ended"
        return data
