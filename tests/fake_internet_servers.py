"""The servers of the fake internet (``fake_internet.py``), as one process in its namespace; ends with its input."""

from __future__ import annotations

import asyncio
import base64
import ctypes
import hashlib
import io
import json
import os
import signal
import ssl
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET, SO_REUSEADDR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, socket

import asyncssh
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from fake_internet import EVIL, GIT, GIT_PASSWORD, GIT_USER, METADATA, NAME_SERVER, NEIGHBOUR, NPM, PYPI, WEB
from typing_extensions import override

DIRECTORY = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
EVIL_TCP = (22, 25, 53, 80, 443, 853, 5432, 8080)
EVIL_UDP = (53, 123, 443, 853, 4500)


def main() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    start(serve_names, NAME_SERVER)
    start(serve_names_by_stream, NAME_SERVER)
    for address, handler in ((WEB, Web), (GIT, Git), (PYPI, Pypi), (NPM, Npm), (METADATA, Secret), (NEIGHBOUR, Secret)):
        serve_web(address, handler)
    for port in EVIL_TCP:
        start(take_streams, port)
    for port in EVIL_UDP:
        start(take_datagrams, port)
    start(lambda: asyncio.run(serve_git()))
    sys.stdin.buffer.read()
    os._exit(0)


def start(work: Callable[..., object], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


def answer_of(data: bytes) -> bytes:
    asked = dns.message.from_wire(data)
    question = asked.question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    kind = dns.rdatatype.to_text(question.rdtype)
    with (DIRECTORY / "questions").open("a") as file:
        file.write(f"{name} {kind}\n")
    names = json.loads((DIRECTORY / "names.json").read_text())
    answer = dns.message.make_response(asked)
    answer.flags |= dns.flags.AA
    found = names.get(name) or (names["evil.example.net"] if name.endswith(".evil.example.net") else None)
    if found is None:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    elif found[0].startswith("alias:"):
        target = found[0].removeprefix("alias:")
        answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", f"{target}."))
        answer.answer.append(dns.rrset.from_text(f"{target}.", 60, "IN", "A", *names[target]))
    elif kind == "A":
        answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", *found))
    elif kind == "TXT":
        answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", '"text"'))
    elif kind == "MX":
        answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "MX", "10 mail.example.org."))
    return answer.to_wire(max_size=65535)


def serve_names(address: str) -> None:
    with socket(AF_INET, SOCK_DGRAM) as server:
        server.bind((address, 53))
        while True:
            data, source = server.recvfrom(4096)
            answer = answer_of(data)
            if len(answer) > 1232:
                answer = data[:2] + b"\x86\x00" + data[4:6] + bytes(6) + data[12:]  # cut off: ask by a stream
            server.sendto(answer, source)


def serve_names_by_stream(address: str) -> None:
    with listening(address, 53) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                length = int.from_bytes(connection.recv(2), "big")
                answer = answer_of(connection.recv(length))
                connection.sendall(len(answer).to_bytes(2, "big") + answer)


def listening(address: str, port: int) -> socket:
    server = socket(AF_INET, SOCK_STREAM)
    server.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(64)
    return server


def take_streams(port: int) -> None:
    with listening(EVIL, port) as server:
        while True:
            connection, _ = server.accept()
            start(echo, connection)


def echo(connection: socket) -> None:
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def take_datagrams(port: int) -> None:
    with socket(AF_INET, SOCK_DGRAM) as server:
        server.bind((EVIL, port))
        while True:
            data, source = server.recvfrom(65536)
            server.sendto(data, source)


def serve_web(address: str, handler: type[Handler]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DIRECTORY / "server.pem")
    plain = ThreadingHTTPServer((address, 80), handler)
    start(plain.serve_forever)
    secured = ThreadingHTTPServer((address, 443), handler)
    # The handshake belongs to the connection's own thread.
    secured.socket = context.wrap_socket(secured.socket, server_side=True, do_handshake_on_connect=False)
    start(secured.serve_forever)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @override
    def log_message(self, format: str, *args: object) -> None:
        sys.stderr.write(f"{self.headers.get('Host') if hasattr(self, 'headers') else ''} {format % args}\n")

    def say(self, body: bytes, kind: str = "text/plain", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while length := int(self.rfile.readline().strip() or b"0", 16):
                data += self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))


