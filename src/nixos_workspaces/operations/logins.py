"""Logging in to running workspaces, one after the other: which of them answer, and which do not.

A workspace that runs may have no working sshd, file service or terminals: nothing but trying tells. The service does it
for itself, past tokens, audit and the time of last use, with a connection of its own each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncssh

from nixos_workspaces.errors import NotFound, Unavailable, WorkspacesError
from nixos_workspaces.model.machine import MachineState, Observed
from nixos_workspaces.model.service import HealthItem, Sentence, moment
from nixos_workspaces.operations.why.situation import Part, Unanswered, unanswered_by
from nixos_workspaces.runtimes.base import Runtime
from nixos_workspaces.ssh.connections import Connections, CredentialsOf, Pooled
from nixos_workspaces.terminals.link import HOLDER_SOCKET, Route
from nixos_workspaces.terminals.trial import try_terminal

TURN_SECONDS = 60.0
AGAIN_AFTER = timedelta(minutes=5)
"""Pause after a login that went well: each runs the user's own start-up files."""
FAILED_AGAIN_AFTER = timedelta(minutes=1)
SETTLED_AFTER = timedelta(seconds=30)
"""Age of a machine at which everything in it has had time to start."""
ANSWER_SECONDS = 4.0
"""Time for each part of a login: the connection, the command, the terminal, the file."""
MOST_A_TURN = 4
_MOST_TOLD = 20
_LONGEST_REASON = 200
_COMMAND = "true"
_FILE = b"/etc/passwd"


@dataclass(frozen=True, slots=True)
class Login:
    """The outcome of the last login to one workspace."""

    at: datetime
    unanswered: Mapping[Part, Unanswered]
    """The parts that did not answer; empty when all did."""

    @property
    def problem(self) -> str:
        """The parts that did not answer, each with its reason; empty when all did."""
        return " ".join(f"{part}: {one.message}" for part, one in self.unanswered.items())


