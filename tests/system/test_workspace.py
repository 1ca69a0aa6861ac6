"""A workspace from its creation to its end, as a user meets it: real Nix, container, volume, sshd, database."""

from __future__ import annotations

import base64
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from system.service import JSON, Service
from waiting import until

SPECIFIED: dict[str, Any] = {
    "cpu": 2,
    "memory": 4,
    "storage": 20,
    "template": "development",
    "packages": ["nodejs", "python3", "git"],
}
SMALL_PACKAGES = ("bc", "file", "gawk", "jq", "nano", "patch", "rsync", "strace", "tree", "unzip", "which", "zip")


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    """One small running workspace that tests share and leave as they found it."""
    made = service.create("shared", cpu=1, memory=0.5, storage=0.5)
    yield made
    service.delete(made["id"])


def test_the_specified_workspace_has_its_programs_out_of_the_store(service: Service) -> None:
    """The specification's create request ends in a machine in which ssh finds exactly those programs."""
    made = service.create("my-dev-env", **SPECIFIED)
    try:
        assert made["config"] == {"cpu": 2, "memory": 4, "storage": 20} | {
            key: value for key, value in made["config"].items() if key not in {"cpu", "memory", "storage"}
        }
        said = service.ssh(
            made, "git --version; python3 --version; node --version; readlink -f $(which node git python3)"
        )
        lines = said.splitlines()
        assert lines[0].startswith("git version ")
        assert lines[1].startswith("Python 3.")
        assert lines[2].startswith("v")
        assert len(lines) == 6
        assert all(path.startswith("/nix/store/") for path in lines[3:])
    finally:
        service.delete(made["id"])


def test_nothing_of_the_host_is_visible(service: Service, workspace: JSON) -> None:
    """Its own processes only, none of the host's files, mounts or services."""
    marker = Path("/var/tmp") / f"nixws-host-{os.getpid()}"
    marker.write_text("host")
    try:
        assert service.ssh(workspace, f"ls {marker} 2>&1 || true").endswith("No such file or directory")
    finally:
        marker.unlink()
    processes = service.ssh(workspace, "cat /proc/[0-9]*/comm | sort -u").split("\n")
    assert "systemd" in processes
    assert not {"nixws", "python", "python3", "nix-daemon"} & set(processes)
    assert service.ssh(workspace, "ls /usr/bin /home").split() == ["/home:", "nixos", "/usr/bin:", "env"]
    assert {path.name for path in Path("/").iterdir()} - set(service.ssh(workspace, "ls -a /").split()) >= {
        "boot",
        "opt",
    }
    assert service.ssh(workspace, "hostname") == "shared"
    assert service.ssh(workspace, "systemctl is-system-running --wait") == "running"


def test_what_is_in_the_home_directory_survives_a_stop(service: Service, workspace: JSON) -> None:
    service.ssh(workspace, "echo kept > ~/note; sync")
    service.api("POST", f"/workspaces/{workspace['id']}/stop", 202)
    service.reaches(workspace["id"], "stopped")
    service.api("POST", f"/workspaces/{workspace['id']}/start", 202)
    again = service.reaches(workspace["id"], "running")
    assert service.ssh(again, "cat ~/note; rm ~/note") == "kept"
    assert service.ssh(again, "systemctl is-system-running --wait") == "running"


