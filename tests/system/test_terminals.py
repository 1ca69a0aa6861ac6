"""Terminals of a real workspace, through the service: nothing but their own end ends them."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from typing import Any

import pytest
from system.service import JSON, NIXWS, Service
from terminal_web import Viewer, viewer
from waiting import until

COUNT = "i=0; while :; do i=$((i+1)); echo n$i.; sleep 0.02; done"
BUILD = "cd ~/project && exec nice make --no-builtin-rules"
"""A long one: a hundred thousand compilations, each tells its number when it is done."""
MAKEFILE = """\
all: $(addsuffix .o,$(shell seq 100000))
%.o: part.c
\t@gcc -O1 -DPART=$* -c -o $@ part.c && rm $@ && echo n$*.
"""
PART = "int part(int n) { int sum = PART; while (n--) sum = sum * 31 + n; return sum; }\n"


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    """One workspace that these tests share."""
    made = service.create("terminals", cpu=1, memory=1, storage=0.5, packages=["vim", "gcc", "gnumake"])
    for name, content in (("Makefile", MAKEFILE), ("part.c", PART)):
        write = f"mkdir -p project && base64 -d > project/{name}"
        service.ssh(made, f"echo {base64.b64encode(content.encode()).decode()} | ({write})")
    yield made
    service.delete(made["id"])


def opened(service: Service, workspace: JSON, **options: Any) -> AbstractContextManager[Viewer]:
    headers = {"Authorization": f"Bearer {service.token}"}
    return viewer(service.url, workspace["id"], headers, **options)


def made(service: Service, workspace: JSON, **wanted: object) -> str:
    path = f"/workspaces/{workspace['id']}/terminals"
    return str(service.api("POST", path, 201, json=wanted)["terminal"]["id"])


def listed(service: Service, workspace: JSON) -> dict[str, JSON]:
    found = service.api("GET", f"/workspaces/{workspace['id']}/terminals")["terminals"]
    return {one["id"]: one for one in found}


def end_all(service: Service, workspace: JSON) -> None:
    for terminal in listed(service, workspace):
        service.api("DELETE", f"/workspaces/{workspace['id']}/terminals/{terminal}", 204)


def numbers(output: bytes | bytearray) -> list[int]:
    return [int(number) for number in re.findall(rb"n(\d+)\.", output)]


def count_to(client: Viewer, length: int) -> None:
    client.until(lambda: len(numbers(client.output)) >= length)


def assert_counts(output: bytes | bytearray, *, at_least: int) -> None:
    counted = numbers(output)
    assert counted == [*range(counted[0], counted[0] + len(counted))]
    assert len(counted) >= at_least


def test_the_specified_session_is_a_login_shell_of_the_user(service: Service, workspace: JSON) -> None:
    terminal = service.api("GET", f"/workspaces/{workspace['id']}/terminal")["terminal"]
    assert terminal["username"] == "nixos"
    assert (terminal["ssh_host"], terminal["ssh_port"]) == (workspace["ssh_info"]["host"], 22)
    assert terminal["websocket_url"].startswith(f"ws://127.0.0.1:{service.port}/ws/nixos/workspaces/ws-")
    with opened(service, workspace) as client:
        client.type("id -un; pwd; tty; hostname; echo $TERM $SHELL $PATH; env | grep -c -e ^SSH_ -e ^INVOCATION\n")
        client.until_output(f"{workspace['name']}\r\nxterm-256color ")
        client.until_output("\r\n0\r\n")
        shown = client.output.decode()
        assert "nixos\r\n/home/nixos\r\n/dev/pts/" in shown
        assert "/run/current-system/sw/bin" in shown
        client.type("sudo id -u; exit 4\n")
        assert client.until_said("exit")["code"] == 4
        assert "\r\n0\r\n" in client.output.decode()
        assert client.close_code() == 1000


def test_the_holder_is_a_service_that_does_not_slow_the_boot(service: Service, workspace: JSON) -> None:
    assert service.ssh(workspace, "systemctl is-system-running") == "running"
    assert service.ssh(workspace, "systemctl show -p User -p OOMPolicy -p Restart --value nixws-terminals") in {
        "always\ncontinue\nnixos",
        "always\nnixos\ncontinue",
    }
    assert service.ssh(workspace, "stat -c '%U %a' /run/nixws-terminals /run/nixws-terminals/holder.sock").split() == [
        "nixos",
        "700",
        "nixos",
        "600",
    ]


def test_the_service_has_a_door_of_its_own_to_sshd_and_does_without_it(service: Service, workspace: JSON) -> None:
    listed = "systemctl list-units --no-legend --plain --state=running 'nixws-sshd@*' | wc -l"
    files = f"/workspaces/{workspace['id']}/files?path=/home/nixos"
    assert service.api("GET", files)["files"]
    assert int(service.ssh(workspace, listed)) >= 1
    service.ssh(workspace, "sudo systemctl stop nixws-sshd.socket 'nixws-sshd@*'")
    assert service.api("GET", files)["files"]
    assert service.ssh(workspace, listed) == "0"
    service.ssh(workspace, "sudo systemctl start nixws-sshd.socket; sudo pkill -KILL -f '[s]shd: nixos'", check=False)
    assert service.api("GET", files)["files"]
    assert int(service.ssh(workspace, listed)) >= 1


def test_a_terminal_needs_no_sshd_once_it_is_open(service: Service, workspace: JSON) -> None:
    """The engine gave the service a socket of the holder's: what is typed and printed passes nothing else."""
    sshd = "sshd.service nixws-sshd.socket"
    with opened(service, workspace) as client:
        client.type(
            f"sudo systemctl stop {sshd} 'nixws-sshd@*'; sudo pkill -KILL -x sshd; echo $(pgrep -c sshd) left\n"
        )
        client.until_output("\r\n0 left")
        client.type(f"sudo systemctl start {sshd}; echo $(systemctl is-active {sshd}) again\n")
        client.until_output("active active again")
    end_all(service, workspace)