class Logins:
    """The last login to each running workspace."""

    def __init__(
        self,
        runtime: Runtime,
        credentials: CredentialsOf,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        answer_seconds: float = ANSWER_SECONDS,
        holder_socket: str = HOLDER_SOCKET,
    ) -> None:
        """Log in to the machines of ``runtime``."""
        self._runtime = runtime
        self._credentials = credentials
        self._clock = clock
        self._answer_seconds = answer_seconds
        self._holder_socket = holder_socket
        self._logins: dict[str, Login] = {}
        self._tried: dict[str, datetime] = {}
        """Times of the last attempts, those included that had no outcome."""
        self._trying = asyncio.Lock()
        """One login after the other: key exchanges side by side hold up keystrokes."""

    async def take_turn(self) -> None:
        """Log in to the few workspaces that were not tried for longest, if any is due; call it every minute."""
        now = self._clock()
        running = [one.workspace_id for one in await self._runtime.list() if _is_settled(one, now)]
        self._logins = {one: self._logins[one] for one in running if one in self._logins}
        self._tried = {one: self._tried[one] for one in running if one in self._tried}
        due = sorted((one for one in running if self._due(one) <= now), key=self._due)
        for workspace_id in due[:MOST_A_TURN]:
            async with self._trying:
                await self._try(workspace_id)

    async def of(self, workspace_id: str, since: datetime) -> Login | None:
        """Return the login to one workspace that was tried after ``since``, now if need be; None where none can be."""
        async with self._trying:
            last = self._logins.get(workspace_id)
            if last is None or last.at < since:
                await self._try(workspace_id)
        last = self._logins.get(workspace_id)
        return None if last is None or last.at < since else last

    def item(self) -> HealthItem:
        """Return the finding about all of them."""
        logins = self._logins
        if not logins:
            return HealthItem("logins", True, Sentence("logins.none"))
        bad = sorted(one for one, login in logins.items() if login.problem)
        values = {"count": str(len(logins)), "at": moment(max(login.at for login in logins.values()))}
        if not bad:
            return HealthItem("logins", True, Sentence("logins.ok", values))
        told = [f"{one} at {moment(logins[one].at)}: {logins[one].problem}" for one in bad[:_MOST_TOLD]]
        more = [f"(+{len(bad) - _MOST_TOLD})"] if len(bad) > _MOST_TOLD else []
        values = {"bad": str(len(bad)), "count": str(len(logins)), "told": " ".join(told + more)}
        return HealthItem("logins", False, Sentence("logins.bad", values))

    def _due(self, workspace_id: str) -> datetime:
        tried, last = self._tried.get(workspace_id), self._logins.get(workspace_id)
        if tried is None:
            return datetime.min.replace(tzinfo=UTC)
        return tried + (AGAIN_AFTER if last is None or not last.problem else FAILED_AGAIN_AFTER)

    async def _try(self, workspace_id: str) -> None:
        """Log in to one workspace and note the outcome; there is none where the fault is not the workspace's."""
        at = self._tried[workspace_id] = self._clock()
        try:
            unanswered = await self._unanswered(workspace_id)
            if unanswered and not _is_settled(await self._runtime.observe(workspace_id), self._clock()):
                return
        except (NotFound, Unavailable):
            return  # nobody's machine, or one that is being deleted: it has no keys; or the engine is away
        self._logins[workspace_id] = Login(at, unanswered)

    async def _unanswered(self, workspace_id: str) -> Mapping[Part, Unanswered]:
        """Return what did not answer, and why."""
        connections = Connections(self._runtime.connect, self._credentials, answer_seconds=self._answer_seconds)
        route = Route(connections, self._holder_socket, self._runtime.connect_holder)
        try:
            pooled = await connections.take(workspace_id)
            parts = {
                Part.COMMAND: partial(self._run, pooled),
                Part.TERMINAL: partial(try_terminal, route, workspace_id),
                Part.FILE: partial(self._read, pooled),
            }
            tried = {part: await self._part(ask) for part, ask in parts.items()}
        except NotFound:
            raise
        except WorkspacesError as refused:
            return {Part.SSH: _told(refused)}
        finally:
            await connections.close()
        return {part: unanswered for part, unanswered in tried.items() if unanswered is not None}

    async def _run(self, pooled: Pooled) -> None:
        """Run a command that does nothing; one that does not end is killed."""
        process = await pooled.ssh.create_process(_COMMAND, encoding=None)
        try:
            process.stdin.write_eof()
            await process.wait_closed()
        except BaseException:
            process.kill()
            raise
        if process.exit_status != 0:
            said = Sentence("login.exit", {"exit": str(process.exit_status)})
            raise Unavailable(said, code="login_command")

    async def _read(self, pooled: Pooled) -> None:
        """Read the beginning of a file that every workspace has; what was opened ends with the connection."""
        sftp = await pooled.ssh.start_sftp_client(path_encoding=None)
        file = await sftp.open(_FILE, "rb", block_size=None)
        await file.read(1)

    async def _part(self, ask: Callable[[], Awaitable[None]]) -> Unanswered | None:
        """Return why a part of the login did not answer; None when it did."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                await ask()
        except WorkspacesError as refused:
            return _told(refused)
        except TimeoutError:
            return unanswered_by(Sentence("login.no_answer", {"seconds": f"{self._answer_seconds:g}"}))
        except (OSError, asyncssh.Error) as broken:
            return unanswered_by(Sentence("login.broke_off", {"kind": type(broken).__name__}))
        return None


def _told(refused: WorkspacesError) -> Unanswered:
    """Return a reason of bounded length: a part of it may come from the workspace."""
    return Unanswered(refused.code, refused.message[:_LONGEST_REASON], refused.said)


def _is_settled(machine: Observed, now: datetime) -> bool:
    """Tell whether a machine has run for so long that it should answer."""
    started = machine.started_at
    return machine.state is MachineState.RUNNING and started is not None and now - started >= SETTLED_AFTER
