"""Starting and logging of the processes that serve."""

from __future__ import annotations

import logging
import sys

SERVE_COMMAND = (sys.executable, "-P", "-X", "no_debug_ranges", "-m", "nixos_workspaces.serve")
"""Command line of the control plane's own process; its settings are in its environment.

Columns of lines in tracebacks are left out: they take a megabyte of its memory.
"""
_CHATTY = ("alembic", "asyncssh", "aiosqlite", "httpx2", "httpcore2", "uvicorn.error")


def log_to_stderr(level: str) -> None:
    """Write messages of ``level`` and above, of chatty libraries only warnings."""
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