def kill_serve(service: Service, _workspace: JSON) -> None:
    os.kill(service.pid_of("serve"), signal.SIGKILL)
    until("the service answers again", service.answers)


def restart_service(service: Service, _workspace: JSON) -> None:
    service.stop()
    service.start()


def restart_sshd(service: Service, workspace: JSON) -> None:
    service.ssh(workspace, "sudo systemctl restart sshd; sudo pkill -KILL -f '[s]shd: ' ", check=False)


def upgrade_holder(service: Service, workspace: JSON) -> None:
    before = service.ssh(workspace, "systemctl show -p MainPID --value nixws-terminals")
    service.ssh(workspace, "sudo systemctl reload nixws-terminals")
    assert service.ssh(workspace, "systemctl is-active nixws-terminals") == "active"
    assert service.ssh(workspace, "systemctl show -p MainPID --value nixws-terminals") == before


def pause_and_resume(service: Service, workspace: JSON) -> None:
    service.api("POST", f"/workspaces/{workspace['id']}/pause", 202)
    service.reaches(workspace["id"], "paused")
    service.api("POST", f"/workspaces/{workspace['id']}/resume", 202)
    service.reaches(workspace["id"], "running")


@pytest.mark.parametrize("blow", [kill_serve, restart_service, restart_sshd, upgrade_holder, pause_and_resume])
def test_twenty_terminals_survive(service: Service, workspace: JSON, blow: Callable[[Service, JSON], None]) -> None:
    """An editor, a build, work that waits: all go on, and who comes back gets exactly what was missed."""
    commands = ["vim -u NONE -N /tmp/edited", COUNT, "echo asleep; exec sleep 100000", ""] * 4
    commands += ["vim -u NONE -N /tmp/edited", BUILD, "exec sleep 100000", ""]
    terminals = [made(service, workspace, command=command) for command in commands]
    counting = [one for one, command in zip(terminals, commands, strict=True) if command in {COUNT, BUILD}]
    seen: dict[str, Viewer] = {}
    with ExitStack() as open_clients:
        for terminal in counting:
            client = open_clients.enter_context(opened(service, workspace, session=terminal, acknowledges=True))
            client.until_output("n10.")
            seen[terminal] = client
        before = listed(service, workspace)
        blow(service, workspace)
        if blow in {restart_sshd, upgrade_holder, pause_and_resume}:
            for client in seen.values():
                more = len(numbers(client.output)) + 20
                count_to(client, more)
                assert_counts(client.output, at_least=30)
    after = listed(service, workspace)
    for terminal, command in zip(terminals, commands, strict=True):
        assert after[terminal]["exit_status"] is None, after[terminal]
        assert (after[terminal]["start"], after[terminal]["created_at"]) == (0, before[terminal]["created_at"])
        if command.startswith("vim"):
            assert "vim" in after[terminal]["process"]
    for terminal, gone in seen.items():
        with opened(service, workspace, session=terminal, offset=gone.end, acknowledges=True) as client:
            count_to(client, 20)
            assert client.session["offset"] == gone.end
            assert_counts(gone.output + client.output, at_least=30)
    with opened(service, workspace, session=terminals[3]) as shell:
        shell.type("echo $((6*7))\n")
        shell.until_output("42\r\n")
    end_all(service, workspace)


