"""Channels of an SSH connection carried on as they are over another one, packet by packet.

Both ends agree on windows with each other: nothing is kept here but what a socket does not take, and then the other
connection is not read. Requests of channels and their answers stay in order for the same reason. Only listed kinds of
channels and requests pass.

This reaches into asyncssh's private parts, as ``ssh.transport`` does: the version is pinned.
"""

# ruff: noqa: SLF001  # see above

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from asyncssh.constants import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_REQUEST,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_RESOURCE_SHORTAGE,
    OPEN_UNKNOWN_CHANNEL_TYPE,
)
from asyncssh.misc import ChannelOpenError
from asyncssh.packet import SSHPacket, String, UInt32

from nixos_workspaces.auth.operations import CHANNELS, SSH_ACTIONS
from nixos_workspaces.auth.policy import Action
from nixos_workspaces.ssh.passing import CHANNEL_DATA, WINDOW_ADJUST, Passage
from nixos_workspaces.ssh.transport import ShortWay

MOST_CHANNELS = 128
"""Channels of one connection; sshd itself takes 64 sessions."""
MOST_PACKET_BYTES = 1 << 15
FROM_CLIENT = frozenset({b"session", b"direct-tcpip", b"direct-streamlocal@openssh.com"})
FROM_WORKSPACE = frozenset({b"forwarded-tcpip", b"forwarded-streamlocal@openssh.com", b"auth-agent@openssh.com"})
_REQUESTS = frozenset(
    {
        b"pty-req",
        b"env",
        b"shell",
        b"exec",
        b"subsystem",
        b"window-change",
        b"xon-xoff",
        b"signal",
        b"break",
        b"auth-agent-req@openssh.com",
        b"eow@openssh.com",
        b"keepalive@openssh.com",
    }
)
_SUBSYSTEMS = frozenset({b"sftp"})
_REFUSED_REQUEST = b"refused@nixws"
"""Takes the place of a request that may not pass: sshd knows it as little as any, and answers in its turn."""


class RelayedChannel:
    """One end of a channel, on one of the two connections; the other end is a ``RelayedChannel``, too."""

    def __init__(self, ssh: Any, actions: frozenset[Action] | None, typed: Callable[[], None] | None = None) -> None:
        """Take a number on ``ssh``.

        With ``actions`` requests that come from there pass only if they are listed, and do one of these. ``typed`` is
        called when data comes from there.
        """
        self._ssh = ssh
        self._actions = actions
        self.number = self._ssh.add_channel(self)
        self._passages = {WINDOW_ADJUST: Passage(), CHANNEL_DATA: Passage(typed)}
        self.remote = b""
        """The number that the party at this end has given the channel, as it goes over the wire."""
        self.other: RelayedChannel | None = None
        self._has_closed = False
        self.logger = self._ssh.logger

    def open(self, remote: int) -> None:
        """Begin to pass on what comes from this end."""
        self.remote = UInt32(remote)
        for kind, passage in self._passages.items():
            self._ssh.passages[kind + UInt32(self.number)] = passage

    def _join(self, other: RelayedChannel) -> None:
        """Have data and windows from this end go to the other one, the short way."""
        for kind, passage in self._passages.items():
            passage.lead(other._ssh.sealing, kind + other.remote)

    def _part(self) -> None:
        """Drop data and windows that still come from this end."""
        for passage in self._passages.values():
            passage.lead(None, b"")

    def forget(self) -> None:
        """Give the number free."""
        for kind in self._passages:
            self._ssh.passages.pop(kind + UInt32(self.number), None)
        if self.number in self._ssh._channels:
            self._ssh.remove_channel(self.number)

    # ---- from the connection

    def process_packet(self, kind: int, _number: int, packet: SSHPacket) -> bool:
        """Pass on any other packet of the channel."""
        rest = packet.get_remaining_payload()
        other = self.other
        if other is None or not other.remote:
            return True
        if kind == MSG_CHANNEL_REQUEST and self._actions is not None:
            rest = filtered_request(rest, self._actions)
        other.send(kind, rest)
        if kind == MSG_CHANNEL_CLOSE:
            self._has_closed = True
            other._part()
            if other._has_closed:
                self.forget()
                other.forget()
        return True

    def process_open_confirmation(self, remote: int, window: int, most_bytes: int, packet: SSHPacket) -> None:
        """Tell the other end that the channel is open."""
        self.open(remote)
        other = self.other
        if other is not None:
            self._join(other)
            other._join(self)
            rest = packet.get_remaining_payload()
            most = UInt32(min(most_bytes, MOST_PACKET_BYTES))
            other.send(MSG_CHANNEL_OPEN_CONFIRMATION, UInt32(other.number) + UInt32(window) + most + rest)

    def process_open_failure(self, code: int, reason: str, lang: str) -> None:
        """Tell the other end that there is no channel."""
        other = self.other
        if other is not None:
            if other._ssh._transport is not None:
                other._ssh.send_channel_open_failure(int.from_bytes(other.remote, "big"), code, reason, lang)
            other.forget()
        self.forget()

    def process_connection_close(self, _error: Exception | None) -> None:
        """Forget the channel: the gateway ends the other connection, too."""
        self.other = None
        self._part()

    def close(self) -> None:
        """Do nothing: the connection is being closed with all of its channels."""

    def log_received_packet(self, *_: object) -> None:
        """Log nothing."""

    # ---- from the other end

    def send(self, kind: int, rest: bytes) -> None:
        """Send a packet of this channel."""
        if self._ssh._transport is not None:
            self._ssh.send_packet(kind, self.remote, rest)


