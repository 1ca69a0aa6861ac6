"""The protocol of environments, for the parts above Nix; ``environments`` implements it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from nixos_workspaces.model.closures.paths import StorePath
from nixos_workspaces.model.environment import Environment, Generation, Package, Template
from nixos_workspaces.model.workspace import Progress


class Closures(Protocol):
    """All that systems need."""

    async def of(self, toplevel: str) -> Sequence[StorePath]:
        """Return a path and all that it needs; ``NotFound`` where it was collected meanwhile."""


class Environments(Protocol):
    """The builder of environments, which keeps their generations (design section 4).

    Every method raises ``Unavailable`` when Nix does not answer. Calls for different workspaces run side by side.
    """

    @property
    def closures(self) -> Closures:
        """The closures of generations."""

    async def templates(self) -> Sequence[Template]:
        """Return the templates to choose from."""

    async def search(self, query: str, limit: int) -> Sequence[Package]:
        """Return the packages that match, best first."""

    async def check(self, environment: Environment) -> None:
        """Raise ``InvalidInput`` for an unknown template or package, naming the nearest existing ones."""

    async def build(
        self,
        workspace_id: str,
        environment: Environment,
        on_progress: Callable[[Progress], None],
        on_log: Callable[[str], None],
    ) -> Generation:
        """Build and make it the present generation; idempotent. Raises ``BuildFailed``; cancelling stops the build."""

    async def generations(self, workspace_id: str) -> Sequence[Generation]:
        """Return the built generations, in any order; empty for an unknown workspace."""

    async def select(self, workspace_id: str, number: int) -> Generation:
        """Make an older generation the present one; ``NotFound`` if there is none of that number."""

    async def note_ports(self, workspace_id: str, ports: tuple[int, ...]) -> None:
        """Note the ports that are open with the present generation; does nothing before the first build.

        They are no part of what is built; the declaration of the workspace names them nevertheless.
        """

    async def forget(self, workspace_id: str) -> None:
        """Give all generations back to the collector; idempotent."""

    async def collect_garbage(self) -> int:
        """Remove store paths that no generation needs, never beside a build; return the bytes that were freed."""
