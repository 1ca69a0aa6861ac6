"""Which service a verb talks to, and how its answer is shown.

In this order: ``--url``/``NIXWS_URL`` with ``--token``/``NIXWS_TOKEN``; what is missing of them comes from
``DATA/cli.json``, which ``nixws serve`` writes at its start for those who may read the data directory (mode 0600), or
from the file of the same form that ``nixws login`` writes into the user's own configuration.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nixos_workspaces.errors import Unauthenticated, WorkspacesError, exit_code

if TYPE_CHECKING:
    import typer
    from rich.console import Console

    from nixos_workspaces.client import Client

CLI_FILE = "cli.json"
_MOST_BYTES = 16 * 1024
_KNOWN = ("url", "token", "public_url", "certificate")
DEFAULT_URL = "http://127.0.0.1:5000"


@dataclass(frozen=True, slots=True)
class Target:
    """The global options of one call of ``nixws``."""

    data: Path
    url: str | None
    token: str | None
    as_json: bool
    names_data: bool = False
    """The data directory was given, and is not the one that stands for none."""

    def client(self) -> Client:
        """Return a client of the chosen service; raise ``Unauthenticated`` when there is no token for it."""
        url, token, certificate = self.url, self.token, None
        known = self._known()
        # A token is only ever sent to the service that it was written down for.
        if not url or url.rstrip("/") == known.get("url"):
            token = token or known.get("token")
            certificate = known.get("certificate")
        url = url or known.get("url") or DEFAULT_URL
        if not token:
            raise Unauthenticated(
                f"There is no token for {url}. Set NIXWS_TOKEN (`nixws --data DIR token create NAME` makes one), "
                f"or give --data DIR of a service that runs here."
            )
        from nixos_workspaces.client import Client

        return Client(url, token, certificate=certificate)

    def service_url(self) -> str | None:
        """Return the address of the chosen service in a browser, if it is known."""
        known = self._known()
        return self.url or known.get("public_url") or known.get("url")

    def _known(self) -> dict[str, str]:
        """Return what the service in the data directory, or ``nixws login``, wrote down of the chosen service."""
        for directory in (self.data, login_directory()):
            with suppress(OSError, ValueError):
                stated = json.loads(_cli_file(directory))
                known = {name: str(stated[name]) for name in _KNOWN if name in stated}
                if not self.url or self.url.rstrip("/") == known.get("url"):
                    return known
        return {}


def login_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where ``nixws login`` writes down what it got: below ``XDG_CONFIG_HOME``."""
    return Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "nixws"


def target_of(context: typer.Context) -> Target:
    """Return the global options."""
    found = context.find_root().obj
    assert isinstance(found, Target)
    return found


def write_cli_file(data: Path, url: str, token: str, *, public_url: str = "", certificate: str = "") -> None:
    """Write down, for those who may read the data directory, where the service is and a token for it.

    With ``certificate`` the service speaks TLS: whoever asks it here expects that one, whatever name is in it.
    """
    temporary = data / f".{CLI_FILE}.new"
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"url": url, "token": token, "public_url": public_url, "certificate": certificate}, file)
    temporary.replace(data / CLI_FILE)


def _cli_file(data: Path) -> bytes:
    """Read what the service wrote down; never through a link, nor from what is no file: root may be asking."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(data / CLI_FILE, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError
        return file.read(_MOST_BYTES)


def read_cli_token(data: Path) -> str:
    """Return the token of an earlier start; empty when there is none."""
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads(_cli_file(data))["token"])
    return ""


def out() -> Console:
    """Return the console of results."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """Return the console of progress and errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def emit(value: Any) -> None:
    """Print a machine-readable result."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def fail(error: WorkspacesError, *, as_json: bool) -> int:
    """Tell the user what went wrong and return the exit code for it."""
    if as_json:
        stated = {"code": error.code, "message": error.message, "field": error.field}
        sys.stderr.write(json.dumps({"error": stated}, ensure_ascii=False) + "\n")
    else:
        from rich.markup import escape

        err().print(f"[bold red]nixws:[/] {escape(printable(error.message))}")
    return exit_code(error)


def printable(text: str) -> str:
    """Return text that came from elsewhere without what a terminal would obey."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)