class Web(Handler):
    def do_GET(self) -> None:
        if self.path.startswith("/bytes/"):
            left = int(self.path.removeprefix("/bytes/"))
            self.send_response(200)
            self.send_header("Content-Length", str(left))
            self.end_headers()
            block = bytes(1 << 20)
            while left:
                left -= self.wfile.write(block[:left])
        elif self.path == "/slow":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            while True:
                self.wfile.write(b".\n")
                self.wfile.flush()
                time.sleep(0.05)
        else:
            self.say(f"hello from {self.headers.get('Host')}\n".encode())

    do_HEAD = do_GET  # noqa: N815 - as it is called there

    def do_POST(self) -> None:
        self.say(self.body())


class Secret(Handler):
    def do_GET(self) -> None:
        self.say(b"fake credentials\n")


class Git(Handler):
    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.body())

    def _serve(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        user = ""
        if path.startswith("/private.git"):
            wanted = "Basic " + base64.b64encode(f"{GIT_USER}:{GIT_PASSWORD}".encode()).decode()
            if self.headers.get("Authorization") != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            user = GIT_USER
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(DIRECTORY / "git"),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
            "REMOTE_USER": user,
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


WHEELS = {"fakepkg": ["fakedep"], "fakedep": []}
MODULES = {"fake-module": {"fake-dependency": "1.0.0"}, "fake-dependency": {}}


def wheel(name: str) -> bytes:
    needs = "".join(f"Requires-Dist: {other}\n" for other in WHEELS[name])
    files = {
        f"{name}/__init__.py": f"NAME = {name!r}\n",
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{name}-1.0.dist-info/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record])
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return made.getvalue()


class Pypi(Handler):
    def do_GET(self) -> None:
        words = self.path.strip("/").split("/")
        if words[0] == "simple" and len(words) == 2 and words[1] in WHEELS:
            file = f"{words[1]}-1.0-py3-none-any.whl"
            digest = hashlib.sha256(wheel(words[1])).hexdigest()
            self.say(f'<!DOCTYPE html><a href="/files/{file}#sha256={digest}">{file}</a>'.encode(), "text/html")
        elif words == ["simple"]:
            links = "".join(f'<a href="/simple/{name}/">{name}</a>' for name in WHEELS)
            self.say(f"<!DOCTYPE html>{links}".encode(), "text/html")
        elif words[0] == "files" and words[-1].partition("-")[0] in WHEELS:
            self.say(wheel(words[-1].partition("-")[0]), "application/octet-stream")
        else:
            self.say(b"no such package", status=404)


def tarball(name: str) -> bytes:
    files = {
        "package/package.json": json.dumps({"name": name, "version": "1.0.0", "dependencies": MODULES[name]}),
        "package/index.js": f"module.exports = {json.dumps(name)};\n",
    }
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return made.getvalue()


TARBALLS = {name: tarball(name) for name in MODULES}


class Npm(Handler):
    def do_GET(self) -> None:
        name, _, file = self.path.strip("/").partition("/-/")
        if name not in MODULES:
            self.say(b"{}", "application/json", 404)
        elif file:
            self.say(TARBALLS[name], "application/octet-stream")
        else:
            integrity = "sha512-" + base64.b64encode(hashlib.sha512(TARBALLS[name]).digest()).decode()
            place = f"https://{self.headers.get('Host')}/{name}/-/{name}-1.0.0.tgz"
            version = {
                "name": name,
                "version": "1.0.0",
                "dependencies": MODULES[name],
                "dist": {"tarball": place, "integrity": integrity},
            }
            told = {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
            self.say(json.dumps(told).encode(), "application/json")

    def do_POST(self) -> None:  # what npm asks about known flaws
        self.body()
        self.say(b"{}", "application/json")


class GitServer(asyncssh.SSHServer):
    @override
    def begin_auth(self, username: str) -> bool:
        return bool(username)


async def run_git(process: asyncssh.SSHServerProcess[bytes]) -> None:
    verb, _, path = (process.command or "").partition(" ")
    repository = (DIRECTORY / "git" / path.strip("'/")).resolve()
    if verb not in {"git-upload-pack", "git-receive-pack"} or repository.parent != DIRECTORY / "git":
        process.exit(1)
        return
    program = await asyncio.create_subprocess_exec(
        verb,
        str(repository),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await process.redirect(stdin=program.stdin, stdout=program.stdout, stderr=program.stderr)
    process.exit(await program.wait())


async def serve_git() -> None:
    await asyncssh.create_server(
        GitServer,
        GIT,
        22,
        server_host_keys=[str(DIRECTORY / "host_key")],
        authorized_client_keys=str(DIRECTORY / "git_key.pub"),
        process_factory=run_git,
        encoding=None,
    )
    (DIRECTORY / "ready").touch()
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
