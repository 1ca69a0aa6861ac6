"""Packets that one SSH connection passes on to another as they are, and the shortest way for one that came alone.

A typed key is such a packet. Between its coming and its going there is nothing but its two encryptions; what has to be
counted is counted once it has left. What is needed lies in small objects of its own, because after a pause nothing of
it is in the processor's caches: each attribute of a connection that is not looked up is worth more than it seems.

This reaches into asyncssh's private parts, as ``ssh.transport`` does.
"""

# ruff: noqa: SLF001  # see above

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LONE_BYTES = 4096
"""A packet that came alone and is no larger, as one typed key is, takes the shortest way."""
LENGTH_BYTES, TAG_BYTES = 4, 16
REST_AT = 6
"""Where what follows the kind and the number of the channel begins in a decrypted packet."""
WINDOW_ADJUST, CHANNEL_DATA = b"\x5d", b"\x5e"
_AROUND = LENGTH_BYTES + TAG_BYTES
_COUNTER_MASK = (1 << 64) - 1
_SEQUENCE_MASK = (1 << 32) - 1


class Sealing:
    """The encryption of what a connection sends; open from one key exchange to the next."""

    __slots__ = ("_cipher", "_encrypt", "_ssh", "_write")

    def __init__(self, ssh: Any) -> None:
        """Belong to a connection; closed at first."""
        self._ssh = ssh
        self._cipher: Any = None
        self._encrypt: Callable[[bytes, bytes, bytes], bytes] | None = None
        self._write: Callable[[bytes], object] = _drop

    def open(self, aead: AESGCM) -> None:
        """Encrypt so: the connection's short way is open."""
        self._cipher = self._ssh._send_encryption._cipher
        self._write = self._ssh._transport.write
        self._encrypt = aead.encrypt

    def close(self) -> None:
        """Send nothing more so: keys are exchanged, or the connection has ended."""
        self._encrypt, self._write = None, _drop

    def send(self, packet: bytes, head: bytes) -> None:
        """Send a packet of another connection, with this kind and number of its channel.

        Its padding fits as it is, for both connections have the same blocks.
        """
        encrypt = self._encrypt
        if encrypt is None:
            if not self._ssh._opens_sealing():
                if self._ssh._transport is not None:
                    self._ssh.send_packet(head[0], head[1:], packet[REST_AT : len(packet) - packet[0]])
                return
            encrypt = self._encrypt
            assert encrypt is not None
        cipher = self._cipher
        header, nonce = len(packet).to_bytes(LENGTH_BYTES, "big"), cipher._iv
        self._write(header + encrypt(nonce, packet[:1] + head + packet[REST_AT:], header))
        cipher._iv = following(nonce)
        ssh = self._ssh
        ssh._send_seq = (ssh._send_seq + 1) & _SEQUENCE_MASK
        ssh._rekey_bytes_sent += len(packet)
        if ssh._rekey_bytes_sent >= ssh._rekey_bytes or (ssh._rekey_seconds and time.monotonic() >= ssh._rekey_time):
            self.close()  # the next packet asks for new keys


class Passage:
    """The way of packets of one kind from a channel to one of another connection."""

    __slots__ = ("head", "noticed", "to")

    def __init__(self, noticed: Callable[[], None] | None = None) -> None:
        """Drop packets until ``lead``; ``noticed`` is called for each."""
        self.to: Sealing | None = None
        self.head = b""
        self.noticed = noticed

    def lead(self, to: Sealing | None, head: bytes) -> None:
        """Have packets sent there, with this kind and number of the channel; drop them without one."""
        self.to, self.head = to, head

    def pass_on(self, packet: bytes) -> None:
        """Pass a decrypted packet on."""
        if self.to is not None:
            self.to.send(packet, self.head)
        if self.noticed is not None:
            self.noticed()


class LoneWay:
    """The shortest way of what a connection receives, as long as it is just one packet; from one turn to the next."""

    __slots__ = ("_cipher", "_decrypt", "_passages", "_ssh", "encryption")

    def __init__(self, ssh: Any, encryption: Any, aead: AESGCM, passages: dict[bytes, Passage]) -> None:
        """Take packets for these passages, by their kinds and numbers of channels."""
        self._ssh = ssh
        self.encryption = encryption
        """That with which it can be taken."""
        self._cipher = encryption._cipher
        self._decrypt = aead.decrypt
        self._passages = passages

    def take(self, data: bytes) -> bool:
        """Pass bytes on that are just one packet with a passage; false: nothing was done."""
        header = data[:LENGTH_BYTES]
        if not LONE_BYTES >= len(data) == _AROUND + int.from_bytes(header, "big"):
            return False
        cipher = self._cipher
        nonce: bytes = cipher._iv
        try:
            packet = self._decrypt(nonce, data[LENGTH_BYTES:], header)
        except InvalidTag:
            return False
        passage = self._passages.get(packet[1:REST_AT])
        if passage is None:
            return False
        if passage.to is not None:
            passage.to.send(packet, passage.head)
        cipher._iv = following(nonce)
        self._ssh._recv_seq = (self._ssh._recv_seq + 1) & _SEQUENCE_MASK
        if passage.noticed is not None:
            passage.noticed()
        return True


def _drop(_data: bytes) -> None:
    """Send nothing."""


def following(nonce: bytes) -> bytes:
    """Return the nonce of the next packet (RFC 5647, section 7.1)."""
    return nonce[:4] + ((int.from_bytes(nonce[4:], "big") + 1) & _COUNTER_MASK).to_bytes(8, "big")
