"""Where the parts of an installation lie that are not Python modules: the flake with its programs, the built UI.

In a checkout they are where they are written; a wheel carries them beside the package (``hatch_build.py`` puts them
there). Only this module knows of the two cases.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
SHIPPED = "shipped"
"""The directory within an installed package that a checkout does not have."""


def is_checkout() -> bool:
    """Tell whether the package runs out of its source tree."""
    return not (_PACKAGE / SHIPPED).is_dir()


def code_directory() -> Path:
    """Return the directory that holds all the code: the checkout, or the site-packages of an installed wheel."""
    return _PACKAGE.parents[1] if is_checkout() else _PACKAGE.parent


def nix_directory() -> Path:
    """Return the directory of the flake, of ``install.py`` and of the Debian set's generator."""
    return code_directory() / "nix" if is_checkout() else _PACKAGE / SHIPPED / "nix"


def ui_directory() -> Path:
    """Return the directory of the built browser UI; it is empty or absent where the UI was not built."""
    return code_directory() / "ui" / "dist" if is_checkout() else _PACKAGE / SHIPPED / "ui"
