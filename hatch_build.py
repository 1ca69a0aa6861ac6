"""The parts that a wheel carries beside the package: the flake, the set's generator, the holder's sources, the UI.

``nixos_workspaces.installation`` finds them there. An editable installation carries nothing: its parts are in the tree.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED = "nixos_workspaces/shipped"
# What the flake of a workspace takes of agent/, which nix/agent links to: neither its tests nor its fuzzing corpus.
AGENT = ("*.c", "*.h", "*.nix")


class ShippedFiles(BuildHookInterface[Any]):
    """Puts the files that are not Python modules into a wheel."""

    # Not marked as an override: the decorator's package would be one more that a build needs.
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # type: ignore[explicit-override]
        """Name every file with its place in the wheel; fails where the browser UI has not been built."""
        if version == "editable":
            return
        root = Path(self.root)
        ui = root / "ui" / "dist"
        if not (ui / "index.html").is_file():
            raise FileNotFoundError("The browser UI is not built: run `python3 dev.py wheel`, which builds it first.")
        nix = [path for path in files(root / "nix") if "__pycache__" not in path.parts]
        build_data["force_include"] |= {
            **{str(path): f"{SHIPPED}/{path.relative_to(root)}" for path in nix},
            **{str(path): f"{SHIPPED}/nix/agent/{path.name}" for glob in AGENT for path in (root / "agent").glob(glob)},
            **{str(path): f"{SHIPPED}/ui/{path.relative_to(ui)}" for path in files(ui)},
        }


def files(directory: Path) -> list[Path]:
    """Return every file below a directory, following no link to another."""
    return sorted(Path(parent) / name for parent, _, names in os.walk(directory) for name in names)
