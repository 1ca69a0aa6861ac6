"""The node's process: made ready, serving, ended (design section 5)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nixos_workspaces.errors import Forbidden, RuntimeFailed
from nixos_workspaces.logs.recent import RECENT
from nixos_workspaces.node.egress.addresses import addresses_of
from nixos_workspaces.node.egress.way_out import WayOut
from nixos_workspaces.node.home import Home, furnish, take
from nixos_workspaces.node.kernel import fscrypt
from nixos_workspaces.node.kernel.cgroups import hierarchies
from nixos_workspaces.node.kernel.namespaces import enter_mount_namespace, leave_mount_namespace
from nixos_workspaces.node.lxcfs import Lxcfs
from nixos_workspaces.node.machines import devices
from nixos_workspaces.node.machines.bundle import HostContext, system_parts
from nixos_workspaces.node.machines.containers import Engine, find_engine, load_seccomp
from nixos_workspaces.node.machines.machines import NodeContext
from nixos_workspaces.node.machines.network import Network
from nixos_workspaces.node.machines.runs import become_reaper
from nixos_workspaces.node.nix_daemon import NixDaemon
from nixos_workspaces.node.rpc import listen, serve_calls
from nixos_workspaces.node.service import Service

_log = logging.getLogger(__name__)
_MOST_OPEN_FILES = 524_288


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """How a node runs."""

    data: Path
    """The data directory that this node serves; it keeps its own part in ``data/node``."""
    network: str = "10.213.0.0/16"
    id_base: int = 1_000_000_000
    boot_timeout: float = 60.0
    """Seconds within which a workspace's sshd must answer."""
    allow_users: tuple[int, ...] = ()
    """User ids that may call besides root."""
    engine: str | None = None
    """Name or path of the container engine; None takes what is there."""
    boots: int = 2 * (os.cpu_count() or 1)
    """Boots that run at once; others wait their turn."""
    nix_daemon: tuple[str, ...] = ()
    """Command line of a Nix daemon to start where none answers; empty: none is started."""
    nix_socket: Path = Path("/nix/var/nix/daemon-socket/socket")
    memory_overcommit: float = 2.0
    """The memory limits of all machines that run together may be so many times what this computer has."""
    null_device: Path = devices.NULL
    """The device that is looked at: a test has one of its own."""
    lxcfs: str = "lxcfs"
    """Name or path of the program that shows workspaces their limits in ``/proc``."""
    uplink: str = "none"
    """The way out of workspaces: ``auto``, ``none``, ``pasta``, ``netns:NAME`` or a link's name."""
    name_servers: tuple[str, ...] = ()
    """Asked on behalf of workspaces; empty: those of this machine, or of the namespace."""
    log_level: str = "info"
    """The least severity that the process logs: debug, info, warning or error."""
    log_as_json: bool = False


def run(config: NodeConfig) -> None:
    """Serve until SIGTERM, SIGINT or a call of ``shutdown``; workspaces keep running.

    The calling process must have no other thread. Raises ``Forbidden`` unless root runs it, ``Conflict`` when
    another node serves the same data directory or uses the same network, ``RuntimeFailed`` when this machine lacks
    something that is needed.
    """
    if os.geteuid() != 0:
        raise Forbidden("The node makes containers and volumes and so needs root: run it with sudo.")
    if not fscrypt.supported():
        message = "This kernel's ext4 cannot encrypt (CONFIG_FS_ENCRYPTION); volumes are never made without it."
        raise RuntimeFailed(message, code="encryption_missing")
    os.umask(0o022)
    logging.getLogger().addHandler(RECENT)
    _bound_processes()
    home = Home(config.data.resolve())
    held = take(home)
    outside = enter_mount_namespace(home.pin)
    clean = False
    try:
        furnish(home, held)
        clean = asyncio.run(_serve(config, _context(config, home), outside))
    except BaseException:
        clean = not any(home.engine.iterdir())
        raise
    finally:
        if clean:
            leave_mount_namespace(home.pin, outside)
        os.close(outside)
        os.close(held)


def _bound_processes() -> None:
    """Bound this process's limits to what workspaces may have, who inherit them.

    The engine could set them only with a capability over their user namespaces, which are not this machine's root's.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, _MOST_OPEN_FILES), min(hard, _MOST_OPEN_FILES)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _context(config: NodeConfig, home: Home) -> NodeContext:
    cgroups = hierarchies()
    addresses = addresses_of(config.network, home.tag)
    return NodeContext(
        home=home,
        engine=Engine(find_engine(config.engine, hybrid=cgroups.hybrid), home.engine),
        network=Network(addresses, WayOut(addresses, config.uplink, config.name_servers, home.live)),
        cgroups=cgroups,
        host=HostContext(
            home.store,
            load_seccomp(),
            cgroups.limits_swap,
            weighs_io=cgroups.weighs_io,
            cgroup="cgroup2" if cgroups.hybrid else "cgroup",
            system=system_parts(),
        ),
        lxcfs=Lxcfs(config.lxcfs, home.live, home.kept / "lxcfs.log", cgroups, f"/nixws-{home.tag}-lxcfs"),
        id_base=config.id_base,
        boot_timeout=config.boot_timeout,
        memory_bytes=int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * config.memory_overcommit),
        leaving=threading.Event(),
        null_device=config.null_device,
    )


async def _serve(config: NodeConfig, context: NodeContext, outside: int) -> bool:
    """Serve until asked to end; returns whether nothing of this node's is left on the machine."""
    become_reaper()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    service = Service(context, config.boots, stop)
    await service.open()
    allowed = {0, *config.allow_users}
    nix_log = context.home.kept / "nix-daemon.log"
    stopped = asyncio.create_task(stop.wait())
    async with _figures(context):
        async with _running(NixDaemon(config.nix_daemon, config.nix_socket, outside, nix_log)):
            server = listen(context.home.socket)
            calls = asyncio.create_task(serve_calls(server, allowed, service.answer))
            _log.info("answering on %s", context.home.socket)
            await asyncio.wait({stopped, calls}, return_when=asyncio.FIRST_COMPLETED)
            if calls.done():
                # A deaf node would be noticed by nobody; one that ends is started again.
                failed = None if calls.cancelled() else calls.exception()
                _log.error("calls are not taken any more: the node ends", exc_info=failed)
            service.leave()
            calls.cancel()
            await asyncio.wait({calls})
        with contextlib.suppress(FileNotFoundError):
            context.home.socket.unlink()
        return await service.close()


@asynccontextmanager
async def _figures(context: NodeContext) -> AsyncIterator[None]:
    """Keep lxcfs running, which lives on when workspaces do, and the way out, of which only the rules do."""
    keeping = asyncio.create_task(context.lxcfs.keep_running())
    leading = asyncio.create_task(context.network.way_out.keep_running())
    try:
        yield
    finally:
        keeping.cancel()
        leading.cancel()
        await asyncio.wait({keeping, leading})
        if not any(context.home.engine.iterdir()):
            await context.lxcfs.end()


@asynccontextmanager
async def _running(daemon: NixDaemon) -> AsyncIterator[None]:
    keeping = asyncio.create_task(daemon.keep_running())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        await daemon.stop()
