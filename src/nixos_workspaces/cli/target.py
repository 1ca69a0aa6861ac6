"""Which service a verb talks to, and how its answer is shown.

In this order: ``--url``/``NIXWS_URL`` with ``--token``/``NIXWS_TOKEN``; what is missing of them comes from
``DATA/cli.json``, which ``nixws serve`` writes at its start for those who may read the data directory (mode 0600).
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nixos_workspaces.errors import Unauthenticated, WorkspacesError, exit_code

if TYPE_CHECKING:
    from rich.console import Console

    from nixos_workspaces.client import Client

CLI_FILE = "cli.json"
DEFAULT_URL = "http://127.0.0.1:5000"


@dataclass(frozen=True, slots=True)
class Target:
    """The global options of one call of ``nixws``."""

    data: Path
    url: str | None
    token: str | None
    as_json: bool

    def client(self) -> Client:
        """Return a client of the chosen service; raise ``Unauthenticated`` when there is no token for it."""
        url, token = self.url, self.token
        if not url or not token:
            known = self._known()
            # A token is only ever sent to the service that it was written down for.
            if not url or url.rstrip("/") == known.get("url"):
                token = token or known.get("token")
            url = url or known.get("url") or DEFAULT_URL
        if not token:
            raise Unauthenticated(
                f"There is no token for {url}. Set NIXWS_TOKEN (`nixws --data DIR token create NAME` makes one), "
                f"or give --data DIR of a service that runs here."
            )
        from nixos_workspaces.client import Client

        return Client(url, token)

    def service_url(self) -> str | None:
        """Return the address of the chosen service, if it is known."""
        return self.url or self._known().get("url")

    def _known(self) -> dict[str, str]:
        """Return what the service in the data directory wrote down; nothing when it cannot be read."""
        with suppress(OSError, ValueError):
            stated = json.loads((self.data / CLI_FILE).read_text())
            return {name: str(stated[name]) for name in ("url", "token") if name in stated}
        return {}


def target_of(context: typer.Context) -> Target:
    """Return the global options."""
    found = context.find_root().obj
    assert isinstance(found, Target)
    return found


def write_cli_file(data: Path, url: str, token: str) -> None:
    """Write down, for those who may read the data directory, where the service is and a token for it."""
    temporary = data / f".{CLI_FILE}.new"
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"url": url, "token": token}, file)
    temporary.replace(data / CLI_FILE)


def read_cli_token(data: Path) -> str:
    """Return the token of an earlier start; empty when there is none."""
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads((data / CLI_FILE).read_text())["token"])
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
