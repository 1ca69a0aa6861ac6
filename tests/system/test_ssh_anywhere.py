"""SSH from another computer: only the CLI and a token are there."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from other_computer import OtherComputer, other_computer
from ssh_judgement import CURVE25519, judge
from system.service import JSON, NIXWS, Service, free_port, running_service
from waiting import until

ECHO = (
    "import socket,threading\n"
    "def serve(c):\n"
    "    data=b''\n"
    "    while (part:=c.recv(65536)): data+=part\n"
    "    c.sendall(b'got '+str(len(data)).encode()); c.close()\n"
    "s=socket.create_server(('127.0.0.1',{port}))\n"
    "while True:\n"
    "    threading.Thread(target=serve,args=(s.accept()[0],)).start()\n"
)


@dataclass
class Place:
    """Another computer, the service and one workspace."""

    there: OtherComputer
    service: Service
    workspace: JSON
    gateway_port: int

    def nixws(self, *words: str | Path, check: bool = True, token: str = "") -> subprocess.CompletedProcess[bytes]:
        env = {"NIXWS_URL": self.service.url, "NIXWS_TOKEN": token or self.service.token}
        return self.there.run(NIXWS, *words, env=env, check=check)

    def ssh(self, *words: str, check: bool = True, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        return self.there.run("ssh", "-F", self.there.config, *words, check=check, stdin=stdin)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with (
        tempfile.TemporaryDirectory(prefix="another computer ", ignore_cleanup_errors=True) as directory,
        other_computer(Path(directory) / "ho me %h") as there,
        running_service(address=there.address, NIXWS_SSH_PORT=str(port := free_port())) as service,
    ):
        place = Place(there, service, service.create("demo", packages=["python3", "rsync"]), port)
        place.nixws("config-ssh")
        with there.config.open("a") as config:
            config.write(gateway_configuration(there, port))
        yield place


def gateway_configuration(there: OtherComputer, port: int) -> str:
    """Return the configuration of a person who uses the gateway with the same key."""
    files = there.home / ".ssh" / "nixws"
    lines = (
        "Host demo.gateway",
        f"HostName {there.address}",
        f"Port {port}",
        "User demo",
        "HostKeyAlias _gateway.nixws",
        f'UserKnownHostsFile "{escaped(files)}/default.known_hosts"',
        "StrictHostKeyChecking yes",
        f'IdentityFile "{escaped(files)}/default.key"',
        "IdentitiesOnly yes",
    )
    return "\n".join(lines) + "\n"


def escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


WAYS = pytest.mark.parametrize("host", ["demo.nixws", "demo.gateway"])


@WAYS
def test_ssh_works_by_name_after_one_command(place: Place, host: str) -> None:
    assert place.ssh(host, "echo hello; uname -n").stdout == b"hello\ndemo\n"
    assert place.ssh(host, "exit 7", check=False).returncode == 7
    sent = os.urandom(30_000_000)
    assert place.ssh(host, "cat", stdin=sent).stdout == sent
    assert b"speed" in place.ssh("-tt", host, "stty -a").stdout


def test_nixws_ssh_needs_no_configuration(place: Place, tmp_path: Path) -> None:
    """The workspace's address leads nowhere from there: it goes through the service."""
    other = replace(place, there=OtherComputer(place.there.name, place.there.address, tmp_path))
    done = other.nixws("ssh", "demo", "--", "echo hello; exit 7", check=False)
    assert (done.returncode, done.stdout) == (7, b"hello\n"), done.stderr
    assert not (tmp_path / ".ssh").exists()


def test_the_gateway_is_configured_too(place: Place) -> None:
    assert place.ssh("demo@_gateway.nixws", "uname -n").stdout == b"demo\n"


def test_a_name_that_there_is_not_is_told(place: Place) -> None:
    answer = place.ssh("other.nixws", "true", check=False)
    assert answer.returncode == 255
    assert b"There is no workspace" in answer.stderr