def test_packages_change_and_an_older_generation_can_be_started(service: Service) -> None:
    """A package added by PATCH is there, a removed one is gone, and the way back is one call."""
    made = service.create("changing", packages=["tree"])
    try:
        path = f"/workspaces/{made['id']}"
        assert service.ssh(made, "which tree; which jq || echo none").splitlines()[1] == "none"
        service.ssh(made, "echo mine > ~/file")

        def changed(present: str, absent: str) -> bool:
            shown = service.show(made["id"])
            assert shown["status"] != "error", shown
            if shown["status"] != "running":
                return False
            # It may shut down for its new generation at any moment: then ssh says nothing.
            said = service.ssh(
                shown, f"which {present} || echo no {present}; which {absent} || echo no {absent}", check=False
            )
            return f"no {absent}" in said and f"no {present}" not in said

        service.api("PATCH", path, json={"packages": ["jq"]})
        until("jq is there and tree is gone", lambda: changed("jq", "tree"), 120, 0.5)
        assert service.ssh(made, "cat ~/file") == "mine"
        generations = service.api("GET", f"{path}/generations")["generations"]
        assert sorted(one["number"] for one in generations) == [1, 2]
        assert [one["packages"] for one in sorted(generations, key=lambda one: int(one["number"]))] == [
            ["tree"],
            ["jq"],
        ]
        service.api("POST", f"{path}/rebuild", 202, json={"generation": 1})
        until("the first generation is back", lambda: changed("tree", "jq"), 120, 0.5)
        assert service.ssh(made, "cat ~/file") == "mine"
    finally:
        service.delete(made["id"])


@pytest.mark.alone  # it collects the garbage of the machine's store, and what others use stays
def test_equal_environments_share_one_toplevel_and_collecting_removes_it(service: Service) -> None:
    """Order and duplicates of packages do not matter; nothing of a deleted environment stays."""
    chosen = random.sample(SMALL_PACKAGES, 4)  # another run on this machine has another toplevel
    first = service.create("twin-a", packages=chosen, ports=[8080])
    second = service.create("twin-b", packages=[*reversed(chosen), chosen[0]])
    toplevel = service.show(first["id"])["toplevel"]
    assert toplevel.startswith("/nix/store/")
    assert service.show(second["id"])["toplevel"] == toplevel
    for made in (first, second):
        service.delete(made["id"])
    service.api("POST", "/collect-garbage", 200, timeout=300)  # a machine with many sets takes minutes
    assert not Path(toplevel).exists()


LISTEN = (
    'python3 -c \'import select, socket; all = [socket.create_server(("", port)) for port in (8080, 8081)]\n'
    "while True: [one.accept()[0].close() for one in select.select(all, [], [])[0]]'"
)
"""It takes every connection: the kernel answers no more of them once 128 wait to be taken."""


def test_ports_change_while_it_runs_whatever_is_killed_meanwhile(service: Service) -> None:
    """Refuse, reach and refuse again a listening program of the same machine, with everything that runs in it."""
    made = service.create("ports", packages=["python3"])
    path = f"/workspaces/{made['id']}"
    try:
        where = made["ssh_info"]["host"]
        service.ssh(made, f"nohup {LISTEN} >/dev/null 2>&1 &")
        until("it listens", lambda: "8081" in service.ssh(made, "ss -tln"))
        born = service.ssh(made, "cut -d' ' -f22 /proc/1/stat")

        def opened() -> list[int]:
            return [port for port in (8080, 8081) if reached(where, port)]

        assert opened() == []
        for ports, killed in (([8080], None), ([8080, 8081], "serve"), ([8081], "node"), ([], None), ([8081], None)):
            service.api("PATCH", path, json={"ports": ports})
            if killed:
                old = service.pid_of(killed)
                os.kill(old, 9)
                until(f"{killed} is back", lambda old=old, verb=killed: new_pid(service, verb, old))  # type: ignore[misc]
            until(f"{ports} are open", lambda ports=ports: opened() == ports)  # type: ignore[misc]
            until("the service answers", service.answers)
        assert service.ssh(made, "cut -d' ' -f22 /proc/1/stat; pgrep -c python3").split() == [born, "1"]
        [generation] = service.api("GET", f"{path}/generations")["generations"]
        assert (generation["number"], generation["ports"]) == (1, [8081])
        service.nixws("restart", "ports")
        again = service.show(made["id"])
        service.ssh(again, f"nohup {LISTEN} >/dev/null 2>&1 &")
        until("8081 alone is open", lambda: opened() == [8081])
        assert service.show(made["id"])["fault"] is None
    finally:
        service.delete(made["id"])


