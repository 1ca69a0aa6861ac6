"""Common parts of the tests of the Debian package set: Nix, the set's reference, flakes of workspaces."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SET = Path("/var/cache/nixws/debian-set")
PACKAGES = json.loads((ROOT / "nix/debian/packages.json").read_text())
ATTRIBUTES = PACKAGES["attributes"]
WORKSPACE = {"schema": 1, "system": "x86_64-linux", "template": "minimal", "packages": ["hello"], "ports": [8080]}
TOPLEVEL = "nixosConfigurations.workspace.config.system.build.toplevel"


class Nix:
    """Nix as root, without a daemon, and the package set's reference."""

    def __init__(self, executables: Path, reference: str) -> None:
        self.executables = executables
        self.reference = reference
        self.environment = {
            "PATH": f"{executables}:/usr/bin:/bin",
            "NIX_CONF_DIR": str(executables.parent / "etc"),
            "HOME": os.environ.get("HOME", "/root"),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `nix` and return what it said."""
        return subprocess.run(
            [str(self.executables / "nix"), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )

    def output(self, *arguments: str) -> str:
        """Run `nix`, which must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.strip()


def program(name: str) -> list[str]:
    """Run one of the set-up programs and return the lines it printed."""
    done = subprocess.run(["python3", ROOT / name], capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def find_nix() -> Nix:
    """Install Nix and generate the set; both do nothing where it is done."""
    executables = Path(program("nix/install.py")[-1])
    return Nix(executables, program("nix/debian/generate.py")[-1])


def workspace(folder: Path, nix: Nix, *, module: str | None = None, **changes: Any) -> str:
    """Write a workspace's flake, with its input locked to the set, and return its reference."""
    for part in (ROOT / "nix").glob("*.nix"):
        (folder / part.name).write_text(part.read_text())
    templates = folder / "templates"
    templates.mkdir(exist_ok=True)
    for template in (ROOT / "nix/templates").glob("*.nix"):
        (templates / template.name).write_text(template.read_text())
    (folder / "agent").mkdir(exist_ok=True)
    for part in (*(ROOT / "agent").glob("*.[ch]"), *(ROOT / "agent").glob("*.nix")):
        (folder / "agent" / part.name).write_text(part.read_text())
    if module is not None:
        text = f'{{ title = "T"; description = "D"; icon = "i"; packages = [ ]; module = {module}; }}'
        (templates / "tried.nix").write_text(text)
        changes["template"] = "tried"
    (folder / "workspace.json").write_text(json.dumps({**WORKSPACE, **changes}))
    nix.output("flake", "lock", f"path:{folder}", "--override-input", "nixpkgs", nix.reference)
    return f"path:{folder}#{TOPLEVEL}"
