"""A database with the present schema, made once in a process: migrating each anew takes most of opening it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path


@cache
def _migrated() -> Path:
    made = Path(tempfile.mkdtemp(prefix="migrated-")) / "nixws.db"
    subprocess.run([sys.executable, "-P", "-m", "nixos_workspaces.database.migrations", made], check=True)
    return made


def put_migrated(path: Path) -> None:
    """Put an empty database at ``path``, unless there is one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_migrated(), path)
        path.chmod(0o600)
