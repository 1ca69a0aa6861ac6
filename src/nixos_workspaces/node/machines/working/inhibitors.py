"""The requests to systemd that a machine be not put to sleep, out of the files that logind keeps of them."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, suppress

from nixos_workspaces.model.automation.activity import MOST_INHIBITORS, Inhibitor
from nixos_workspaces.node.kernel.mounts import open_beneath
from nixos_workspaces.node.kernel.unit_groups import shown

_PLACE = "run/systemd/inhibit"
_MOST_FILES = 64
_LONGEST_FILE = 4096
_OF_SLEEP = frozenset({"sleep", "idle", "shutdown"})


def inhibitors(first: int) -> list[Inhibitor]:
    """Return the inhibitors in the machine of that PID 1; its root may write these files, which are read with care."""
    found: list[Inhibitor] = []
    with suppress(OSError), ExitStack() as stack:
        root = os.open(f"/proc/{first}/root", os.O_PATH | os.O_CLOEXEC)
        stack.callback(os.close, root)
        place = open_beneath(root, _PLACE, os.O_RDONLY | os.O_DIRECTORY, across_mounts=True)
        stack.callback(os.close, place)
        with os.scandir(place) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MOST_FILES), strict=False)]
        for name in names:
            if len(found) < MOST_INHIBITORS and (one := _read(place, name)) is not None:
                found.append(one)
    return sorted(found, key=lambda one: (one.who, one.why))


def _read(place: int, name: str) -> Inhibitor | None:
    """Return the inhibitor of one file; None for another kind, and for a file that is none of logind's."""
    values: dict[str, str] = {}
    with suppress(OSError):
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                text = os.read(file, _LONGEST_FILE).decode(errors="replace")
                pairs = (line.partition("=") for line in text.splitlines())
                values = {key: value.strip('"') for key, _, value in pairs}
        finally:
            os.close(file)
    if values.get("MODE") != "block" or not _OF_SLEEP & set(values.get("WHAT", "").split(":")):
        return None
    return Inhibitor(shown(values.get("WHO", "")), shown(values.get("WHY", "")))
