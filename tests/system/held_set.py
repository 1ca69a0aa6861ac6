"""The package set out of Debian packages and two packages more: one is never built to its end, one cannot be built."""

from __future__ import annotations

from pathlib import Path

from system.service import processes

from nixos_workspaces.settings import Settings

SLEEP = "987654321"
"""Seconds that the builder sleeps, unlike those of any other process."""
SAYS = "held: begun"
_FLAKE = """
{
  outputs =
    { self }:
    let
      system = "x86_64-linux";
      set = builtins.getFlake "REFERENCE";
      inherit (import (set + "/default.nix") { inherit system; }) pkgs debian;
      held = derivation {
        name = "held-1.0";
        inherit system;
        builder = "/bin/sh";
        args = [ "-c" "echo SAYS; exec ${pkgs.coreutils}/bin/sleep SLEEP" ];
        allowSubstitutes = false;
      };
      broken = derivation {
        name = "broken-1.0";
        inherit system;
        builder = "/bin/sh";
        args = [ "-c" "echo checking for a compiler; echo 'error: no compiler was found' >&2; exit 1" ];
        allowSubstitutes = false;
      };
      more = pkgs // {
        broken = broken // { version = "1.0"; meta.description = "Cannot be built."; };
        held = held // { version = "1.0"; meta.description = "Is never built to its end."; };
      };
    in
    {
      legacyPackages.${system} = more;
      lib = pkgs.lib // {
        nixosSystem = import (set + "/nixos") { pkgs = more; inherit debian; };
      };
    };
}
"""


def write_held_set(directory: Path) -> str:
    """Write the set into an empty directory that is to be the setting ``debian_set``; returns it."""
    directory.chmod(0o755)
    reference = (Settings().debian_set / "reference").read_text().strip()
    text = _FLAKE.replace("REFERENCE", reference).replace("SAYS", SAYS).replace("SLEEP", SLEEP)
    (directory / "flake").mkdir()
    (directory / "flake/flake.nix").write_text(text)
    (directory / "reference").write_text(f"path:{directory}/flake\n")
    return str(directory)


def builders() -> list[int]:
    """Return the builds of the held package that run on this machine."""
    return processes(SLEEP)
