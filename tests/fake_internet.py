"""A fake internet in a network namespace: names, web, git, package indexes, and an attacker who must not be reached.

Use it as a fixture, and give a node its namespace as uplink; nothing ever leaves the namespace::

    with fake_internet() as internet:
        with running_node(toplevel, uplink=internet.uplink, name_servers=[internet.name_server]) as node:
            await node.runtime.set_egress(spec.workspace_id, EgressRules(NetworkMode.OPEN))
            node.as_root(spec, "curl http://web.example.org/")

A whole service takes the settings ``NIXWS_UPLINK`` and ``NIXWS_NAME_SERVERS`` (``internet.settings``). Certificates
are signed by ``internet.authority`` (PEM), which a client must be told (``curl --cacert``, ``GIT_SSL_CAINFO``,
``PIP_CERT``, ``NODE_EXTRA_CA_CERTS``). There are, by name:

- ``web.example.org``: ``/`` says hello, ``/bytes/N`` gives N bytes, ``/slow`` never ends, ``POST /echo``; also
  ``www.example.org``, ``api.web.example.org``. HTTP and HTTPS.
- ``git.example.org``: ``https://…/demo.git`` and ``https://…/site.git`` (a web app, ``SITE``) for everybody,
  ``https://…/private.git`` with ``GIT_USER`` and
  ``GIT_PASSWORD``; ``ssh://git@git.example.org/demo.git`` with the key ``internet.git_key``. Pushing works.
- ``pypi.example.org``: an index (``/simple/``) with ``fakepkg``, which needs ``fakedep``.
- ``npm.example.org``: a registry with ``fake-module``, which needs ``fake-dependency``.
- ``evil.example.net`` and all names below it: an attacker's machine and name server.
- ``rebind-LABEL.evil.example.net``: resolves to a forbidden address (``REBINDINGS``). ``METADATA`` and ``NEIGHBOUR``
  (a private address) listen, so that only rules keep them from being reached.

``internet.sniffer`` counts what arrives in the namespace, ``internet.questions()`` tells the questions that its name
server got, ``internet.names[NAME] = [ADDRESS, …]`` publishes a name.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from run_directory import current
from typing_extensions import override

from nixos_workspaces.node.kernel.namespaces import network_namespace

NAME_SERVER, WEB, GIT, PYPI, NPM = (f"198.51.100.{last}" for last in (53, 10, 20, 30, 40))
EVIL, NEIGHBOUR, METADATA = "203.0.113.66", "10.20.30.40", "169.254.169.254"
GIT_USER, GIT_PASSWORD = "reader", "fake-git-password"
REBINDINGS = {
    "private": "10.20.30.40",
    "metadata": "169.254.169.254",
    "loopback": "127.0.0.1",
    "zero": "0.0.0.0",
    "shared": "100.64.0.1",
    "multicast": "224.0.0.251",
}
NAMES = {
    "web.example.org": [WEB],
    "www.example.org": [WEB],
    "api.web.example.org": [WEB],
    "git.example.org": [GIT],
    "pypi.example.org": [PYPI],
    "npm.example.org": [NPM],
    "evil.example.net": [EVIL],
    **{f"rebind-{label}.evil.example.net": [address] for label, address in REBINDINGS.items()},
}
SITE = """import html, http.server, urllib.request


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            told = urllib.request.urlopen("http://web.example.org/", timeout=5).read().decode()
        except OSError as failed:
            told = f"not reached: {failed}"
        greeting = open("greeting.txt").read()
        page = f"<!doctype html><title>Site</title><h1>{html.escape(greeting)}</h1><p>{html.escape(told)}</p>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())


print("Serving at port 8000", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Site).serve_forever()
"""
"""``serve.py`` of the repository ``site.git``: it shows ``greeting.txt`` and what ``web.example.org`` says."""
_PREFIX = "nixwsfake"
_SERVERS = Path(__file__).with_name("fake_internet_servers.py")
_numbers = itertools.count(1)
_ETH_P_ALL, _PACKET_OUTGOING = 3, 4
_FRAME = 14


class _Names(MutableMapping[str, list[str]]):
    """The published names; a change is in force for the next question."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: dict[str, list[str]] = {}

    @override
    def __getitem__(self, name: str) -> list[str]:
        return self._names[name]

    @override
    def __setitem__(self, name: str, addresses: list[str]) -> None:
        self._names[name] = addresses
        self._publish()

    @override
    def __delitem__(self, name: str) -> None:
        del self._names[name]
        self._publish()

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    @override
    def __len__(self) -> int:
        return len(self._names)

    def _publish(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._names))
        fresh.replace(self._path)


