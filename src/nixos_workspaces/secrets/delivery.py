"""Delivering secrets: into each running workspace at its boot and after each change, again until it has worked.

One that came from another owner gets its own secrets only, until its new owner lets theirs in (decision 60).

Nothing depends on having been told of a change: every few seconds, and at each start of the service, the workspaces
that have or had secrets are compared with what was delivered to them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import asyncssh

from nixos_workspaces.database import Database, SecretsDue
from nixos_workspaces.errors import WorkspacesError
from nixos_workspaces.model.contents.secrets import person_scope
from nixos_workspaces.secrets.rendering import Rendered, merged, rendered
from nixos_workspaces.secrets.vault import Vault
from nixos_workspaces.secrets.writing import write

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""Between two looks at everything that nobody asked for."""
WRITE_SECONDS = 20.0
BOOT_SECONDS = 5.0
"""Time that a boot waits for its secrets; they are delivered later where that is not enough."""
AT_ONCE = 4
_SERVICES_SECONDS = 20.0

_TELL_SERVICES = b"""d=/run/nixws-secrets
export XDG_RUNTIME_DIR="/run/user/$(id -u)"
tries=0
while [ ! -S "$XDG_RUNTIME_DIR/systemd/private" ] && [ "$tries" -lt 50 ]; do tries=$((tries + 1)); sleep 0.2; done
[ -r "$d/current/profile" ] || exit 0
. "$d/current/profile"
read -r new < "$d/current/names" || new=
old=; [ ! -r "$d/told" ] || read -r old < "$d/told" || old=
gone=
for name in $old; do case " $new " in *" $name "*) ;; *) gone="$gone $name" ;; esac; done
[ -z "$gone" ] || systemctl --user unset-environment $gone < /dev/null
[ -z "$new" ] || systemctl --user import-environment $new < /dev/null
printf '%s\\n' "$new" > "$d/told"
exit 0
"""
"""Tells the manager of the user's services the variables: their names only are arguments."""


class OpenSftp(Protocol):
    """Opens SFTP in a workspace as its user."""

    def __call__(self, workspace_id: str, /) -> AbstractAsyncContextManager[asyncssh.SFTPClient]:
        """Yield the client."""


class OpenScript(Protocol):
    """Runs a script in a workspace as its user."""

    def __call__(
        self, workspace_id: str, script: bytes, /
    ) -> AbstractAsyncContextManager[asyncssh.SSHClientProcess[bytes]]:
        """Yield the process."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The last delivery to a workspace."""

    at: datetime
    problem: str
    """Empty when everything is there."""


class Delivery:
    """Delivers the secrets of all workspaces. Call it from one event loop."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        open_sftp: OpenSftp,
        open_script: OpenScript,
        *,
        delivered: Callable[[str], None] = lambda workspace_id: None,  # noqa: ARG005
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Write the values of ``vault`` through ``open_sftp``; ``delivered`` hears of each workspace that has them."""
        self._database = database
        self._vault = vault
        self._open_sftp = open_sftp
        self._open_script = open_script
        self._clock = clock
        self._delivered = delivered
        self._woken = asyncio.Event()
        self._marks: dict[str, SecretsDue] = {}
        self._outcomes: dict[str, Delivered] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look at everything now: something has changed."""
        self._woken.set()

    def outcome(self, workspace_id: str) -> Delivered | None:
        """Return how the last delivery to a workspace went; None if there was none in its present run."""
        return self._outcomes.get(workspace_id)

    async def run(self, succeeded: Callable[[], None]) -> None:
        """Deliver for ever; calls ``succeeded`` after each look."""
        try:
            while True:
                self._woken.clear()
                await self._deliver_due()
                succeeded()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._woken.wait()
        finally:
            for task in self._telling:
                task.cancel()

    async def at_boot(self, workspace_id: str) -> None:
        """Deliver to a workspace that has just booted and is not shown as running yet; never raises for failures."""
        try:
            async with asyncio.timeout(BOOT_SECONDS):
                async with self._database.reading(once=True) as tx:
                    due = await tx.secrets.due(workspace_id)
                for one in due:
                    await self._deliver(one, is_booting=True)
        except (TimeoutError, WorkspacesError) as late:
            log.warning("Workspace %s runs without its secrets for now: %s", workspace_id, type(late).__name__)

    async def _deliver_due(self) -> None:
        """Deliver to every running workspace that has not what it should have."""
        async with self._database.reading(once=True) as tx:
            found = await tx.secrets.due()
        present = {one.workspace_id for one in found}
        for gone in [one for one in self._marks if one not in present]:
            self._marks.pop(gone)
            self._outcomes.pop(gone, None)
            self._locks.pop(gone, None)
        turn = asyncio.Semaphore(AT_ONCE)

        async def deliver(one: SecretsDue) -> None:
            async with turn:
                await self._deliver(one)

        await asyncio.gather(*(deliver(one) for one in found if self._marks.get(one.workspace_id) != one))

    async def _deliver(self, due: SecretsDue, *, is_booting: bool = False) -> None:
        """Deliver to one workspace and note the outcome."""
        async with self._locks.setdefault(due.workspace_id, asyncio.Lock()):
            if not is_booting and self._marks.get(due.workspace_id) == due:
                return
            try:
                async with asyncio.timeout(WRITE_SECONDS):
                    problem = await self._write(due)
            except WorkspacesError as refused:
                self._outcomes[due.workspace_id] = Delivered(self._clock(), refused.message)
                if refused.code == "secrets_unsupported":
                    self._marks[due.workspace_id] = due
                return
            except (TimeoutError, OSError, asyncssh.Error) as broken:
                log.warning("Secrets of workspace %s could not be written: %s", due.workspace_id, type(broken).__name__)
                said = "The workspace did not take its secrets; it is tried again by itself."
                self._outcomes[due.workspace_id] = Delivered(self._clock(), said)
                return
            self._outcomes[due.workspace_id] = Delivered(self._clock(), problem)
            self._delivered(due.workspace_id)
            if not is_booting:  # the record does not tell the time of this boot yet
                self._marks[due.workspace_id] = due
            self._tell_services(due.workspace_id)

    async def wanted(self, due: SecretsDue) -> Rendered:
        """Return all that is to be written into a workspace."""
        of_person = [] if due.withholds_personal else await self._vault.open(person_scope(due.owner_id))
        return rendered(merged(of_person, await self._vault.open(due.workspace_id)))

    async def _write(self, due: SecretsDue) -> str:
        """Write the secrets of one workspace; return what could not be done."""
        wanted = await self.wanted(due)
        async with self._open_sftp(due.workspace_id) as sftp:
            return await write(sftp, wanted)

    def _tell_services(self, workspace_id: str) -> None:
        """Have the user's services get the variables too, which may take as long as their manager starts."""
        task = asyncio.create_task(self._run_script(workspace_id), name=f"secrets of {workspace_id}")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _run_script(self, workspace_id: str) -> None:
        with suppress(TimeoutError, OSError, asyncssh.Error, WorkspacesError):
            async with asyncio.timeout(_SERVICES_SECONDS):
                async with self._open_script(workspace_id, _TELL_SERVICES) as process:
                    await process.wait_closed()
