"""``nixws up``: the node and the control plane of one machine, as one command.

Root starts the node as root and the control plane as an unprivileged user who sees nothing else of this machine's
private directories (``confine``). A part that dies is started again; both find what is running. Workspaces outlive
all of it. A service manager runs ``nixws node`` and ``nixws serve`` as two units instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nixos_workspaces.cli.operate.alone import refuse_running_node
from nixos_workspaces.cli.operate.prepare import prepare
from nixos_workspaces.cli.operate.processes import SERVE_COMMAND
from nixos_workspaces.errors import Forbidden, InvalidInput
from nixos_workspaces.installation import code_directory
from nixos_workspaces.settings import Settings

_RESTART_DELAYS = (0.2, 1.0, 5.0, 15.0)
_STABLE_SECONDS = 30.0
_STOP_SECONDS = 30.0


def service_user(environ: Mapping[str, str] = os.environ) -> pwd.struct_passwd:
    """Return the user of the control plane: ``NIXWS_USER``, else the system user ``nixws``.

    Raises ``InvalidInput`` when there is no such user or it is root.
    """
    name = environ.get("NIXWS_USER", "nixws")
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        message = f"There is no user {name!r} to run the control plane as: make it (useradd --system {name})."
        raise InvalidInput(message, field="user") from None
    if user.pw_uid == 0:
        raise InvalidInput("The control plane never runs as root: name another user in NIXWS_USER.", field="user")
    return user


def prepare_data(data: Path, user: pwd.struct_passwd) -> None:
    """Make the data directory belong to the control plane's user; the node keeps a part of its own in it."""
    data.mkdir(parents=True, exist_ok=True)
    os.chown(data, user.pw_uid, user.pw_gid)
    data.chmod(0o711)


def child_environment(settings: Settings, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the whole environment of a child: the settings, and nothing of the caller's but the locale."""
    kept = {name: environ[name] for name in ("LANG", "LC_ALL", "TZ", "PYTHONWARNINGS") if name in environ}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return kept | settings.variables() | {"PATH": path, "HOME": str(settings.data), "PYTHONUNBUFFERED": "1"}


def node_command(user: pwd.struct_passwd) -> list[str]:
    """Return the command line of the node."""
    return [sys.executable, "-m", "nixos_workspaces.cli.main", "node", "--allow-user", str(user.pw_uid)]


def serve_command(settings: Settings, user: pwd.struct_passwd) -> list[str]:
    """Return the command line of the control plane, confined to what it needs."""
    needed = {
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(sys.executable).resolve(),
        code_directory(),
        settings.nix_bin,
        settings.debian_set,
        *(Path(one).parent for one in (settings.tls_certificate, settings.tls_key) if one),
        *(Path(one).parent for one in (settings.oidc_client_secret_file,) if one),
        # A word is no path; the directory, not the file, so that one that is replaced is seen.
        *(
            Path(one).parent
            for one in (settings.egress_floor, settings.egress_balanced, settings.idle_work_list)
            if "/" in one
        ),
    }
    visible = sorted(str(path) for path in needed if path.exists())
    witness = settings.audit_witness
    if "/" in witness and "://" not in witness and Path(witness).parent.exists():
        visible.append(f"{Path(witness).parent}=rw")
    own_mounts = ["unshare", "--mount", "--propagation", "private"]
    confine = [*own_mounts, sys.executable, "-m", "nixos_workspaces.cli.operate.confine", user.pw_name]
    return [*confine, *visible, f"{settings.data}=rw", "--", *SERVE_COMMAND]


class _Part:
    """One child process that is started again when it dies."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._child: asyncio.subprocess.Process | None = None

    async def keep_running(self, tell: Callable[[str], None]) -> None:
        """Run the command, again and again with growing pauses; ends only by cancellation."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            started = clock()
            ended = await self._run()
            failures = 0 if clock() - started > _STABLE_SECONDS else failures + 1
            delay = _RESTART_DELAYS[min(failures, len(_RESTART_DELAYS)) - 1] if failures else 0.0
            tell(f"{self.name} {ended}; starting it again in {delay:.1f} s")
            await asyncio.sleep(delay)

    async def _run(self) -> str:
        """Run the command to its end; return how it ended."""
        try:
            self._child = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
            )
        except OSError as refused:
            # Too little memory for a process, for one, passes.
            return f"cannot be started ({refused.strerror})"
        code = await self._child.wait()
        return f"ended by signal {-code}" if code < 0 else f"ended by exit code {code}"

    async def stop(self) -> None:
        """Ask the process to end, and make it end after a while."""
        child = self._child
        if child is None or child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await child.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _answers(socket: Path) -> None:
    """Wait until a process listens on a Unix socket."""
    while True:
        try:
            _, writer = await asyncio.open_unix_connection(socket)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def _supervise(settings: Settings, tell: Callable[[str], None]) -> None:
    user = service_user()
    prepare_data(settings.data, user)
    environment = child_environment(settings)
    node = _Part("node", node_command(user), environment)
    serve = _Part("serve", serve_command(settings, user), environment)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait())
    began = loop.time()
    tell("starting the node")
    watches = [asyncio.create_task(node.keep_running(tell))]
    ready = asyncio.create_task(_answers(settings.node_socket))
    await asyncio.wait([ready, stopped], return_when=asyncio.FIRST_COMPLETED)
    if not stopped.done():
        tell(f"the node answers after {loop.time() - began:.1f} s; starting the control plane")
        watches.append(asyncio.create_task(serve.keep_running(tell)))
        await stopped
    for task in [*watches, ready]:
        task.cancel()
    # The control plane first: with --stop-workspaces it still needs the node.
    await serve.stop()
    await node.stop()
    await asyncio.gather(*watches, ready, return_exceptions=True)


def up(settings: Settings) -> None:
    """Run the node and the control plane until SIGINT or SIGTERM.

    Raises ``Forbidden`` when not run by root, ``InvalidInput`` when the service's user cannot be used, ``Unavailable``
    when there is no Nix, ``Conflict`` when the service runs already on this data.
    """
    if os.geteuid() != 0:
        raise Forbidden("The node makes containers and volumes and so needs root: run it with sudo.")
    refuse_running_node(settings.data)
    prepare(settings, _tell)
    asyncio.run(_supervise(settings, _tell))


def _tell(text: str) -> None:
    print(f"nixws: {text}", file=sys.stderr, flush=True)