class Sniffer:
    """Counts the packets that arrive in a namespace on its links but for some, whatever becomes of them.

    With ``leaving`` it counts those that leave by them instead.
    """

    def __init__(self, namespace: int, besides: tuple[str, ...] = ("lo",), *, leaving: bool = False) -> None:
        self._besides = besides
        self._leaving = leaving
        self._lock = threading.Lock()
        self._seen: Counter[tuple[str, str, int]] = Counter()
        with network_namespace(namespace):
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.htons(_ETH_P_ALL)
            )
        self._socket.settimeout(0.2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, name="sniffer", daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """Forget all; what is still in the socket counts as forgotten."""
        self._mark()
        with self._lock:
            self._seen.clear()

    def seen(self) -> Counter[tuple[str, str, int]]:
        """Return the bytes by target, protocol (``tcp``, ``udp``, ``icmp``, ``ipv6``, a number) and port."""
        self._mark()
        with self._lock:
            return Counter(self._seen)

    def bytes_to(self, *addresses: str) -> int:
        """Return the bytes that went to addresses."""
        return sum(count for (address, _, _), count in self.seen().items() if address in addresses)

    def close(self) -> None:
        """Stop counting."""
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _mark(self) -> None:
        """Wait until everything that arrived before is counted."""
        deadline = time.monotonic() + 5
        while (
            self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36)[:4] != bytes(4) and time.monotonic() < deadline
        ):
            time.sleep(0.005)

    def _read(self) -> None:
        while not self._ended.is_set():
            try:
                data, (interface, _, kind, _, _) = self._socket.recvfrom(1 << 16)
            except TimeoutError:
                continue
            if (kind == _PACKET_OUTGOING) is self._leaving and not interface.startswith(self._besides):
                with self._lock:
                    self._seen[_described(data[_FRAME:])] += len(data) - _FRAME


_SO_MEMINFO = 55


def _described(packet: bytes) -> tuple[str, str, int]:
    if packet[:1] and packet[0] >> 4 == 6:
        return socket.inet_ntop(socket.AF_INET6, packet[24:40]), "ipv6", 0
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return "", "other", 0
    header = (packet[0] & 15) * 4
    protocol = {1: "icmp", 6: "tcp", 17: "udp"}.get(packet[9], str(packet[9]))
    port = struct.unpack_from(">H", packet, header + 2)[0] if protocol in {"tcp", "udp"} else 0
    return socket.inet_ntoa(packet[16:20]), protocol, port


@dataclass
class FakeInternet:
    """One, that runs."""

    namespace: str
    directory: Path
    sniffer: Sniffer
    process: subprocess.Popen[bytes]
    names: _Names = field(repr=False)

    name_server = NAME_SERVER

    @property
    def uplink(self) -> str:
        """The setting ``uplink`` of a node."""
        return f"netns:{self.namespace}"

    @property
    def settings(self) -> dict[str, str]:
        """Variables for a whole service."""
        return {"NIXWS_UPLINK": self.uplink, "NIXWS_NAME_SERVERS": self.name_server}

    @property
    def authority(self) -> str:
        """The certificate that all others are signed by, in PEM."""
        return (self.directory / "ca.pem").read_text()

    @property
    def git_key(self) -> str:
        """The private key that may reach git over SSH, in OpenSSH's form."""
        return (self.directory / "git_key").read_text()

    @property
    def git_host_key(self) -> str:
        """The line of ``known_hosts`` for git over SSH."""
        return f"git.example.org {(self.directory / 'host_key.pub').read_text().strip()}\n"

    def questions(self) -> list[tuple[str, str]]:
        """Return the questions that the name server got: name and type."""
        path = self.directory / "questions"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(line.split()[0], line.split()[1]) for line in lines]

    def descriptor(self) -> int:
        """Open the namespace."""
        return os.open(f"/run/netns/{self.namespace}", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def fake_internet() -> Iterator[FakeInternet]:
    """Yield a running fake internet; at the end everything of it is gone, also what a killed run has left."""
    _sweep()
    namespace = f"{_PREFIX}-{os.getpid()}-{next(_numbers)}"
    directory = Path(tempfile.mkdtemp(prefix="internet-", dir=current()))
    names = _Names(directory / "names.json")
    _furnish(directory)
    names.update(NAMES)
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, directory)
        _run("ip", "netns", "add", namespace)
        undo.callback(_run, "ip", "netns", "del", namespace)
        _run("ip", "-n", namespace, "link", "set", "lo", "up")
        for address in (NAME_SERVER, WEB, GIT, PYPI, NPM, EVIL, NEIGHBOUR, METADATA):
            _run("ip", "-n", namespace, "addr", "add", f"{address}/32", "dev", "lo")
        command = ["ip", "netns", "exec", namespace, sys.executable, str(_SERVERS), str(directory)]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        undo.callback(_end, process)
        descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            sniffer = Sniffer(descriptor)
        finally:
            os.close(descriptor)
        undo.callback(sniffer.close)
        deadline = time.monotonic() + 30
        while not (directory / "ready").exists():
            assert process.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < deadline, (directory / "log").read_text()
            time.sleep(0.02)
        yield FakeInternet(namespace, directory, sniffer, process, names)


