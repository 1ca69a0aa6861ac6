"""Starting of the processes that serve."""

from __future__ import annotations

import sys

SERVE_COMMAND = (sys.executable, "-P", "-X", "no_debug_ranges", "-m", "nixos_workspaces.serve")
"""Command line of the control plane's own process; its settings are in its environment.

Columns of lines in tracebacks are left out: they take a megabyte of its memory.
"""