@WAYS
def test_files_go_by_scp_sftp_and_rsync(place: Place, host: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "with space").write_bytes(os.urandom(100_000))
    place.ssh(host, "rm -rf copied moved")
    there = place.there
    there.run("scp", "-r", "-F", there.config, tree, f"{host}:copied")
    there.run("scp", "-r", "-F", there.config, f"{host}:copied", tmp_path / "back")
    assert (tmp_path / "back" / "with space").read_bytes() == (tree / "with space").read_bytes()
    there.run("sftp", "-F", there.config, "-b", "-", host, stdin=b"rename copied moved\nls moved\n")
    rsync = shutil.which("rsync")
    assert rsync is not None
    remote = f"ssh -F '{there.config}'"
    there.run(rsync, "-a", "--delete", "-e", remote, f"{tree}/", f"{host}:moved/")
    there.run(rsync, "-a", "-e", remote, f"{host}:moved/", tmp_path / "again/")
    assert (tmp_path / "again" / "with space").read_bytes() == (tree / "with space").read_bytes()


def test_a_configuration_is_added_once_and_taken_out_again(place: Place, tmp_path: Path) -> None:
    there = OtherComputer(place.there.name, place.there.address, tmp_path / "o'ther")
    (there.home / ".ssh").mkdir(parents=True)
    there.config.write_text("# mine\nHost elsewhere\n    User me\n")
    there.config.chmod(0o640)
    other = replace(place, there=there)
    for _ in range(2):
        other.nixws("config-ssh")
    assert there.config.read_text().count("Include") == 1
    assert there.config.read_text().endswith("\n# mine\nHost elsewhere\n    User me\n")
    assert there.config.stat().st_mode & 0o777 == 0o640
    assert "StrictHostKeyChecking no" not in (there.home / ".ssh/nixws/default.conf").read_text()
    for path in (there.home / ".ssh/nixws").iterdir():
        assert path.suffix == ".pub" or path.stat().st_mode & 0o077 == 0
    other.nixws("config-ssh", "--label", "work")
    assert other.ssh("demo.work.nixws", "echo here").stdout == b"here\n"
    assert other.ssh("demo.nixws", "echo here").stdout == b"here\n"
    for label in ("work", "default"):
        other.nixws("config-ssh", "--remove", "--label", label)
    assert there.config.read_text() == "# mine\nHost elsewhere\n    User me\n"
    assert not (there.home / ".ssh/nixws").exists()


