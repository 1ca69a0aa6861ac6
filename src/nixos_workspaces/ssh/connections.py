"""Pooled SSH connections to workspaces: pinned host key, AES-GCM, few sessions on each."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import asyncssh

from nixos_workspaces.errors import RuntimeFailed, Unavailable
from nixos_workspaces.model.reach.ports import SSH_PORT
from nixos_workspaces.ssh.transport import FastClientConnection

_TRIES = 3
"""Connections that are tried in turn for one session: those of a workspace often end all at once."""
SESSIONS_PER_CONNECTION = 8
"""More would let one flood hold up too many others on one TCP stream."""
ANSWER_SECONDS = 10.0
PROBE_SECONDS = 4.0
"""Time for a connection to answer after a request on it got no answer; then it counts as broken."""
IDLE_SECONDS = 300.0
"""How long a connection without a session is kept warm."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The keys to log in to one workspace. Holds a secret: never log it."""

    client_key: str = field(repr=False)
    """Private key in OpenSSH's format."""
    host_key: str
    """The only public host key that is accepted, as ``ssh-ed25519 AAAA...``."""
    username: str = "nixos"


Connect = Callable[[str, int], Awaitable[socket.socket]]
CredentialsOf = Callable[[str], Awaitable[Credentials]]


@dataclass(slots=True, eq=False)
class Pooled:
    """One live connection and how many sessions use it."""

    workspace_id: str
    ssh: FastClientConnection
    uses: int = 0
    idle: asyncio.TimerHandle | None = None
    doubt: asyncio.Task[None] | None = None
    """The probe whether the other side still answers; until it ends no other caller is given the connection."""


@dataclass(slots=True)
class _Pool:
    """The connections of one workspace; ``opening`` lets one be opened at a time."""

    connections: list[Pooled] = field(default_factory=list)
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


T = TypeVar("T")
C = TypeVar("C", bound=FastClientConnection)


async def _handshake(sock: socket.socket, credentials: Credentials, kind: type[C]) -> C:
    loop = asyncio.get_running_loop()
    ssh: C | None = None
    try:
        pinned = asyncssh.import_public_key(credentials.host_key)
        options = await asyncssh.SSHClientConnectionOptions.construct(
            config=None,
            host="workspace",
            username=credentials.username,
            client_keys=[asyncssh.import_private_key(credentials.client_key)],
            known_hosts=([pinned], [], []),
            server_host_key_algs=[pinned.algorithm.decode()],
            preferred_auth="publickey",
            agent_path=None,
            gss_host=None,
            encryption_algs=["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"],
            kex_algs=["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"],
            compression_algs=["none"],
            keepalive_interval=30,
            keepalive_count_max=4,
        )
        options.waiter = loop.create_future()
        connect = loop.create_unix_connection if sock.family == socket.AF_UNIX else loop.create_connection
        _, ssh = await connect(lambda: kind(loop, options, wait="auth"), sock=sock)
        await options.waiter
        await _wake_up_nodelay(ssh)
    except BaseException:
        if ssh is None:
            sock.close()
        else:
            ssh.abort()
        raise
    return ssh


async def _wake_up_nodelay(ssh: asyncssh.SSHClientConnection) -> None:
    """Run one command: sshd sets TCP_NODELAY when a session channel first runs something (43 ms an echo without)."""
    process = await ssh.create_process("exit", stdin=asyncssh.DEVNULL, stdout=asyncssh.DEVNULL, stderr=asyncssh.DEVNULL)
    process.close()  # what the user's shell does at its start is not waited for


async def open_ssh(
    sock: socket.socket, credentials: Credentials, within: float = ANSWER_SECONDS
) -> FastClientConnection:
    """Log in over a connected socket, which the connection then owns; see ``open_ssh_as``."""
    return await open_ssh_as(FastClientConnection, sock, credentials, within)


async def open_ssh_as(
    kind: type[C], sock: socket.socket, credentials: Credentials, within: float = ANSWER_SECONDS
) -> C:
    """Log in over a connected socket, which the connection, of that kind, then owns.

    Raises ``RuntimeFailed`` with code ``host_key_mismatch`` before anything of ours is sent when the other side has
    another host key than the pinned one, with code ``ssh_refused`` when it refuses our key; ``Unavailable`` with code
    ``no_answer`` when it does not answer in time or hangs up.
    """
    try:
        async with asyncio.timeout(within):
            return await _handshake(sock, credentials, kind)
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as wrong:
        raise RuntimeFailed(
            "The workspace's SSH server has another host key than the one made for it; the connection was refused. "
            "Restart the workspace to put its key back.",
            code="host_key_mismatch",
        ) from wrong
    except asyncssh.PermissionDenied as refused:
        raise RuntimeFailed(
            "The workspace's SSH server refuses the workspace's own key; restart the workspace to put its key back.",
            code="ssh_refused",
        ) from refused
    except TimeoutError as silent:
        raise Unavailable(
            f"The workspace's SSH server gave no answer within {within:g} seconds; try again.", code="no_answer"
        ) from silent
    except (OSError, asyncssh.Error) as ended:
        raise Unavailable(
            "The workspace's SSH server ended the connection before anybody was logged in; try again, or look at the "
            "workspace's log.",
            code="no_answer",
        ) from ended


