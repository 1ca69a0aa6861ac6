"""Prepare an installed wheel for ``nixws up``: Nix, and the Debian package set."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from nixos_workspaces.errors import Unavailable
from nixos_workspaces.installation import is_checkout, nix_directory
from nixos_workspaces.nix.executable import Nix
from nixos_workspaces.settings import Settings


def prepare(settings: Settings, tell: Callable[[str], None]) -> None:
    """Install Nix where there is none, and bring the package set out of Debian packages up to date.

    A checkout is left alone: there ``dev.py`` has done so. Raises ``Unavailable`` (code ``nix_missing``) when Nix
    cannot be installed; whether a set that cannot be made matters is for the control plane to tell.
    """
    if is_checkout():
        return
    try:
        Nix.find(settings)
    except Unavailable:
        tell("installing Nix")
        if not _run(nix_directory() / "install.py", "--prefix", settings.nix_bin.parent):
            raise Unavailable(
                "Nix is not here and could not be installed; the reason stands above. Install Nix 2.18 or newer.",
                code="nix_missing",
            ) from None
    if settings.package_set in {"auto", "debian"} and shutil.which("apt-get"):
        tell("making sure of the package set out of Debian packages")
        if not _run(nix_directory() / "debian" / "generate.py", "--out", settings.debian_set):
            tell("the package set out of Debian packages could not be made; the reason stands above")


def _run(program: Path, *arguments: str | Path) -> bool:
    """Run a program of the installation with this Python; returns whether it succeeded."""
    command = [sys.executable, str(program), *map(str, arguments)]
    return subprocess.run(command, check=False, stdout=sys.stderr, stdin=subprocess.DEVNULL).returncode == 0
