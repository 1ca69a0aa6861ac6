"""Building environments with Nix, from declaration to store path (design section 4)."""

from nixos_workspaces.nix.daemon import daemon_command, is_daemon_running
from nixos_workspaces.nix.environments import BuildLimits, Environments
from nixos_workspaces.nix.executable import Nix
from nixos_workspaces.nix.flakes import Grants
from nixos_workspaces.nix.package_set import PackageSet, PackageSetKind, choose_package_set

__all__ = [
    "BuildLimits",
    "Environments",
    "Grants",
    "Nix",
    "PackageSet",
    "PackageSetKind",
    "choose_package_set",
    "daemon_command",
    "is_daemon_running",
]
