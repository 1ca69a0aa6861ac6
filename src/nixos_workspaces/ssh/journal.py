"""The journal of a running workspace, as its own ``journalctl`` tells it (journalctl(1), systemd.journal-fields(7))."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

import asyncssh
import orjson

from nixos_workspaces.errors import RuntimeFailed, Unavailable
from nixos_workspaces.model.service import JournalEntry, JournalLevel
from nixos_workspaces.model.workspace import AuthorisedId
from nixos_workspaces.ssh.commands import open_script
from nixos_workspaces.ssh.connections import Connections

LONGEST_LINE = 1 << 18
"""Bytes of one entry as ``journalctl`` writes it; longer ones are left out, whatever writes them."""
LONGEST_TEXT = 8192
_CHUNK = 1 << 16
_FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT,SYSLOG_IDENTIFIER,_COMM"
_NOT_FOUND = 127
_BYTE = range(256)


class Journals:
    """The journals of running workspaces."""

    def __init__(self, connections: Connections) -> None:
        """Ask over ``connections``."""
        self._connections = connections

    async def entries(
        self, workspace_id: AuthorisedId, *, lines: int, level: JournalLevel, follow: bool
    ) -> AsyncGenerator[JournalEntry, None]:
        """Yield the last ``lines`` entries of ``level`` and more urgent ones, oldest first, of every remembered boot.

        With ``follow`` go on with new ones until the workspace stops. Raises ``Unavailable`` where the workspace does
        not answer, ``RuntimeFailed`` with code ``no_journal`` where it has no ``journalctl``, and the errors of
        ``Connections.take``.
        """
        priority = list(JournalLevel).index(level)
        command = f"journalctl --quiet --no-pager --output json --output-fields {_FIELDS} -n {lines} -p {priority}"
        script = f"exec {command}{' --follow' if follow else ''} </dev/null\n".encode()
        within = self._connections.answer_seconds
        async with open_script(self._connections, workspace_id, script) as process:
            async with aclosing(_lines(process, None if follow else within)) as told:
                async for line in told:
                    if (entry := entry_of(line)) is not None:
                        yield entry
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await process.wait_closed()
            if process.exit_status == _NOT_FOUND:
                raise RuntimeFailed("This workspace has no journalctl to read its journal with.", code="no_journal")


async def _lines(process: asyncssh.SSHClientProcess[bytes], within: float | None) -> AsyncGenerator[bytes, None]:
    """Yield what a process writes, line by line; ``within`` seconds must not pass without any."""
    rest, is_skipping = b"", False
    while True:
        try:
            async with asyncio.timeout(within):
                chunk = await process.stdout.read(_CHUNK)
        except (TimeoutError, OSError, asyncssh.Error) as silent:
            raise Unavailable("The workspace's journal stopped answering; try again.", code="no_answer") from silent
        if not chunk:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if not is_skipping:
                yield line
            is_skipping = False
        if len(rest) > LONGEST_LINE:
            rest, is_skipping = b"", True


def entry_of(line: bytes) -> JournalEntry | None:
    """Read one line of ``journalctl --output json``; None for anything else, which a workspace may well write."""
    try:
        told: Any = orjson.loads(line)
        at = datetime.fromtimestamp(int(told["__REALTIME_TIMESTAMP"]) / 1_000_000, UTC)
        level = list(JournalLevel)[int(told.get("PRIORITY") or 6)]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, OSError):
        return None
    unit = _text(told.get("UNIT")) or _text(told.get("_SYSTEMD_UNIT"))
    program = _text(told.get("SYSLOG_IDENTIFIER")) or _text(told.get("_COMM"))
    return JournalEntry(at, level, unit, program, _text(told.get("MESSAGE")))


def _text(value: object) -> str:
    """Return a field as text: what is no UTF-8 comes as a list of bytes, a field that is there twice as a list."""
    match value:
        case str():
            text = value
        case [str() as first, *_]:
            text = first
        case list():
            text = bytes(one for one in value if isinstance(one, int) and one in _BYTE).decode(errors="replace")
        case _:
            return ""
    return text[:LONGEST_TEXT].encode(errors="replace").decode()
