"""``nixws ssh --stdio``: the ProxyCommand that passes bytes between ssh and a workspace's sshd.

One loop without threads: a key that is typed wakes one process on its way to the wire. With ``--fdpass`` it wakes none:
ssh gets the connection to the service itself (``ProxyUseFdpass``), and this program ends.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nixos_workspaces.cli.connect.access import SUFFIX, read_access
from nixos_workspaces.errors import Conflict

if TYPE_CHECKING:
    from nixos_workspaces.cli.target import Target
    from nixos_workspaces.client import Client
    from nixos_workspaces.client.access.tunnels import TunnelStream

SSH_PORT = 22
_READ_BYTES = 1 << 16
_Opened = TypeVar("_Opened")


def pass_bytes(target: Target, host: str, access: Path | None, *, hands_over: bool = False) -> None:
    """Pass bytes until either side ends. ``host`` is a workspace, or its host name in an SSH configuration.

    ``hands_over``: an ssh that waits for a connection on standard output gets one. Others get bytes all the same: not
    every program that reads SSH's configuration knows ``ProxyUseFdpass``.
    """
    from nixos_workspaces.client.access.tunnels import TunnelStream, open_plain

    known = None if access is None else read_access(access)
    name = host.removesuffix(f".{SUFFIX}" if known is None else known.suffix)
    with target.client() if known is None else known.client() as client:
        hands_over = hands_over and _is_asked_for_connection()
        if hands_over:
            connection = _opened(client, name, lambda: open_plain(client, name, SSH_PORT))
            if connection is not None:
                _hand_over(connection)
                return
        tunnel, first = _opened(client, name, lambda: _greeted(TunnelStream(client, name, SSH_PORT)))
    source, sink = sys.stdin.fileno(), sys.stdout.fileno()
    if hands_over:
        ours, theirs = socket.socketpair()
        _hand_over(theirs)
        if os.fork():
            return  # ssh waits for the end of the program that it started
        source, sink = ours.fileno(), os.dup(ours.fileno())
    _pump(tunnel, first, source, sink)
    if tunnel.is_over and (error := tunnel.error) is not None:
        raise error


def _is_asked_for_connection() -> bool:
    """Tell whether an ssh with ProxyUseFdpass has started this: one socket is both standard input and output.

    Programs in JavaScript give sockets, too, but two of them.
    """
    source, sink = os.fstat(sys.stdin.fileno()), os.fstat(sys.stdout.fileno())
    return stat.S_ISSOCK(sink.st_mode) and os.path.samestat(source, sink)


def _hand_over(connection: socket.socket) -> None:
    """Give a connection to the ssh at the other end of standard output."""
    with connection, socket.socket(fileno=os.dup(sys.stdout.fileno())) as ssh:
        socket.send_fds(ssh, [b"\0"], [connection.fileno()])


def _opened(client: Client, name: str, opening: Callable[[], _Opened]) -> _Opened:
    """Return what is opened, once a workspace that is starting has started."""
    try:
        return opening()
    except Conflict:
        _await_start(client, name)
        return opening()


def _await_start(client: Client, name: str) -> None:
    """Wait for a workspace that is starting; ``Conflict`` for one that is not."""
    workspace = client.workspaces.get(name)
    if workspace.status not in {"creating", "starting"}:
        raise Conflict(f"{workspace.name} is {workspace.status}; `nixws start {workspace.name}` boots it.")
    from nixos_workspaces.cli.wait import settle

    settle(client, workspace, "running", quiet=True)


def _greeted(tunnel: TunnelStream) -> tuple[TunnelStream, bytes]:
    """Return a tunnel and its first bytes; raises the error of one that is closed before any."""
    while not (data := tunnel.receive()):
        if tunnel.is_over:
            if (error := tunnel.error) is not None:
                tunnel.close()
                raise error
            break
        select.select([tunnel], [], [])
    return tunnel, data


def _pump(tunnel: TunnelStream, first: bytes, source: int, sink: int) -> None:
    """Pass bytes until the tunnel has ended; neither side is read while the other does not take what came."""
    os.set_blocking(sink, False)
    poll = select.poll()
    waiting: dict[int, int] = {}
    unwritten, source_is_open = memoryview(first), True
    while True:
        unwritten = _written(sink, unwritten)
        if (tunnel.is_over or tunnel.is_ended) and not unwritten:
            return
        unsent = tunnel.has_unsent
        wanted = {
            source: select.POLLIN if source_is_open and not unsent else 0,
            sink: select.POLLOUT if unwritten else 0,
            tunnel.fileno(): (0 if unwritten else select.POLLIN) | (select.POLLOUT if unsent else 0),
        }
        if wanted != waiting:
            _watch(poll, waiting, wanted)
            waiting = wanted
        for descriptor, _ in poll.poll():
            if descriptor == source:
                source_is_open = _passed_on(source, tunnel)
            elif descriptor == tunnel.fileno():
                tunnel.flush()
                unwritten = unwritten or memoryview(tunnel.receive())


def _watch(poll: select.poll, before: Mapping[int, int], wanted: Mapping[int, int]) -> None:
    """Watch for these events; a descriptor without any is left out, or its hanging up would be told for ever."""
    for descriptor, events in before.items():
        if events:
            poll.unregister(descriptor)
    for descriptor, events in wanted.items():
        if events:
            poll.register(descriptor, events)


def _passed_on(source: int, tunnel: TunnelStream) -> bool:
    """Send on what came; return whether more may come."""
    data = os.read(source, _READ_BYTES)
    if data:
        tunnel.send(data)
    else:
        tunnel.end()
    return bool(data)


def _written(sink: int, data: memoryview) -> memoryview:
    """Write as much as ``sink`` takes; return the rest."""
    while data:
        try:
            data = data[os.write(sink, data) :]
        except BlockingIOError:
            break
    return data
