"""The keys of workspaces: made here, kept here wrapped, destroyed here.

Every workspace has a volume key, an SSH key pair for its user and an SSH host key. Their secret halves are kept in
``DATA/keys/<id>/wrapped.json``, each encrypted with AES-256-GCM under the master key ``DATA/master.key``, bound to the
workspace and the purpose: a wrapped key moved elsewhere does not open. They are never in the database, whose files
and backups may outlive the workspace. Nothing here is asynchronous; callers use a thread.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from nixos_workspaces.errors import InvalidInput, NotFound, RuntimeFailed, Unavailable
from nixos_workspaces.model.names import is_workspace_id

_MASTER_BYTES = 32
_NONCE_BYTES = 12
_VOLUME_BYTES = 64
_CHECK = b"NixOS Workspaces"
_CERTIFICATE = "host-certificate.pub"


@dataclass(frozen=True, slots=True)
class WorkspaceKeys:
    """The keys of one workspace, unwrapped: never log, never store."""

    volume_key: bytes = field(repr=False)
    """64 random bytes."""
    client_private: str = field(repr=False)
    """Ed25519, OpenSSH's private format."""
    client_public: str
    """One line of an authorized-keys file."""
    host_private: str = field(repr=False)
    host_public: str
    """One line; pinned by the SSH bridge."""