def open_through(
    source: ShortWay,
    target: ShortWay,
    packet: SSHPacket,
    allowed: frozenset[bytes],
    actions: frozenset[Action],
    typed: Callable[[], None] | None = None,
) -> None:
    """Carry a request for a channel, as it came from ``source``, on to ``target``, or refuse it.

    ``allowed`` are the kinds of channels that come from there, ``actions`` what the person may do; ``typed`` is called
    when data comes from there.
    """
    kind = packet.get_string()
    asked_by, window, most_bytes = packet.get_uint32(), packet.get_uint32(), packet.get_uint32()
    rest = packet.get_remaining_payload()
    refusal = _refusal(source, kind, rest, allowed, actions)
    if refusal is not None:
        source.send_channel_open_failure(asked_by, *refusal, "en")
        return
    is_asked_by_client = allowed is FROM_CLIENT
    near = RelayedChannel(source, actions if is_asked_by_client else None, typed)
    try:
        far = RelayedChannel(target, None if is_asked_by_client else actions)
    except ChannelOpenError as gone:
        near.forget()
        source.send_channel_open_failure(asked_by, gone.code, gone.reason, "en")
        return
    near.other, far.other = far, near
    near.open(asked_by)
    most = UInt32(min(most_bytes, MOST_PACKET_BYTES))
    target.send_packet(MSG_CHANNEL_OPEN, String(kind), UInt32(far.number), UInt32(window), most, rest)


def _refusal(
    source: ShortWay, kind: bytes, rest: bytes, allowed: frozenset[bytes], actions: frozenset[Action]
) -> tuple[int, str] | None:
    """Return why a channel is not carried; None for one that is."""
    if kind not in allowed:
        return OPEN_UNKNOWN_CHANNEL_TYPE, "Such channels are not carried"
    if kind in CHANNELS and CHANNELS[kind] not in actions:
        return OPEN_ADMINISTRATIVELY_PROHIBITED, "Your credential does not allow such channels"
    if kind == b"direct-tcpip" and not is_of_workspace(rest):
        return (
            OPEN_ADMINISTRATIVELY_PROHIBITED,
            "Only addresses of the workspace itself, such as localhost, are reached",
        )
    if len(source._channels) >= MOST_CHANNELS:
        return OPEN_RESOURCE_SHORTAGE, f"There are {MOST_CHANNELS} channels already"
    return None


def is_of_workspace(request: bytes) -> bool:
    """Tell whether a request for a TCP connection (RFC 4254, section 7.2) means the workspace's own loopback."""
    host = SSHPacket(request).get_string().decode("ascii", "replace").lower()
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def filtered_request(request: bytes, actions: frozenset[Action] = frozenset(SSH_ACTIONS)) -> bytes:
    """Return a channel's request (RFC 4254, section 5.4) as it may pass: an unknown one in its place.

    It passes if it is listed and does one of these ``actions``, or none.
    """
    packet = SSHPacket(request)
    name, wants_answer = packet.get_string(), packet.get_boolean()
    rest = packet.get_remaining_payload()
    passes = name in _REQUESTS
    if passes and name == b"subsystem":
        name = SSHPacket(rest).get_string()
        passes = name in _SUBSYSTEMS
    passes = passes and (name not in CHANNELS or CHANNELS[name] in actions)
    return request if passes else String(_REFUSED_REQUEST) + bytes((wants_answer,))
