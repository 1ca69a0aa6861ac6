"""A typed client of the API, for the command line, tests and programs.

Every method raises our own errors: what the service refused comes back as the class it was refused with, and a service
that cannot be reached is ``Unavailable``. The credential travels in a header only.
"""

from __future__ import annotations

from nixos_workspaces.client.connection import Connection, error_of
from nixos_workspaces.client.files import FileCalls
from nixos_workspaces.client.terminals import TerminalCalls
from nixos_workspaces.client.workspaces import WorkspaceCalls

__all__ = ["Client", "Connection", "FileCalls", "TerminalCalls", "WorkspaceCalls", "error_of"]


class Client(Connection):
    """A connection with the calls of each noun; a context manager. Use it from one thread."""

    def __init__(self, url: str, token: str = "", *, timeout: float = 60.0) -> None:
        """Reach the service at ``url``; ``timeout`` is in seconds, for each read."""
        super().__init__(url, token, timeout=timeout)
        self.workspaces = WorkspaceCalls(self)
