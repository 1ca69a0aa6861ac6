"""The real web service and SSH gateway over a real sshd that stands for a workspace, and OpenSSH in front of it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
from fakes import FakeRuntime, World, fake_services
from raw_socket import RawSocket
from sshd_fixture import LocalSshd, local_sshd
from web_service import Web, running_web

from nixos_workspaces.auth.policy import Action, Principal
from nixos_workspaces.client import Client
from nixos_workspaces.client.access.tunnels import open_plain
from nixos_workspaces.gateway.entrants import Way
from nixos_workspaces.gateway.server import Gateway
from nixos_workspaces.model.workspace import AuthorisedId, Workspace
from nixos_workspaces.services import Services

NAME = "demo"


class _Keys:
    """The key store, as the gateway reads it: every workspace's sshd is the same one."""

    def __init__(self, sshd: LocalSshd) -> None:
        host_public = sshd.known_hosts.read_text().partition(" ")[2].strip()
        self._held = SimpleNamespace(client_private=sshd.key.read_text(), host_public=host_public)

    def read(self, _workspace_id: str) -> Any:
        return self._held


@dataclass
class SshPlace:
    """A running service with one workspace, and a person whose key is registered."""

    web: Web
    sshd: LocalSshd
    world: World
    gateway: Gateway
    port: int
    """Of the gateway."""
    directory: Path
    """A home for keys and configurations."""
    workspace: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10_000)))

    def new_key(self, token: str = "") -> tuple[Path, str]:
        """Return the file of a new key that is registered, and the id of its registration."""
        file = self.directory / f"key-{next(self.numbers)}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
        body = {"public_key": file.with_suffix(".pub").read_text()}
        with self.web.http() as http:
            answer = http.post(
                "/api/nixos/ssh-keys", json=body, headers={"Authorization": f"Bearer {token or self.web.token}"}
            )
            assert answer.status_code == 201, answer.text
            return file, answer.json()["ssh_key"]["id"]

    def certified_key(self, token: str) -> Path:
        """Return the file of a new key with a certificate beside it that was made with a token."""
        file = self.directory / f"certified-{next(self.numbers)}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
        body = {"public_key": file.with_suffix(".pub").read_text(), "valid_for": 1}
        with self.web.http() as http:
            answer = http.post("/api/nixos/ssh-certificates", json=body, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 201, answer.text
        Path(f"{file}-cert.pub").write_text(answer.json()["certificate"] + "\n")
        return file

    def words(self, key: Path, *options: str) -> list[str]:
        """Return the words of OpenSSH through the gateway, up to the host."""
        known = self.directory / "known_hosts"
        authority = self.web.services.ssh.authorities.host_public
        known.write_text(f"@cert-authority _gateway.nixws {authority}\n")
        return [
            "ssh", "-F", "none", "-i", str(key), "-p", str(self.port), "-o", "BatchMode=yes",
            "-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={known}", "-o", "HostKeyAlias=_gateway.nixws",
            *options, f"{NAME}@127.0.0.1",
        ]  # fmt: skip

    def session(self, key: Path, *options: str) -> subprocess.Popen[bytes]:
        """Return an open session by OpenSSH that would last for ever."""
        words = [*self.words(key, *options), "echo up; exec sleep 1000"]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n", process.communicate()[1]
        return process

    async def client(self, key: Path, **options: Any) -> asyncssh.SSHClientConnection:
        """Return a connection to the gateway by asyncssh, which can say what OpenSSH does not."""
        return await asyncssh.connect(
            "127.0.0.1", self.port, username=NAME, client_keys=[str(key)], known_hosts=None, config=None, **options
        )

    def tunnel_path(self, port: int = 22) -> str:
        return f"/api/nixos/workspaces/{self.workspace}/tunnel?port={port}"


def client_of(place: SshPlace, token: str = "") -> Client:
    return Client(place.web.url, token or place.web.token)


class Plain:
    """A plain tunnel as the tests of both kinds use it."""

    def __init__(self, place: SshPlace, port: int, token: str = "") -> None:
        with client_of(place, token) as client:
            found = open_plain(client, place.workspace, port)
        assert found is not None
        self.socket = found
        self.socket.settimeout(20)

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def recv(self) -> bytes:
        return self.socket.recv(1 << 16)

    def close(self) -> None:
        self.socket.close()


class Framed:
    """A tunnel over a WebSocket."""

    def __init__(self, place: SshPlace, port: int, token: str = "") -> None:
        headers = {"Authorization": f"Bearer {token or place.web.token}"}
        self.socket = RawSocket(place.web.address, place.tunnel_path(port), headers, ["nixws.tunnel.v1"])

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, data: bytes) -> None:
        self.socket.send(data)

    def recv(self) -> bytes:
        message = self.socket.recv()
        return message if isinstance(message, bytes) else b""

    def close(self) -> None:
        self.socket._socket.close()


@contextmanager
def ssh_place(
    data: Path, new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop, **settings: Any
) -> Iterator[SshPlace]:
    """Yield one, with settings unlike the usual."""
    world, found = World(), list[Gateway]()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with local_sshd() as sshd:

        @asynccontextmanager
        async def services_at(path: Path) -> AsyncIterator[Services]:
            async with fake_services(path, world=world) as services:

                async def enter(reference: str, principal: Principal) -> tuple[Workspace, AuthorisedId]:
                    return await services.workspaces.enter(reference, principal=principal, action=Action.OPEN_SSH)

                keys: Any = _Keys(sshd)

                async def is_moderated(key: AuthorisedId) -> bool:
                    return (await services.recording.recordings.choices(key)).moderated

                way = Way(enter, services.automation.waking, is_moderated)
                parts = services.counted_audit, FakeRuntime(world), keys, way
                gateway = services.ssh.gateway(services.sharing.open_access, *parts)
                async with gateway.listening("127.0.0.1", port):
                    services.background.keep("ssh_gateway", gateway.watch)
                    found.append(gateway)
                    yield replace(services, settings=replace(services.settings, ssh_port=port, **settings))

        home = data / "people"
        home.mkdir()
        with running_web(data, services_at, new_loop) as web:
            place = SshPlace(web, sshd, world, found[0], port, home)
            place.workspace = web.create(NAME)["id"]
            world.servers[place.workspace, 22] = ("127.0.0.1", sshd.port)
            yield place