@contextmanager
def machine_behind(internet: FakeInternet, number: int = 0) -> Iterator[str]:
    """Yield a network namespace that plays a machine whose default route leads to the fake internet by a link ``wan``.

    Machines that are there at once have numbers of their own. A node that is started in it
    (``running_node(…, within=NAME)``) may have any uplink.
    """
    name = f"{_PREFIX}-{os.getpid()}-{next(_numbers)}"
    own, router = f"25.10.{20 + number}.2", f"25.10.{20 + number}.1"
    with contextlib.ExitStack() as undo:
        _run("ip", "netns", "add", name)
        undo.callback(_run, "ip", "netns", "del", name)
        _run(
            "ip",
            "-n",
            name,
            "link",
            "add",
            "wan",
            "type",
            "veth",
            "peer",
            "name",
            f"to{next(_numbers)}",
            "netns",
            internet.namespace,
        )
        peer = next(_links(internet.namespace))
        for namespace, link, address in ((name, "wan", own), (internet.namespace, peer, router)):
            _run("ip", "-n", namespace, "addr", "add", f"{address}/30", "dev", link)
            _run("ip", "-n", namespace, "link", "set", link, "up")
        _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "-n", name, "route", "add", "default", "via", router)
        yield name


def _links(namespace: str) -> Iterator[str]:
    """Yield the links to machines in a namespace, the newest first."""
    listed = subprocess.run(["ip", "-n", namespace, "-j", "link"], check=True, capture_output=True).stdout
    found = [link["ifname"] for link in json.loads(listed) if link["ifname"].startswith("to")]
    yield from sorted(found, key=lambda one: -int(one[2:]))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the servers, which end with their standard input."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _sweep() -> None:
    """Remove the namespaces of processes that are dead; their servers have ended with them."""
    for path in Path("/run/netns").glob(f"{_PREFIX}-*-*"):
        owner = path.name.split("-")[1]
        if not Path("/proc", owner).exists():
            subprocess.run(["ip", "netns", "del", path.name], check=False, capture_output=True)


def _furnish(directory: Path) -> None:
    """Make keys, certificates and repositories."""
    for name in ("git_key", "host_key"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name))
    _certify(directory)
    demo = {"README.md": "A repository of the fake internet.\n", "app.py": "print('hello')\n"}
    site = {"serve.py": SITE, "greeting.txt": "Hello from the repository\n"}
    for name, files in (("demo", demo), ("private", demo), ("site", site)):
        _commit(directory, name, files)


def _commit(directory: Path, name: str, files: Mapping[str, str]) -> None:
    """Make a repository that may be pushed to, with one commit."""
    identity = ["-c", "user.name=Fake", "-c", "user.email=fake@example.org", "-c", "init.defaultBranch=main"]
    work, bare = directory / "work" / name, directory / "git" / f"{name}.git"
    _run("git", *identity, "init", "-q", str(work))
    for path, text in files.items():
        (work / path).write_text(text)
    _run("git", "-C", str(work), "add", ".")
    _run("git", "-C", str(work), *identity, "commit", "-q", "-m", "begin")
    _run("git", "clone", "-q", "--bare", str(work), str(bare))
    _run("git", "-C", str(bare), "config", "http.receivepack", "true")


def _certify(directory: Path) -> None:
    now = datetime.now(UTC)
    signer = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fake authority")])

    def begun(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))

    authority = begun(issuer, signer.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    (directory / "ca.pem").write_bytes(authority.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake internet")])
    names = ["*.example.org", "*.web.example.org", "evil.example.net", "*.evil.example.net"]
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    server = begun(subject, key.public_key()).add_extension(alternatives, critical=False)
    (directory / "server.pem").write_bytes(
        server.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull})