class KeyStore:
    """The wrapped keys of all workspaces under one master key."""

    def __init__(self, directory: Path, master: bytes) -> None:
        """Keep keys below ``directory``; call ``open_keys`` instead."""
        self._directory = directory
        self._cipher = AESGCM(master)

    def ensure(self, workspace_id: str) -> WorkspaceKeys:
        """Return the workspace's keys, made and safely on the disk if there were none."""
        with suppress(NotFound):
            return self.read(workspace_id)
        keys = _fresh()
        wrapped = {
            "version": 1,
            "volume": self._wrap(workspace_id, "volume", keys.volume_key),
            "client": self._wrap(workspace_id, "client", keys.client_private.encode()),
            "client_public": keys.client_public,
            "host": self._wrap(workspace_id, "host", keys.host_private.encode()),
            "host_public": keys.host_public,
        }
        path = self._path(workspace_id)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _write_new(path, json.dumps(wrapped).encode())
        _sync_directory(self._directory)
        # Two may have made keys at once: the file that was there first counts.
        return self.read(workspace_id)

    def read(self, workspace_id: str) -> WorkspaceKeys:
        """Return the workspace's keys; ``NotFound`` if it has none, ``RuntimeFailed`` if they do not open."""
        try:
            wrapped = json.loads(self._path(workspace_id).read_bytes())
            return WorkspaceKeys(
                volume_key=self._unwrap(workspace_id, "volume", wrapped["volume"]),
                client_private=self._unwrap(workspace_id, "client", wrapped["client"]).decode(),
                client_public=wrapped["client_public"],
                host_private=self._unwrap(workspace_id, "host", wrapped["host"]).decode(),
                host_public=wrapped["host_public"],
            )
        except FileNotFoundError as absent:
            raise NotFound(f"Workspace {workspace_id} has no keys.", code="keys_missing") from absent
        except (InvalidTag, ValueError, KeyError, TypeError) as wrong:
            raise RuntimeFailed(
                f"The keys of workspace {workspace_id} do not open under this master key. Put back the data directory's"
                " own master.key and keys.",
                code="keys_unreadable",
            ) from wrong

    def host_public(self, workspace_id: str) -> str:
        """Return the public line of the workspace's host key; empty if it has no keys."""
        try:
            return str(json.loads(self._path(workspace_id).read_bytes())["host_public"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def authority(self, purpose: str) -> str:
        """Return the private key of a certificate authority (``host``, ``user``), made and on the disk if absent.

        Raises ``RuntimeFailed`` if it does not open.
        """
        path = self._directory / f"authority-{purpose}.json"
        if not path.exists():
            wrapped = self._wrap("authority", purpose, _private(Ed25519PrivateKey.generate()).encode())
            _write_new(path, json.dumps({"version": 1, "key": wrapped}).encode())
        try:
            return self._unwrap("authority", purpose, json.loads(path.read_bytes())["key"]).decode()
        except (InvalidTag, ValueError, KeyError, TypeError) as wrong:
            raise RuntimeFailed(
                f"The key {path.name} does not open under this master key. Put back the data directory's own "
                "master.key and keys.",
                code="keys_unreadable",
            ) from wrong

    def kept_certificate(self, workspace_id: str) -> str:
        """Return the host certificate that was made last for a workspace; empty if there is none."""
        try:
            return self._path(workspace_id).with_name(_CERTIFICATE).read_text()
        except OSError:
            return ""

    def keep_certificate(self, workspace_id: str, certificate: str) -> None:
        """Keep a host certificate of a workspace that has keys; it is no secret."""
        path = self._path(workspace_id).with_name(_CERTIFICATE)
        with suppress(FileNotFoundError):
            path.unlink()
        _write_new(path, certificate.encode())

    def has(self, workspace_id: str) -> bool:
        """Tell whether any of the workspace's keys, or a rest of them, is still there."""
        return self._path(workspace_id).parent.exists()

    def destroy(self, workspace_id: str) -> None:
        """Overwrite and remove the workspace's keys; nothing happens if there are none."""
        directory = self._path(workspace_id).parent
        with suppress(FileNotFoundError):
            for path in directory.iterdir():
                _shred(path)
            _sync_directory(directory)
            directory.rmdir()
            _sync_directory(self._directory)

    def seal(self, purpose: str, secret: bytes) -> bytes:
        """Return a secret encrypted under the master key and bound to ``purpose``, to be stored elsewhere."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, f"nixws-sealed:{purpose}".encode())

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        """Return the secret that ``seal`` was given; ``RuntimeFailed`` if it does not open for this purpose."""
        try:
            return self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], f"nixws-sealed:{purpose}".encode()
            )
        except (InvalidTag, ValueError) as wrong:
            raise RuntimeFailed(
                "A secret does not open under this master key: set it again, or put back the data directory's own "
                "master.key.",
                code="secret_unreadable",
            ) from wrong

    def _path(self, workspace_id: str) -> Path:
        """Return the file of one workspace; ids are checked because they become a path."""
        if not is_workspace_id(workspace_id):
            raise InvalidInput(f"{workspace_id!r} is not the id of a workspace.", field="workspace_id")
        return self._directory / workspace_id / "wrapped.json"

    def _wrap(self, workspace_id: str, purpose: str, secret: bytes) -> dict[str, str]:
        """Encrypt one secret, bound to its workspace and purpose."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret, _bound_to(workspace_id, purpose))
        return {"nonce": base64.b64encode(nonce).decode(), "sealed": base64.b64encode(sealed).decode()}

    def _unwrap(self, workspace_id: str, purpose: str, wrapped: dict[str, str]) -> bytes:
        """Decrypt one secret."""
        nonce, sealed = base64.b64decode(wrapped["nonce"]), base64.b64decode(wrapped["sealed"])
        return self._cipher.decrypt(nonce, sealed, _bound_to(workspace_id, purpose))


def open_keys(data: Path) -> KeyStore:
    """Open the key store of a data directory; a new one gets its master key.

    Raises ``Unavailable`` with code ``master_key_missing`` or ``master_key_wrong`` where keys exist that the master key
    does not fit: a new one would make all data unreadable for ever.
    """
    directory = data / "keys"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, check = data / "master.key", directory / "check"
    # In this order: another process that makes both at this moment makes the master key first.
    in_use = any(directory.iterdir())
    if not path.exists():
        if in_use:
            raise Unavailable(
                "The master key master.key is missing, and keys exist that only it opens. Put it back.",
                code="master_key_missing",
            )
        _write_new(path, secrets.token_bytes(_MASTER_BYTES))
    master = path.read_bytes()
    if len(master) != _MASTER_BYTES:
        raise _wrong_master()
    cipher = AESGCM(master)
    if not check.exists():
        nonce = secrets.token_bytes(_NONCE_BYTES)
        _write_new(check, nonce + cipher.encrypt(nonce, _CHECK, b"nixws:check"))
    sealed = check.read_bytes()
    try:
        cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], b"nixws:check")
    except (InvalidTag, ValueError) as wrong:
        raise _wrong_master() from wrong
    return KeyStore(directory, master)


def _wrong_master() -> Unavailable:
    """Return the error for a master key that is not the one the keys were made under."""
    return Unavailable(
        "The master key master.key is not the one that this directory's keys were wrapped with. Put that one back.",
        code="master_key_wrong",
    )


def _fresh() -> WorkspaceKeys:
    """Make new keys."""
    client, host = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    return WorkspaceKeys(
        secrets.token_bytes(_VOLUME_BYTES), _private(client), _public(client), _private(host), _public(host)
    )


def _private(key: Ed25519PrivateKey) -> str:
    """Return a private key as OpenSSH stores it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def _public(key: Ed25519PrivateKey) -> str:
    """Return a public key as one line."""
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _bound_to(workspace_id: str, purpose: str) -> bytes:
    """Return the associated data of a wrapped key."""
    return f"nixws:{workspace_id}:{purpose}".encode()


def _write_new(path: Path, content: bytes) -> None:
    """Put a file on the disk whole or not at all; one that is there already stays."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
    _sync_directory(path.parent)


def _shred(path: Path) -> None:
    """Overwrite a file in place, then remove it."""
    with path.open("r+b") as file:
        file.write(secrets.token_bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
