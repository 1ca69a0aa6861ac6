"""The file by which a ProxyCommand knows its service: written by ``nixws config-ssh``, for its user alone."""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nixos_workspaces.errors import InvalidInput

if TYPE_CHECKING:
    from nixos_workspaces.cli.target import Target
    from nixos_workspaces.client import Client

SUFFIX = "nixws"
DEFAULT_LABEL = "default"


@dataclass(frozen=True, slots=True)
class Access:
    """The way to one service. Holds a secret: never print it."""

    label: str
    """A name for the installation: workspaces of one that is not the default are NAME.LABEL.nixws."""
    url: str = ""
    token: str = ""
    """Empty with ``data``."""
    certificate: str = ""
    data: str = ""
    """The data directory of a service on this machine, which knows address and token; empty for others."""
    key_id: str = ""
    """The id of the registered key, to remove it again."""

    @property
    def suffix(self) -> str:
        """The end of the workspaces' host names, with its dot."""
        return f".{SUFFIX}" if self.label == DEFAULT_LABEL else f".{self.label}.{SUFFIX}"

    def client(self) -> Client:
        """Return a client of that service."""
        from nixos_workspaces.cli.target import Target
        from nixos_workspaces.client import Client

        if self.data:
            return Target(data=Path(self.data), url=None, token=None, as_json=False).client()
        return Client(self.url, self.token, certificate=self.certificate or None)


def access_of(target: Target, label: str) -> Access:
    """Return the way to the service that the options of a call choose; ``Unauthenticated`` without a token."""
    with target.client() as client:
        if not target.url and not target.token:
            return Access(label, data=str(target.data))
        return Access(label, client.url, client.authorization.removeprefix("Bearer "), client.certificate)


def read_access(path: Path) -> Access:
    """Return what a file says; ``InvalidInput`` where it is none, or others may read it."""
    try:
        with path.open() as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise InvalidInput(
                    f"{path}: others may read this file. Run `nixws config-ssh` again.", code="local_file"
                )
            return Access(**json.load(file))
    except (ValueError, TypeError) as wrong:
        raise InvalidInput(f"{path} is no file of `nixws config-ssh`.", code="local_file") from wrong


def tunnel_options(access: Access, file: Path, host: str) -> list[str]:
    """Return the options of ssh that reach a workspace's host through the service, by ``access`` in ``file``.

    ``host`` is a name or the token ``%n``. Without TLS ssh gets the connection to the service itself.
    """
    with access.client() as client:
        is_plain = client.tls is None
    words = [*_program(), "ssh", "--stdio", *(["--fdpass"] if is_plain else []), "--access", str(file)]
    command = shlex.join(words).replace("%", "%%")
    return [f"ProxyCommand={command} '{host}'", *(["ProxyUseFdpass=yes"] if is_plain else [])]


def _program() -> list[str]:
    """Return the words that run this program, from any directory."""
    started = Path(sys.argv[0])
    if started.name == "nixws" and os.access(started, os.X_OK):
        return [str(started.absolute())]
    return [sys.executable, "-m", "nixos_workspaces.cli.main"]


def access_text(access: Access) -> str:
    """Return the content of a file."""
    return json.dumps(asdict(access), indent=1) + "\n"