@contextlib.contextmanager
def background(place: Place, *words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program over there for as long as the block runs."""
    process = place.there.start(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def asked(place: Place, port: int, sent: bytes) -> bytes:
    """Send bytes to a port over there, close that direction, and return the answer."""
    program = (
        "import socket,sys\n"
        f"s=socket.create_connection(('127.0.0.1',{port}))\n"
        "s.sendall(sys.stdin.buffer.read()); s.shutdown(socket.SHUT_WR)\n"
        "while (part:=s.recv(65536)): sys.stdout.buffer.write(part)\n"
    )
    return place.there.run(sys.executable, "-c", program, stdin=sent, check=False).stdout


def serve_inside(place: Place, port: int) -> None:
    """Have something listen on the workspace's loopback address only."""
    place.ssh("demo.nixws", f"cat > echo-{port}.py", stdin=ECHO.format(port=port).encode())
    place.ssh("demo.nixws", f"setsid python3 echo-{port}.py >/dev/null 2>&1 </dev/null & sleep 0.1")


@WAYS
def test_ports_are_forwarded_in_both_directions_and_by_socks(place: Place, host: str) -> None:
    serve_inside(place, 5001)
    flags = ("-N", "-L", "7001:127.0.0.1:5001", "-R", "7002:127.0.0.1:7003", "-D", "7004")
    listener = (
        "import socket; s=socket.create_server(('127.0.0.1',7003)); c=s.accept()[0]; c.sendall(b'from afar'); c.close()"
    )
    with background(place, "ssh", "-F", place.there.config, *flags, host):
        until("-L answers", lambda: asked(place, 7001, b"x" * 100_000) == b"got 100000")
        with background(place, sys.executable, "-c", listener):
            fetch = (
                "python3 -c \"import socket; print(socket.create_connection(('127.0.0.1', 7002)).recv(99).decode())\""
            )
            until("-R answers", lambda: place.ssh(host, fetch, check=False).stdout == b"from afar\n")
        socks = (
            "import socket\n"
            "s=socket.create_connection(('127.0.0.1',7004)); s.sendall(b'\\5\\1\\0'); s.recv(2)\n"
            "s.sendall(b'\\5\\1\\0\\1\\x7f\\0\\0\\1'+(5001).to_bytes(2,'big')); s.recv(10)\n"
            "s.sendall(b'abc'); s.shutdown(1); print(s.recv(99))\n"
        )
        assert b"got 3" in place.there.run(sys.executable, "-c", socks).stdout


@WAYS
def test_an_agent_and_twenty_channels_work(place: Place, host: str, tmp_path: Path) -> None:
    control = tmp_path / "control"
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "of the agent", "-f", key], check=True)
    script = f'ssh-add -q "{key}"; ssh -A -F "$1" $2 ssh-add -l'
    listed = place.there.run("ssh-agent", "sh", "-c", script, "sh", place.there.config, host).stdout
    assert b"of the agent" in listed
    multiplexed = ("-o", f"ControlPath={control}")
    with background(place, "ssh", "-F", place.there.config, *multiplexed, "-M", "-N", host):
        until("the master is there", control.exists)
        channels = [
            place.there.start(
                "ssh", "-F", place.there.config, *multiplexed, host, f"read a; echo {number} $a",
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )
            for number in range(20)
        ]  # fmt: skip
        answers = [one.communicate(b"said\n", timeout=60)[0] for one in channels]
        assert answers == [f"{number} said\n".encode() for number in range(20)]


def test_forward_makes_ports_reachable_here(place: Place) -> None:
    serve_inside(place, 5005)
    with background(
        place, "env", f"NIXWS_URL={place.service.url}", f"NIXWS_TOKEN={place.service.token}",
        NIXWS, "forward", "demo", "5005:7105", "5006:7106",
    ) as forward:  # fmt: skip
        until("the port answers", lambda: asked(place, 7105, b"y" * 500_000) == b"got 500000")
        assert asked(place, 7106, b"") == b""
        assert forward.stderr is not None
        assert b"Nothing answers on port 5006" in forward.stderr.readline()
        forward.send_signal(signal.SIGINT)
        assert forward.wait(10) == 0


