"""Environments of workspaces: checked, built, kept as generations, forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from nixos_workspaces.errors import Conflict
from nixos_workspaces.model.environment import Environment, Generation, Package, Template
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.workspace import Phase, Progress
from nixos_workspaces.nix.catalogue import Catalogue
from nixos_workspaces.nix.executable import Nix, not_runnable
from nixos_workspaces.nix.flakes import TOPLEVEL, Flakes, Grants, reference
from nixos_workspaces.nix.generations import Profile
from nixos_workspaces.nix.locks import Sharing, Turns, hold
from nixos_workspaces.nix.names import refuse_malformed, refuse_malformed_id
from nixos_workspaces.nix.package_set import PackageSet
from nixos_workspaces.nix.reports.build_log import BuildLog
from nixos_workspaces.nix.reports.failures import evaluation_too_slow, explain
from nixos_workspaces.nix.store.closures import Closures
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
    evaluations: int = 2
    """Evaluations that run at the same time, each of which may take ``evaluation_bytes``; others wait."""
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
        self,
        directory: Path,
        package_set: PackageSet,
        nix: Nix,
        flake: Path,
        limits: BuildLimits = BuildLimits(),
        grants: Grants = Grants(),  # noqa: B008 - frozen
    ) -> None:
        """``directory`` is made where it is missing; ``flake`` holds flake.nix, workspace.nix and templates."""
        self.package_set = package_set
        self._directory = directory
        self._locks = directory / "locks"
        self._workspaces = directory / "workspaces"
        self._limits = limits
        self._builds = Turns(limits.builds)
        self._evaluations = Turns(limits.evaluations)
        self._waiting = 0
        """Builds that wait for the end of a collection; ``_wanted`` is set while there is one."""
        self._wanted = asyncio.Event()
        self._equal: WeakValueDictionary[Environment, asyncio.Lock] = WeakValueDictionary()
        home = directory / "home"
        # Names of packages are nobody else's business; an earlier version made it readable.
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        for needed in (self._locks, self._workspaces, home):
            needed.mkdir(parents=True, exist_ok=True)
        self._nix = nix.homed(home).limited(limits.evaluation_bytes)
        self._closures = Closures(self._nix)
        self._flakes = Flakes(directory / "flakes", flake, package_set, self._nix, grants)
        self._catalogue = Catalogue(home, package_set, self._nix, flake / "templates", self._evaluations)

    @property
    def closures(self) -> Closures:
        """The closures of generations."""
        return self._closures

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

        def waiting(before: int) -> None:
            on_progress(Progress(Phase.EVALUATE, None, Sentence("progress.queue", {"before": str(before)})))

        equal = self._equal.setdefault(environment, asyncio.Lock())
        if equal.locked():
            on_progress(Progress(Phase.EVALUATE, None, Sentence("progress.equal")))
        # An equal one is evaluated and built once: what comes later finds both done.
        async with (
            equal,
            self._builds.taken(waiting),
            self._workspace(workspace_id) as profile,
            self._without_collection(),
            self._evaluations.taken(waiting) as evaluated,
        ):
            on_progress(Progress(Phase.EVALUATE, None, Sentence("progress.evaluate")))
            await asyncio.to_thread(profile.complete_notes)
            await self._flakes.write(profile.flake, environment)
            await self._run_build(profile, environment, on_progress, on_log, evaluated)
            return await asyncio.to_thread(profile.note, environment)

    async def generations(self, workspace_id: str) -> tuple[Generation, ...]:
        """Return the generations that can be selected, oldest first; none for an unknown workspace."""
        return await asyncio.to_thread(self._profile(workspace_id).generations)

    async def select(self, workspace_id: str, number: int) -> Generation:
        """Make the generation ``number`` the current one; ``NotFound`` when it was collected or never was."""
        async with self._workspace(workspace_id) as profile:
            return await asyncio.to_thread(profile.select, number)

    async def note_ports(self, workspace_id: str, ports: tuple[int, ...]) -> None:
        """Note the ports that are open with the present generation; does nothing before the first build."""
        if not self._profile(workspace_id).path.is_symlink():
            return
        async with self._workspace(workspace_id) as profile:
            await asyncio.to_thread(profile.note_ports, ports)

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

        Never runs beside a build: waits a minute for running ones, and gives way to one that begins; both raise
        ``Conflict`` (code ``build_running``), with what was deleted by then gone for good. The store is the machine's:
        paths that others left unused go as well.
        """
        busy = Conflict("Environments are being built. Collect garbage when they are done.", code="build_running")
        try:
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(hold(self._garbage, timeout=_COLLECT_PATIENCE))
                collecting = asyncio.create_task(self._nix.text("store", "gc", timeout=_COLLECT_SECONDS, stderr=True))
                wanted = asyncio.create_task(self._wanted.wait())
                try:
                    await asyncio.wait({collecting, wanted}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    wanted.cancel()
                    if not collecting.done():
                        collecting.cancel()
                        await asyncio.wait({collecting})
                if collecting.cancelled():
                    raise busy
                told = collecting.result()
        except TimeoutError as late:
            raise busy from late
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
        evaluated: Callable[[], None],
    ) -> None:
        """Let Nix evaluate, build and make a generation; call ``evaluated`` once it has begun to fetch or build."""
        log = BuildLog()

        def follow(line: bytes) -> None:
            reading = log.feed(line)
            for text in reading.lines:
                on_log(text)
            if reading.progress is not None:
                if reading.progress.phase is not Phase.EVALUATE:
                    evaluated()
                    if not evaluating.expired():
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

    @contextlib.asynccontextmanager
    async def _without_collection(self) -> AsyncIterator[None]:
        """Keep garbage from being collected within the block; a collection under way is broken off."""
        self._waiting += 1
        self._wanted.set()
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(hold(self._garbage, Sharing.SHARED))
            finally:
                self._waiting -= 1
                if not self._waiting:
                    self._wanted.clear()
            yield

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
