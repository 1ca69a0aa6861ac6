"""The wheel of this tree, installed as a user installs it: nothing of the checkout is used afterwards."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def run_time_packages(name: str = "nixos-workspaces", extras: tuple[str, ...] = ()) -> set[NormalizedName]:
    """Return the names of all that a distribution of this environment needs to run here."""
    found: set[NormalizedName] = set()
    for text in requires(name) or ():
        needed = Requirement(text)
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found |= {canonicalize_name(needed.name)} | run_time_packages(needed.name, tuple(needed.extras))
    return found


def run_time_lock() -> str:
    """Return the part of the hashed lock that pins what runs."""
    pinned = re.findall(
        r"^(([\w.-]+)==.*(?:\n[ \t]+--hash=.*)+\n)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    wanted = run_time_packages()
    # A package may be pinned several times: its versions differ between versions of Python.
    return "".join(block for block, name in pinned if canonicalize_name(name) in wanted)


def build(directory: Path) -> Path:
    """Build the wheel as ``dev.py wheel`` does."""
    subprocess.run([sys.executable, ROOT / "dev.py", "wheel", "--out", directory], check=True, capture_output=True)
    return next(directory.glob("*.whl"))


def install(wheel: Path, directory: Path) -> Path:
    """Install the wheel and its locked dependencies in an empty environment; returns its ``bin``."""
    lock = directory / "requirements.lock"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock.write_text(f"{run_time_lock()}nixos-workspaces @ file://{wheel} --hash=sha256:{digest}\n")
    python = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([python, "-m", "venv", directory / "venv"], check=True)
    executables = directory / "venv" / "bin"
    pip = [str(executables / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    # The lock names all that is needed; older pips take "pydantic[email]" of a package for not pinned by "pydantic".
    subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", lock], check=True, cwd=directory)
    subprocess.run([executables / "python", "-m", "pip", "check"], check=True, cwd=directory)
    return executables


def reinstall(wheel: Path, executables: Path) -> None:
    """Install a wheel over the one that is there, as an upgrade does."""
    pip = [str(executables / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--force-reinstall", wheel], check=True, cwd=executables)