class Connections:
    """The SSH connections of all workspaces. Call it from the event loop's thread only.

    ``connect`` opens a socket to a port inside a workspace (``Runtime.connect``), ``credentials`` tells how to log in.
    """

    def __init__(self, connect: Connect, credentials: CredentialsOf, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._connect = connect
        self._credentials = credentials
        self.answer_seconds = answer_seconds
        self._pools: dict[str, _Pool] = {}
        self._closed = False

    async def take(self, workspace_id: str) -> Pooled:
        """Return a live connection with room for a session; give it back with ``give_back``.

        Raises the errors of ``connect`` and ``open_ssh``.
        """
        pool = self._pools.setdefault(workspace_id, _Pool())
        async with pool.opening:
            trusted = (each for each in pool.connections if each.doubt is None)
            pooled = min(trusted, key=lambda each: each.uses, default=None)
            if pooled is None or pooled.uses >= SESSIONS_PER_CONNECTION:
                pooled = await self._open(workspace_id)
                pool.connections.append(pooled)
            pooled.uses += 1
            if pooled.idle is not None:
                pooled.idle.cancel()
                pooled.idle = None
            return pooled

    async def start(self, workspace_id: str, begin: Callable[[FastClientConnection], Awaitable[T]]) -> tuple[Pooled, T]:
        """Return what ``begin`` opens on a connection, with the connection; give it back with ``give_back``.

        One that lay idle may have ended, and its end be on the way: it is dropped, and another one is tried. Raises
        the errors of ``take``, ``TimeoutError`` where nothing answers in time, ``OSError`` and ``asyncssh.Error``
        where it is refused.
        """
        for tries_left in reversed(range(_TRIES)):
            pooled = await self.take(workspace_id)
            try:
                async with asyncio.timeout(self.answer_seconds):
                    with self.doubting(pooled):
                        return pooled, await begin(pooled.ssh)
            except BaseException as failed:
                self.give_back(pooled)
                if not tries_left or not isinstance(failed, asyncssh.Error) or not pooled.ssh.is_closed():
                    raise
                self._let_go(pooled)
        raise AssertionError

    def give_back(self, pooled: Pooled) -> None:
        """End a session's use of a connection."""
        pooled.uses -= 1
        if pooled.uses == 0 and not self._closed:
            pooled.idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._let_go, pooled)

    @contextlib.contextmanager
    def doubting(self, pooled: Pooled) -> Iterator[None]:
        """If the block is given up or takes too long, find out whether the connection answers at all; if not, end it.

        Its keepalives would notice after two minutes, in which every caller would be given it.
        """
        try:
            yield
        except (TimeoutError, asyncio.CancelledError):
            if pooled.doubt is None and not self._closed:
                pooled.doubt = asyncio.get_running_loop().create_task(self._ask(pooled))
            raise

    def forget(self, workspace_id: str) -> None:
        """Close a workspace's connections, as when it is stopped or deleted."""
        for pooled in list(self._pools.get(workspace_id, _Pool()).connections):
            self._let_go(pooled)

    async def close(self) -> None:
        """Close every connection."""
        self._closed = True
        live = [pooled for pool in self._pools.values() for pooled in pool.connections]
        for pooled in live:
            self._let_go(pooled)
        for pooled in live:
            if pooled.doubt is not None:
                pooled.doubt.cancel()
            with contextlib.suppress(OSError, asyncssh.Error):
                await pooled.ssh.wait_closed()

    async def _open(self, workspace_id: str) -> Pooled:
        credentials = await self._credentials(workspace_id)
        try:
            async with asyncio.timeout(self.answer_seconds):
                sock = await self._connect(workspace_id, SSH_PORT)
        except TimeoutError as silent:
            raise Unavailable("The workspace gave no answer in time; try again.", code="no_answer") from silent
        pooled = Pooled(workspace_id, await open_ssh(sock, credentials, self.answer_seconds))
        asyncssh_closed = asyncio.get_running_loop().create_task(pooled.ssh.wait_closed())
        asyncssh_closed.add_done_callback(lambda _: self._drop(pooled))
        return pooled

    async def _ask(self, pooled: Pooled) -> None:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await pooled.ssh.answers()
        except (TimeoutError, OSError, asyncssh.Error):
            self._let_go(pooled)
        finally:
            pooled.doubt = None

    def _let_go(self, pooled: Pooled) -> None:
        self._drop(pooled)
        pooled.ssh.abort()

    def _drop(self, pooled: Pooled) -> None:
        if pooled.idle is not None:
            pooled.idle.cancel()
            pooled.idle = None
        pool = self._pools.get(pooled.workspace_id)
        if pool is not None and pooled in pool.connections:
            pool.connections.remove(pooled)
