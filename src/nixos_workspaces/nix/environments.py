"""Environments of workspaces: checked, built, kept as generations, forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from nixos_workspaces.errors import Conflict
from nixos_workspaces.model.environment import Environment, Generation, Package, Template
from nixos_workspaces.model.workspace import Phase, Progress
from nixos_workspaces.nix.catalogue import Catalogue
from nixos_workspaces.nix.executable import Nix, not_runnable
from nixos_workspaces.nix.flakes import TOPLEVEL, Flakes, reference
from nixos_workspaces.nix.generations import Profile
from nixos_workspaces.nix.locks import Sharing, hold
from nixos_workspaces.nix.names import refuse_malformed, refuse_malformed_id
from nixos_workspaces.nix.package_set import PackageSet
from nixos_workspaces.nix.reports.build_log import BuildLog
from nixos_workspaces.nix.reports.failures import evaluation_too_slow, explain
from nixos_workspaces.process import CommandFailed, run_streaming

_COLLECT_SECONDS = 3600.0
_COLLECT_PATIENCE = 60.0
_FREED = re.compile(r"([\d.]+) (bytes|[KMGT]iB) freed")
_UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


@dataclass(frozen=True, slots=True)
class BuildLimits:
    """The limits of building."""

    seconds: float = 3600.0
    """After which a build is stopped."""
    evaluation_bytes: int = 4 << 30
    """Memory of one evaluation."""
    builds: int = 2
    """Builds that run at the same time; others wait."""
    evaluation_seconds: float = 600.0
    """After which an evaluation that has not begun to build or fetch is stopped."""
    grace: float = 10.0
    """Seconds from being asked to end until being killed. Without a daemon Nix itself must stop its builders, which it
    does when asked, not when killed; a loop inside one of its builtins never hears the question."""


class Environments:
    """``Environments`` built by Nix: one package set, any number of workspaces.

    Several processes may use one directory. Calls for one workspace are serialised, across processes; building and
    collecting garbage exclude each other. All methods may raise ``Unavailable`` when Nix or its daemon does not answer.

        DIRECTORY/workspaces/ID/    flake and profile of a workspace (see ``flakes`` and ``generations``)
        DIRECTORY/flakes/           the static files with the lock of each package set
        DIRECTORY/home/             Nix's own caches and the indexes of packages
    """

    def __init__(
        self, directory: Path, package_set: PackageSet, nix: Nix, flake: Path, limits: BuildLimits = BuildLimits()
    ) -> None:
        """``directory`` is made where it is missing; ``flake`` holds flake.nix, workspace.nix and templates."""
        self.package_set = package_set
        self._directory = directory
        self._locks = directory / "locks"
        self._workspaces = directory / "workspaces"
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.builds)
        home = directory / "home"
        for needed in (self._locks, self._workspaces, home):
            needed.mkdir(parents=True, exist_ok=True)
        self._nix = nix.homed(home).limited(limits.evaluation_bytes)
        self._flakes = Flakes(directory / "flakes", flake, package_set, self._nix)
        self._catalogue = Catalogue(home, package_set, self._nix, flake / "templates")

    async def templates(self) -> tuple[Template, ...]:
        """Return the templates, sorted by name."""
        return await self._catalogue.templates()

    async def search(self, query: str, limit: int = 50) -> tuple[Package, ...]:
        """Return at most ``limit`` packages whose name or description holds every word of ``query``, best first.

        Raises ``InvalidInput`` (field ``query``) for one that is too long, ``Unavailable`` (code
        ``index_not_ready``) while the list of a large set is being made for the first time.
        """
        return await self._catalogue.search(query, limit)

    async def check(self, environment: Environment) -> None:
        """Raise ``InvalidInput`` unless ``environment`` can be built as far as its names tell; nothing is built.

        Codes: ``invalid_package``, ``unknown_package`` (field ``packages.N``), ``unknown_template`` (``template``),
        ``invalid_port`` (``ports.N``). Names that do not exist are answered with the nearest that do.
        """
        refuse_malformed(environment)
        await self._catalogue.refuse_unknown(environment)

    async def build(
        self,
        workspace_id: str,
        environment: Environment,
        on_progress: Callable[[Progress], None],
        on_log: Callable[[str], None],
    ) -> Generation:
        """Build ``environment`` and make it the workspace's current generation.

        An environment that leads to the store path of the newest generation makes no new one: that one becomes
        current. Always builds from the package set in force. ``on_log`` gets every line that Nix says. Raises
        ``BuildFailed`` with the cause in a sentence; the current generation stays what it was. Cancelling stops the
        build; store paths built by then are kept for the next one.
        """
        refuse_malformed(environment)
        on_progress(Progress(Phase.EVALUATE, None, "Waiting for other builds"))
        async with self._slots, self._workspace(workspace_id) as profile, hold(self._garbage, Sharing.SHARED):
            on_progress(Progress(Phase.EVALUATE, None, "Evaluating the environment"))
            profile.complete_notes()
            await self._flakes.write(profile.flake, environment)
            await self._run_build(profile, environment, on_progress, on_log)
            return profile.note(environment)

    async def generations(self, workspace_id: str) -> tuple[Generation, ...]:
        """Return the generations that can be selected, oldest first; none for an unknown workspace."""
        return self._profile(workspace_id).generations()

    async def select(self, workspace_id: str, number: int) -> Generation:
        """Make the generation ``number`` the current one; ``NotFound`` when it was collected or never was."""
        async with self._workspace(workspace_id) as profile:
            return profile.select(number)

    async def forget(self, workspace_id: str) -> None:
        """Remove the workspace's flake and profile; its store paths go with the next garbage collection.

        Does nothing for an unknown workspace. Waits for a build of the workspace to end: cancel it first.
        """
        refuse_malformed_id(workspace_id)
        if not (self._workspaces / workspace_id).exists():
            return
        async with self._workspace(workspace_id):
            await asyncio.to_thread(shutil.rmtree, self._workspaces / workspace_id, ignore_errors=True)
            self._lock_file(workspace_id).unlink(missing_ok=True)

    async def collect_garbage(self) -> int:
        """Delete every store path that nothing refers to; return the bytes freed.

        Never runs beside a build: waits a minute for running ones, then raises ``Conflict`` (code ``build_running``).
        Builds that begin meanwhile wait. The store is the machine's: paths that others left unused go as well.
        """
        try:
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(hold(self._garbage, timeout=_COLLECT_PATIENCE))
                told = await self._nix.text("store", "gc", timeout=_COLLECT_SECONDS, stderr=True)
        except TimeoutError as busy:
            raise Conflict(
                "Environments are being built. Collect garbage when they are done.", code="build_running"
            ) from busy
        found = _FREED.findall(told)
        return sum(int(float(amount) * _UNITS[unit]) for amount, unit in found)

    async def close(self) -> None:
        """Cancel work in the background; builds are stopped by cancelling them."""
        await self._catalogue.close()

    async def _run_build(
        self,
        profile: Profile,
        environment: Environment,
        on_progress: Callable[[Progress], None],
        on_log: Callable[[str], None],
    ) -> None:
        """Let Nix evaluate, build and make a generation."""
        log = BuildLog()

        def follow(line: bytes) -> None:
            reading = log.feed(line)
            for text in reading.lines:
                on_log(text)
            if reading.progress is not None:
                if reading.progress.phase is not Phase.EVALUATE and not evaluating.expired():
                    evaluating.reschedule(None)
                on_progress(reading.progress)

        argv = self._nix.command(
            *("build", f"{reference(profile.flake)}#{TOPLEVEL}", "--profile", profile.path, "--no-link"),
            *("--no-update-lock-file", "--log-format", "internal-json", "-v"),
        )
        limits = self._limits
        try:
            async with asyncio.timeout(limits.evaluation_seconds) as evaluating:
                await run_streaming(argv, follow, env=self._nix.environment, timeout=limits.seconds, grace=limits.grace)
        except TimeoutError as late:
            raise evaluation_too_slow(limits.evaluation_seconds) from late
        except CommandFailed as failed:
            timeout = limits.seconds if failed.timed_out else None
            error = explain(log.errors, environment=environment, tails=log.tails, timeout=timeout)
            raise error from failed
        except OSError as failed:
            raise not_runnable(self._nix.bin, failed) from failed

    @property
    def _garbage(self) -> Path:
        """The lock that builds share and the collector has for itself."""
        return self._locks / "garbage"

    def _lock_file(self, workspace_id: str) -> Path:
        return self._locks / f"workspace-{workspace_id}"

    def _profile(self, workspace_id: str) -> Profile:
        refuse_malformed_id(workspace_id)
        return Profile(self._workspaces / workspace_id)

    @contextlib.asynccontextmanager
    async def _workspace(self, workspace_id: str) -> AsyncIterator[Profile]:
        """Hold the workspace's lock within the block."""
        profile = self._profile(workspace_id)
        async with hold(self._lock_file(workspace_id)):
            yield profile
