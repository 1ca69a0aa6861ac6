"""A database with the present schema, made once in a run: migrating each anew takes most of opening it."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from run_directory import current

from nixos_workspaces.database import Database, open_database


@cache
def _migrated() -> Path:
    directory = current() / "migrated"
    directory.mkdir(exist_ok=True)
    made = directory / "nixws.db"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            fresh = directory / "fresh" / "nixws.db"
            subprocess.run([sys.executable, "-P", "-m", "nixos_workspaces.database.migrations", fresh], check=True)
            fresh.replace(made)
    return made


def put_migrated(path: Path) -> None:
    """Put an empty database at ``path``, unless there is one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_migrated(), path)
        path.chmod(0o600)


async def open_migrated(path: Path) -> Database:
    """Open the database at ``path``, empty unless there is one."""
    put_migrated(path)
    return await open_database(path)