def reached(host: str, port: int) -> bool:
    """Tell whether this machine reaches a port of a workspace."""
    try:
        with socket.create_connection((host, port), timeout=10):
            return True
    except ConnectionRefusedError:
        return False


BUSY = "TIMEFORMAT='%R %U %S'; time { for i in 1 2; do timeout 4 bash -c 'while :; do :; done' & done; wait; }; true"


def cores_used(service: Service, workspace: JSON) -> float:
    """Return the CPU cores that two busy loops got together, out of the shell's own accounting."""
    real, user, system = map(float, service.ssh(workspace, BUSY).split()[-3:])
    return (user + system) / real


def fullest_window(service: Service, workspace: JSON, cores: float) -> float:
    """Return the most that was used in up to four windows: a busy machine may give less, none may give more."""
    used = 0.0
    for _ in range(4):
        used = max(used, cores_used(service, workspace))
        if used >= cores * 0.95:
            break
    return used


@pytest.mark.alone  # it measures how much of a core it gets
def test_cpu_is_limited_and_resized_live(service: Service, workspace: JSON) -> None:
    """The quota holds within 5 %, and a change counts at once, without a restart."""
    started = service.ssh(workspace, "stat -c %Y /proc/1")
    for cores in (0.5, 0.25):
        resize(service, workspace, cpu=cores)
        assert fullest_window(service, workspace, cores) == pytest.approx(cores, rel=0.05)
    assert service.ssh(workspace, "stat -c %Y /proc/1") == started
    resize(service, workspace, cpu=1)


def resize(service: Service, workspace: JSON, **change: float) -> None:
    """Change limits and wait until the workspace says that they are in force."""
    service.api("PATCH", f"/workspaces/{workspace['id']}", json=change)

    def settled() -> bool:
        shown = service.show(workspace["id"])
        return bool(shown["status"] == "running" and change.items() <= shown["config"].items())

    until(f"{change} is in force", settled)


def test_memory_kills_only_inside_and_is_reported(service: Service, workspace: JSON) -> None:
    """A process beyond the memory limit is killed, the workspace lives and says why; more is given live."""
    resize(service, workspace, memory=0.25)
    take = "head -c 400M /dev/zero | tail -c 400M | wc -c"
    said = service.ssh(workspace, f"{take}; echo ${{PIPESTATUS[1]}}", check=False)
    assert said.splitlines()[-1] == "137"
    assert service.ssh(workspace, "systemctl is-system-running || true") in {"running", "degraded"}
    until("the kill is reported", lambda: service.show(workspace["id"])["oom_kills"] >= 1)
    assert "memory limit" in service.show(workspace["id"])["notice"]
    resize(service, workspace, memory=1)
    assert service.ssh(workspace, take).splitlines()[-1] == str(400 << 20)
    resize(service, workspace, memory=0.5)


def test_processes_are_limited(service: Service, workspace: JSON) -> None:
    """A workspace that forks without end runs out of process ids, and its neighbours do not notice."""
    [limit] = {int(file.read_text()) for file in Path("/sys/fs/cgroup").glob(f"*/nixws-*/{workspace['id']}/pids.max")}
    count = f"for i in $(seq {limit + 50}); do sleep 20 & done 2>&1 | grep -c 'Resource temporarily' ; pkill -x sleep"
    said = service.ssh(workspace, f'bash -c "{count}" || true', check=False, timeout=120)
    assert said.splitlines()[0] != "0"
    assert service.ssh(workspace, "echo alive") == "alive"


def test_storage_ends_at_the_limit(service: Service, workspace: JSON) -> None:
    """ENOSPC comes at the limit and not before; the workspace lives on."""
    said = service.ssh(
        workspace, "head -c 2G /dev/zero > ~/fill; stat -c %s ~/fill; rm ~/fill", check=False, timeout=120
    )
    assert "No space left on device" in said
    written = int(next(line for line in said.splitlines() if line.isdigit()))
    assert 0.7 * (512 << 20) < written <= 512 << 20
    service.ssh(workspace, "echo again > ~/again; rm ~/again")