def test_stopping_the_holder_waits_for_no_shell(service: Service, workspace: JSON) -> None:
    """Stopping a workspace with open shells would take as long as a unit has to stop."""
    for _ in range(4):
        for _ in range(3):
            made(service, workspace)
        service.ssh(workspace, "sudo systemctl stop nixws-terminals")
        assert service.ssh(workspace, "systemctl show -p Result --value nixws-terminals") == "success"
        service.ssh(workspace, "sudo systemctl start nixws-terminals")
        until("there is a holder again", lambda: _opens(service, workspace))
    end_all(service, workspace)


def test_a_crash_of_the_holder_ends_its_terminals_and_it_comes_back(service: Service, workspace: JSON) -> None:
    with opened(service, workspace) as client:
        service.ssh(workspace, "sudo systemctl kill -s KILL nixws-terminals")
        assert client.close_code() in {4404, 4503}
    until("there is a holder again", lambda: _opens(service, workspace))
    end_all(service, workspace)


def _opens(service: Service, workspace: JSON) -> bool:
    path = f"{service.url}/api/nixos/workspaces/{workspace['id']}/terminals"
    return service.http.post(path, json={}).status_code == 201


def test_a_process_that_takes_all_memory_does_not_end_the_terminals(service: Service, workspace: JSON) -> None:
    waiting = made(service, workspace, command="echo there; exec sleep 100000")
    greedy = made(service, workspace, command="tail /dev/zero; echo killed:$?; exec sleep 100000")
    with opened(service, workspace, session=greedy) as client:
        client.until_output("killed:137")
    after = listed(service, workspace)
    assert (after[waiting]["exit_status"], after[greedy]["exit_status"]) == (None, None)
    end_all(service, workspace)


def test_a_workspace_that_stops_says_so_to_its_clients(service: Service, workspace: JSON) -> None:
    with opened(service, workspace) as client:
        service.api("POST", f"/workspaces/{workspace['id']}/stop", 202)
        assert client.close_code() == 4409
    service.reaches(workspace["id"], "stopped")
    with opened(service, workspace) as client:
        assert client.close_code() == 4409
    assert service.http.get(f"{service.url}/api/nixos/workspaces/{workspace['id']}/terminal").status_code == 409
    service.api("POST", f"/workspaces/{workspace['id']}/start", 202)
    service.reaches(workspace["id"], "running")
    assert listed(service, workspace) == {}


class LocalTerminal:
    """``nixws terminal attach`` on a PTY, as a person uses it."""

    def __init__(self, service: Service, *words: str) -> None:
        self._master, slave = pty.openpty()
        self.shown = b""
        self.resize(80, 24)
        # setsid makes the PTY the program's own: only then it hears that the window has another size
        command = ["setsid", "--ctty", "--wait", str(NIXWS), "terminal", "attach", *words]
        self._process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=service.environment())
        os.close(slave)

    def resize(self, cols: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def type(self, data: bytes) -> None:
        os.write(self._master, data)

    def until(self, wanted: bytes, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while wanted not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self._master], [], [], 0.1)[0]:
                self.shown += os.read(self._master, 65536)

    def end(self) -> int:
        """Return its exit code."""
        return self._process.wait(30)

    def close(self) -> None:
        """Close the window, whatever still runs in it."""
        os.close(self._master)
        self._process.kill()
        self._process.wait(30)


def sized(service: Service, workspace: JSON, cols: int, rows: int) -> list[str]:
    """Return the terminals of a size."""
    return [key for key, one in listed(service, workspace).items() if (one["cols"], one["rows"]) == (cols, rows)]


def test_the_command_line_attaches_detaches_and_kills(service: Service, workspace: JSON) -> None:
    before = listed(service, workspace).keys()
    with closing(LocalTerminal(service, workspace["name"])) as one:
        one.until(b"$ ")
        one.type(b"echo $((20+3)) here\n")
        one.until(b"23 here")
        one.resize(111, 33)
        [terminal] = until("the window's size is the terminal's", lambda: sized(service, workspace, 111, 33))
        one.type(b"stty size\n")
        one.until(b"33 111")
        one.type(b"\x1dd")
        one.until(b"detached")
        assert one.end() == 0
    assert listed(service, workspace).keys() - before == {terminal}
    assert json.loads(service.nixws("--json", "terminal", "list", workspace["name"]))[-1]["id"] == terminal
    with closing(LocalTerminal(service, workspace["name"], terminal[:6])) as again:
        again.until(b"23 here")
        again.type(b"exit 9\n")
        again.until(b"logout")
        assert again.end() == 9, again.shown
    sleeping = made(service, workspace, command="exec sleep 100000", name="sleeping")
    service.nixws("terminal", "kill", workspace["name"], "sleeping")
    until(
        "it has ended", lambda: listed(service, workspace).get(sleeping, {"exit_status": 0})["exit_status"] is not None
    )
