"""Programs of others that are carried into a workspace, to be looked at through its previews."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "tests" / "previewed.lock"
_MODULES = ROOT / "ui" / "node_modules"


@cache
def jupyter() -> Path:
    """Return an archive of JupyterLab, as ``pip install --target`` lays it out, after downloading it."""
    home, archive, stamp = (ROOT / ".dev" / name for name in ("previewed", "previewed.tar", "previewed.done"))
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    with (ROOT / ".dev" / "previewed.taken").open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--upgrade"]
            words = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile", "--target", str(home)]
            subprocess.run([*pip, *words, "-r", str(LOCK)], check=True)
            with tarfile.open(archive, "w") as packed:
                packed.add(home, "jupyter")
            stamp.write_text(wanted)
    return archive


def vite(target: Path) -> Path:
    """Write an archive of Vite and all that it needs, as they lie in ``ui/node_modules``; return its path."""
    wanted, found = ["vite"], set[str]()
    while wanted:
        name = wanted.pop()
        described = _MODULES / name / "package.json"
        if name in found or not described.exists():  # binaries of other machines are not there
            continue
        found.add(name)
        needs = json.loads(described.read_text())
        wanted += [*needs.get("dependencies", {}), *needs.get("optionalDependencies", {})]
    with tarfile.open(target, "w") as packed:
        for name in sorted(found):
            packed.add(_MODULES / name, f"node_modules/{name}")
    return target


def add_texts(archive: Path, texts: dict[str, str]) -> None:
    """Add files to an archive."""
    with tarfile.open(archive, "a") as packed:
        for name, text in texts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            packed.addfile(entry, io.BytesIO(text.encode()))
