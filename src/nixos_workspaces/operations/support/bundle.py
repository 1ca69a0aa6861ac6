"""A support bundle as an archive: its parts, and the hiding of what must not stand in one. Pure but for the packing."""

from __future__ import annotations

import io
import json
import os
import platform
import sqlite3
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

from nixos_workspaces import __version__
from nixos_workspaces.logs.masking import HIDDEN, masked_text
from nixos_workspaces.settings import Settings

_SHORTEST = 6
"""Characters of a secret that is looked for: shorter ones would hide ordinary words."""
_ABOUT = """This is a support bundle of NixOS Workspaces, made at {at}.

versions.json    the program, its libraries, this system
settings.json    the settings in force
health.json      every finding with its code and remedy
node.json        what the node tells of its machine and of the workspaces' machines, by id
database.json    rows of each table, sizes of the files
workspaces.json  the state of each workspace by id: no names, owners, environments or messages
log.jsonl        the last lines of the service's log, without requests
node-log.jsonl   the last lines of the node's log
problem.json     instead of some of these, where the service did not answer

It holds no token, key, password, secret or cookie, no file and no terminal's output, and no name of a workspace, user
or secret. Look through it all the same before you hand it on.
"""


def versions() -> Mapping[str, Any]:
    """Return what runs, and on what."""
    libraries = {one.metadata["Name"]: one.version for one in metadata.distributions()}
    return {
        "nixos_workspaces": __version__,
        "python": sys.version,
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "libraries": dict(sorted(libraries.items())),
    }


def told_settings(settings: Settings) -> Mapping[str, str]:
    """Return the settings as they may be told: of addresses neither passwords nor queries."""
    return {one.name: _told(str(getattr(settings, one.name))) for one in fields(settings)}


def _told(value: str) -> str:
    if "://" in value and (parts := urlsplit(value)).query:
        value = parts._replace(query=HIDDEN, fragment="").geturl()
    return masked_text(value)


def packed(parts: Mapping[str, object], secrets: Sequence[str], at: datetime) -> bytes:
    """Return the archive of parts by their names; text as it is, all else as JSON. None of ``secrets`` stands in it."""
    kept = io.BytesIO()
    moment = at.timetuple()[:6]
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in {"README.txt": _ABOUT.format(at=at.isoformat(timespec="seconds")), **parts}.items():
            text = part if isinstance(part, str) else json.dumps(part, indent=1, ensure_ascii=False, default=str)
            archive.writestr(zipfile.ZipInfo(name, moment), without(masked_text(text), secrets))
    return kept.getvalue()


def without(text: str, secrets: Sequence[str]) -> str:
    """Return a text in which none of these stands, as it is or as JSON writes it."""
    for secret in sorted({one.strip() for one in secrets}, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            for form in (secret, json.dumps(secret, ensure_ascii=False)[1:-1]):
                text = text.replace(form, HIDDEN)
    return text
