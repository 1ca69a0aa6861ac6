"""A real nginx in front of the service, with a certificate of its own, as the documentation says to set it up."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from waiting import until

_CONFIG = """
daemon off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {directory}/cert.pem;
    ssl_certificate_key {directory}/key.pem;
{location}
  }}
}}
"""


def documented_location(page: Path, upstream: str) -> str:
    """Return the ``location`` of the documentation's nginx configuration, for another address of the service."""
    block = page.read_text().partition("```nginx\n")[2].partition("```")[0]
    location = block[block.index("    location / {") : block.rindex("}")]
    assert "http://127.0.0.1:5000" in location
    return location.replace("http://127.0.0.1:5000", upstream)


def write_certificate(directory: Path, name: str = "first") -> str:
    """Write ``cert.pem`` and ``key.pem`` for 127.0.0.1; return the certificate's serial number in hexadecimal."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for path, content in (("key.pem", private), ("cert.pem", made.public_bytes(serialization.Encoding.PEM))):
        (directory / f".{path}").write_bytes(content)
        (directory / f".{path}").replace(directory / path)
    return f"{made.serial_number:X}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running_nginx(directory: Path, port: int, location: str) -> Iterator[None]:
    """Run nginx until the end of the block."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    (directory / "nginx.conf").write_text(_CONFIG.format(directory=directory, port=port, location=location))
    command = [program, "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log")]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as nginx:
        try:
            until("nginx listens", lambda: nginx.poll() is not None or _listens(port))
            assert nginx.poll() is None, nginx.stderr.read() if nginx.stderr else b""
            yield
        finally:
            nginx.terminate()
            nginx.wait(20)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