def bytes_below(directory: Path, needle: bytes) -> list[Path]:
    """Return the files below a directory that hold ``needle`` anywhere."""
    found = []
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                tail = b""
                while block := file.read(1 << 24):
                    if needle in tail + block:
                        found.append(path)
                        break
                    tail = block[-len(needle) :]
    return found


def test_what_is_written_inside_is_nowhere_in_the_data_directory(service: Service, workspace: JSON) -> None:
    """At rest there is no plain text, while the workspace runs and after it has stopped."""
    secret = base64.b32encode(os.urandom(20)).decode()
    service.ssh(workspace, f"echo {secret} > ~/{secret}; sync")
    assert bytes_below(service.data, secret.encode()) == []
    service.api("POST", f"/workspaces/{workspace['id']}/stop", 202)
    service.reaches(workspace["id"], "stopped")
    assert bytes_below(service.data, secret.encode()) == []
    service.api("POST", f"/workspaces/{workspace['id']}/start", 202)
    again = service.reaches(workspace["id"], "running")
    assert service.ssh(again, f"cat ~/{secret}; rm ~/{secret}") == secret


def test_pause_freezes_and_resume_goes_on(service: Service, workspace: JSON) -> None:
    service.ssh(
        workspace,
        "nohup sh -c 'while :; do date +%s%N > ~/beat; sleep 0.05; done' >/dev/null 2>&1 & echo $! > ~/beater",
    )
    for verb, status in (("pause", "paused"), ("resume", "running")):
        service.api("POST", f"/workspaces/{workspace['id']}/{verb}", 202)
        service.reaches(workspace["id"], status)
    first = service.ssh(workspace, "cat ~/beat")
    until("the beat goes on", lambda: service.ssh(workspace, "cat ~/beat") not in {first, ""})
    service.ssh(workspace, "kill $(cat ~/beater); rm ~/beat ~/beater")


def test_workspaces_outlive_the_control_plane_and_the_node(service: Service, workspace: JSON) -> None:
    """serve and node killed with -9 at once: nothing inside stops, everything is found again."""
    service.ssh(workspace, "nohup sleep 1000 >/dev/null 2>&1 & echo $! > ~/sleeper")
    for verb in ("serve", "node"):
        killed = service.pid_of(verb)
        os.kill(killed, 9)
        assert service.ssh(workspace, "kill -0 $(cat ~/sleeper) && echo alive") == "alive"
        until(f"{verb} is back", lambda killed=killed, verb=verb: new_pid(service, verb, killed))  # type: ignore[misc]
        until("the service answers", service.answers)
        assert service.reaches(workspace["id"], "running")["id"] == workspace["id"]
    service.stop()
    assert service.ssh(workspace, "kill -0 $(cat ~/sleeper) && echo alive") == "alive"
    service.start()
    again = service.reaches(workspace["id"], "running")
    assert service.ssh(again, "kill -0 $(cat ~/sleeper) && echo alive; kill $(cat ~/sleeper); rm ~/sleeper") == "alive"
    resize(service, workspace, cpu=0.5)
    resize(service, workspace, cpu=1)


def test_both_processes_stay_small_beside_a_running_workspace(service: Service, workspace: JSON) -> None:
    service.stop()
    service.start()
    again = service.reaches(workspace["id"], "running")
    assert service.ssh(again, "echo in") == "in"
    service.api("GET", "/workspaces", 200)
    assert resident_mib(service.pid_of("node")) <= 45
    assert resident_mib(service.pid_of("serve")) <= 110
    libraries = Path(f"/proc/{service.pid_of('node')}/maps").read_text()
    assert [name for name in ("pydantic_core", "sqlalchemy", "cryptography", "uvloop") if name in libraries] == []


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def new_pid(service: Service, verb: str, old: int) -> bool:
    """Tell whether another process serves as ``verb`` now."""
    try:
        return service.pid_of(verb) != old
    except (AssertionError, FileNotFoundError):
        return False