@contextlib.contextmanager
def connected(place: Place, *words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield an open connection that would last for ever."""
    with background(place, *words, "echo up; exec sleep 1000") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process


def test_a_revoked_token_ends_open_tunnels_within_a_second(place: Place, tmp_path: Path) -> None:
    token = place.service.nixws("token", "create", "short").strip()
    other = replace(place, there=OtherComputer(place.there.name, place.there.address, tmp_path))
    other.nixws("config-ssh", token=token)
    listed = place.service.nixws("token", "list").splitlines()
    with connected(other, "ssh", "-F", other.there.config, "demo.nixws") as process:
        place.service.nixws("token", "revoke", next(line.split()[0] for line in listed if "  short  " in line))
        assert process.wait(10) == 255
    refused = other.ssh("demo.nixws", "true", check=False)
    assert refused.returncode == 255
    assert b"not valid" in refused.stderr


def test_stopping_the_workspace_ends_open_tunnels(place: Place) -> None:
    made = place.service.create("brief")
    with connected(place, "ssh", "-F", place.there.config, "brief.nixws") as process:
        place.service.api("POST", f"/workspaces/{made['id']}/stop", 202)
        assert process.wait(10)
    place.service.reaches(made["id"], "stopped")
    said = place.ssh("brief.nixws", "true", check=False)
    assert b"`nixws start brief` boots it" in said.stderr
    place.service.delete(made["id"])


def test_a_removed_key_opens_nothing_any_more(place: Place, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)

    def opens() -> bool:
        done = place.there.run("ssh", "-F", place.there.home / "keyless", "-i", key, "demo.nixws", "true", check=False)
        return done.returncode == 0

    keyless = (place.there.home / ".ssh/nixws/default.conf").read_text()
    lines = [line for line in keyless.splitlines() if "IdentityFile" not in line]
    (place.there.home / "keyless").write_text("\n".join(lines) + "\n")
    assert not opens()
    place.nixws("ssh-key", "add", f"{key}.pub", "--name", "spare")
    assert opens()
    os.kill(place.service.pid_of("serve"), signal.SIGKILL)
    until("the service is back", lambda: _answers(place.service))
    assert opens()
    place.nixws("ssh-key", "remove", "spare")
    assert not opens()


def _answers(service: Service) -> bool:
    with contextlib.suppress(Exception):
        return service.http.get(f"{service.url}/healthz").status_code == 200
    return False


def test_a_certificate_opens_the_gateway_as_long_as_its_token_lives(place: Place, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    token = place.service.nixws("token", "create", "certified").strip()
    # The configured key is registered; only the certificate's own may be tried.
    config = tmp_path / "config"
    lines = place.there.config.read_text().partition("Host demo.gateway")[2].splitlines()
    kept = [line for line in lines if "IdentityFile" not in line]
    config.write_text("\n".join(["Host demo.gateway", *kept, f"IdentityFile {key}"]) + "\n")
    words = ("ssh", "-F", config, "-o", "BatchMode=yes", "demo.gateway")
    assert place.there.run(*words, "true", check=False).returncode == 255
    place.nixws("ssh-key", "certify", f"{key}.pub", "--hours", "1", token=token)
    assert place.there.run(*words, "echo in").stdout == b"in\n"
    listed = place.service.nixws("token", "list").splitlines()
    with connected(place, *words) as process:
        place.service.nixws("token", "revoke", next(line.split()[0] for line in listed if "  certified  " in line))
        assert process.wait(10) == 255
    assert place.there.run(*words, "true", check=False).returncode == 255


def test_a_removed_key_ends_its_connections_at_the_gateway(place: Place, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    place.nixws("ssh-key", "add", f"{key}.pub", "--name", "temporary")
    config = tmp_path / "config"
    lines = place.there.config.read_text().partition("Host demo.gateway")[2].splitlines()
    kept = [line for line in lines if "IdentityFile" not in line]
    config.write_text("\n".join(["Host demo.gateway", *kept, f"IdentityFile {key}"]) + "\n")
    with connected(place, "ssh", "-F", config, "demo.gateway") as process:
        place.nixws("ssh-key", "remove", "temporary")
        assert process.wait(10) == 255


def test_the_gateway_offers_nothing_weak(place: Place) -> None:
    found = judge(place.there.address, place.gateway_port)
    assert found.exchanges > 1
    assert (found.failed, found.warned - CURVE25519, found.cves) == (frozenset(), frozenset(), ())


def test_the_gateway_carries_nothing_else(place: Place) -> None:
    refused = place.ssh("-W", f"{place.there.address}:{place.service.port}", "demo.gateway", check=False)
    assert refused.returncode == 255
    assert b"Only addresses of the workspace itself" in refused.stderr
    assert place.ssh("-s", "demo.gateway", "netconf", check=False).returncode != 0
    display = place.there.run(
        "ssh", "-X", "-F", place.there.config, "demo.gateway", "echo $DISPLAY", env={"DISPLAY": ":1"}
    )
    assert display.stdout == b"\n"
    for options in (["-o", "PubkeyAuthentication=no"], ["-l", "nobody-has-this"], ["-o", "Ciphers=aes128-ctr"]):
        assert place.ssh("-o", "BatchMode=yes", *options, "demo.gateway", "true", check=False).returncode == 255
