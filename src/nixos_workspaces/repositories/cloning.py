"""Putting repositories into running workspaces: once after they are made, and whenever it is asked for again.

What is to be done is in the database; a crash anywhere leaves it there, and the script never overwrites what it finds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import asyncssh

from nixos_workspaces.auth.policy import Action, Principal, authorise
from nixos_workspaces.database import AuditEntry, Database
from nixos_workspaces.errors import Conflict, WorkspacesError
from nixos_workspaces.events import Event, Events
from nixos_workspaces.model.contents.repositories import CloneState, GitSource, Purpose, Repository, asked
from nixos_workspaces.model.workspace import Workspace
from nixos_workspaces.repositories.scripts import VERDICT, fraction_of, is_progress, reason_of, script_of, shown

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
AT_ONCE = 4
CLONE_SECONDS = 3600.0
TRIES = 5
"""So often is one begun that broke off without saying why."""
_MOST_LINES = 2000
"""Lines of one run that are kept in the log; further ones are read and dropped."""
_LAST_LINES = 40
_LONGEST = 1 << 16
_CHUNK = 1 << 15

Mask = Callable[[str], str]


class OpenScript(Protocol):
    """Runs a script in a workspace as its user."""

    def __call__(
        self, workspace_id: str, script: bytes, /
    ) -> AbstractAsyncContextManager[asyncssh.SSHClientProcess[bytes]]:
        """Yield the process."""


@dataclass(frozen=True, slots=True)
class Inside:
    """The ways of this feature to what others own."""

    open_script: OpenScript
    mask: Callable[[str, str], Awaitable[Mask]]
    """Returns what hides the values of the secrets of a workspace and its owner in a line."""
    log: Callable[[str, str], None]
    """Appends a line to the log of a workspace."""


@dataclass(slots=True)
class _Run:
    """One run of a script."""

    mask: Mask
    lines: list[str]
    written: int = 0
    verdict: str = ""
    fraction: float | None = None


class Repositories:
    """The repositories of workspaces. Call it from one event loop."""

    def __init__(
        self,
        database: Database,
        events: Events,
        inside: Inside,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Work through these parts; each change is published as ``workspace.repository``."""
        self._database = database
        self._events = events
        self._inside = inside
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._fractions: dict[tuple[str, Purpose], float] = {}
        self._tries: dict[tuple[str, Purpose, int], int] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def of(self, principal: Principal, workspace: Workspace) -> Sequence[tuple[Repository, float | None]]:
        """Return the repositories of a workspace, each with its progress where that can be told."""
        authorise(principal, Action.READ_REPOSITORIES, workspace)
        async with self._database.reading(once=True) as tx:
            found = await tx.repositories.of(workspace.id)
        return [(one, self._fractions.get((one.workspace_id, one.purpose))) for one in found]

    async def notices(self, workspace_id: str) -> list[str]:
        """Return why repositories of a workspace that may be seen could not be put there."""
        async with self._database.reading(once=True) as tx:
            found = await tx.repositories.of(workspace_id)
        return [f"{_TITLE[one.purpose]}: {one.message}" for one in found if one.state is CloneState.FAILED]

    async def clone(
        self, principal: Principal, workspace: Workspace, source: GitSource | None, *, request_id: str = ""
    ) -> None:
        """Ask for a repository, or for the one that was asked for before, again; nothing that is there is overwritten.

        Raises ``Conflict`` with code ``no_repository`` where none was asked for yet.
        """
        authorise(principal, Action.CLONE, workspace)
        async with self._database.transaction() as tx:
            before = {one.purpose: one for one in await tx.repositories.of(workspace.id)}.get(Purpose.WORK)
            wanted = source or (before.source if before else None)
            if wanted is None:
                raise Conflict("No repository was asked for yet: give its url.", code="no_repository", field="url")
            await tx.repositories.ask(asked(workspace.id, Purpose.WORK, wanted, self._clock()))
            await tx.audit.append(self._entry(principal, workspace, {"url": wanted.url}, request_id))
        self._tell(workspace.id, workspace.owner_id)

    async def apply_dotfiles(self, principal: Principal, workspace: Workspace, *, request_id: str = "") -> None:
        """Ask for the dotfiles of the workspace's owner again, as they are now; ``Conflict`` where there are none."""
        authorise(principal, Action.CLONE, workspace)
        async with self._database.transaction() as tx:
            dotfiles = await tx.repositories.dotfiles(workspace.owner_id)
            if dotfiles is None:
                raise Conflict(
                    "The owner of this workspace has no dotfiles: set them in the profile.", code="no_repository"
                )
            wanted = asked(workspace.id, Purpose.DOTFILES, dotfiles.source, self._clock(), dotfiles.script)
            await tx.repositories.ask(wanted)
            await tx.audit.append(self._entry(principal, workspace, {"url": dotfiles.source.url}, request_id))
        self._tell(workspace.id, workspace.owner_id)

    async def run(self, succeeded: Callable[[], None]) -> None:
        """Put repositories into workspaces for ever; calls ``succeeded`` after each look."""
        try:
            with self._events.subscribe() as heard:
                while True:
                    await self._begin_due()
                    succeeded()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_SECONDS):
                            async for event in heard:
                                if event.data.get("status") == "running" or event.data.get("state") == "waiting":
                                    break
        finally:
            for task in self._tasks.values():
                task.cancel()

    async def _begin_due(self) -> None:
        """Begin with every running workspace that something is to be put into and that is not at it already."""
        async with self._database.reading(once=True) as tx:
            due = await tx.repositories.unfinished()
        by_workspace: dict[str, list[tuple[Repository, str]]] = {}
        for repository, owner in due:
            by_workspace.setdefault(repository.workspace_id, []).append((repository, owner))
        for workspace_id, wanted in by_workspace.items():
            if workspace_id not in self._tasks:
                task = asyncio.create_task(self._put(wanted), name=f"repositories of {workspace_id}")
                self._tasks[workspace_id] = task
                task.add_done_callback(lambda _, gone=workspace_id: self._tasks.pop(gone, None))  # type: ignore[misc]

    async def _put(self, wanted: Sequence[tuple[Repository, str]]) -> None:
        """Put repositories into one workspace, one after the other."""
        for repository, owner in wanted:
            async with self._turn:
                try:
                    await self._put_one(repository, owner)
                except WorkspacesError as problem:  # the database does not answer: the next look finds it again
                    log.warning("A repository of %s waits: %s", repository.workspace_id, problem)

    async def _put_one(self, repository: Repository, owner: str) -> None:
        key = (repository.workspace_id, repository.purpose)
        if not await self._note(repository, CloneState.CLONING, "", owner):
            return
        run = _Run(await self._inside.mask(repository.workspace_id, owner), [])
        try:
            async with asyncio.timeout(CLONE_SECONDS):
                await self._follow(repository, owner, run)
        except TimeoutError:
            run.verdict = "failed It did not end within an hour and was stopped."
        except (OSError, asyncssh.Error, WorkspacesError) as broken:
            log.info("A repository of %s broke off: %s", repository.workspace_id, type(broken).__name__)
        finally:
            self._fractions.pop(key, None)
        state, message = self._outcome(repository, run)
        if state is not CloneState.WAITING and message:
            self._inside.log(repository.workspace_id, f"{_PREFIX[repository.purpose]}{message}")
        await self._note(repository, state, message, owner)

    def _outcome(self, repository: Repository, run: _Run) -> tuple[CloneState, str]:
        """Return the state after a run, and the message for people."""
        counted = (repository.workspace_id, repository.purpose, repository.asked)
        word, _, message = run.verdict.partition(" ")
        if word == "done":
            self._tries.pop(counted, None)
            return CloneState.DONE, message
        if word == "failed":
            self._tries.pop(counted, None)
            return CloneState.FAILED, message or reason_of(run.lines, repository.source.url)
        self._tries[counted] = self._tries.get(counted, 0) + 1
        if self._tries[counted] < TRIES:
            return CloneState.WAITING, ""
        del self._tries[counted]
        return CloneState.FAILED, "It broke off again and again: look at the workspace's log, then clone it again."

    async def _follow(self, repository: Repository, owner: str, run: _Run) -> None:
        """Run the script and read what it says, to its end."""
        rest = b""
        async with self._inside.open_script(repository.workspace_id, script_of(repository)) as process:
            while chunk := await process.stdout.read(_CHUNK):
                *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
                for line in lines:
                    # Hidden before it is cut: a part of a value must not be left over.
                    self._take(repository, owner, run, shown(run.mask(line.decode(errors="replace"))))
                if run.verdict:
                    return  # a program that the script has left running would keep the channel open
                rest = rest[-_LONGEST:]

    def _take(self, repository: Repository, owner: str, run: _Run, line: str) -> None:
        """Take one line: a verdict, progress, or something for the log."""
        if line.startswith(VERDICT):
            run.verdict = line.removeprefix(VERDICT)
        elif (fraction := fraction_of(line)) is not None:
            if run.fraction != fraction:
                run.fraction = self._fractions[repository.workspace_id, repository.purpose] = fraction
                self._publish(repository, owner, CloneState.CLONING)
        elif line and not is_progress(line):
            run.lines = [*run.lines[-_LAST_LINES:], line]
            run.written += 1
            if run.written <= _MOST_LINES:
                self._inside.log(repository.workspace_id, f"{_PREFIX[repository.purpose]}{line}")

    async def _note(self, repository: Repository, state: CloneState, message: str, owner: str) -> bool:
        """Store and tell how far it has got; False where it was asked for anew meanwhile."""
        async with self._database.transaction() as tx:
            stored = await tx.repositories.note(repository, state, message, self._clock())
        if stored:
            self._publish(replace(repository, message=message), owner, state)
        return stored

    def _publish(self, repository: Repository, owner: str, state: CloneState) -> None:
        told = {"owner_id": owner, "purpose": repository.purpose.value, "state": state.value}
        fraction = self._fractions.get((repository.workspace_id, repository.purpose))
        event = Event("workspace.repository", repository.workspace_id, {**told, "fraction": fraction})
        self._events.publish(event)

    def _tell(self, workspace_id: str, owner: str) -> None:
        """Tell that something is asked for, which also begins it."""
        data = {"owner_id": owner, "purpose": "", "state": CloneState.WAITING.value, "fraction": None}
        self._events.publish(Event("workspace.repository", workspace_id, data))

    def _entry(self, principal: Principal, workspace: Workspace, detail: dict[str, str], request_id: str) -> AuditEntry:
        return AuditEntry(self._clock(), principal.id, Action.CLONE, workspace.id, "accepted", request_id, detail)


_TITLE = {Purpose.WORK: "Repository", Purpose.DOTFILES: "Dotfiles"}
_PREFIX = {Purpose.WORK: "git: ", Purpose.DOTFILES: "dotfiles: "}
