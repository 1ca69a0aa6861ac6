"""A shorter path through asyncssh for the data of channels; everything else takes asyncssh's own.

asyncssh sends an ignored packet before every packet (of use with CBC ciphers only), builds a cipher object per packet
and copies the receive buffer twice per packet: together a quarter of a keystroke's round trip. Here, under AES-GCM and
outside of key exchanges, channel data and window adjustments are sent as one packet each, and received channel data is
decrypted with one cipher object and an index into the buffer; ``send_data`` sends the packets of much data with one
system call. At most ``TURN_BYTES`` are handled per turn of the event loop, so that one flood does not hold up the
other channels.

This reaches into asyncssh's private parts: the version is pinned, and the tests drive re-keying in both directions.
"""

# ruff: noqa: SLF001  # the whole purpose of this module, see above

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from asyncssh import SSHClientConnection, SSHServerConnection
from asyncssh.connection import SSHConnection
from asyncssh.constants import MSG_KEX_LAST
from asyncssh.encryption import GCMEncryption
from asyncssh.packet import SSHPacketLogger
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typing_extensions import override

from nixos_workspaces.ssh.passing import LENGTH_BYTES, REST_AT, TAG_BYTES, LoneWay, Passage, Sealing, following

TURN_BYTES = 32768

_CHANNEL_DATA = 94
_WINDOW_ADJUST = 93
_BLOCK_BYTES = 16
_LEAST_PADDING = 4
_PACKET_PARTS = 2
"""Parts that ``_sealed`` returns: one packet, and so one keystroke's data, is joined rather than written in parts."""
_NOISE_BYTES = 1024
_COUNTER_MASK = (1 << 64) - 1
_SEQUENCE_MASK = (1 << 32) - 1


class ShortWay(SSHConnection):
    """The shorter path for channel data, of either side."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._receiving: tuple[object, AESGCM] | None = None
        self._sending: tuple[object, AESGCM] | None = None
        self._rest_is_due = False
        self._rest_at = 0
        """Where the rest begins in the receive buffer."""
        self._is_paused = self._is_held = False
        self.passages: dict[bytes, Passage] = {}
        """The ways of packets that go on over another connection, by their kind and their channel's number here."""
        self.sealing = Sealing(self)
        """The shortest way of packets that another connection passes on."""
        self._lone: LoneWay | None = None
        """Set where nothing else is under way, so that bytes that come may be just one packet."""
        self.on_congestion: Callable[[bool], None] = _pass
        """Called with true when the other side does not read what was sent, with false when it does again."""
        self._noise = b""
        """Random bytes for padding, drawn ahead."""

    @override
    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """Take bytes from the socket."""
        if self._lone is not None and self._lone.take(data):
            return
        self._drop_handled()
        self._inpbuf = self._inpbuf + data if self._inpbuf else bytes(data)
        if not self._rest_is_due:
            self._recv_data()
            self._read_on()
        self._lone = self._lone_way()

    def hold_reading(self, *, held: bool) -> None:
        """Read nothing from the socket while ``held``."""
        self._is_held = held
        self._read_on()

    @override
    def pause_writing(self) -> None:
        self.on_congestion(True)

    @override
    def resume_writing(self) -> None:
        self.on_congestion(False)

    def _receive_rest(self) -> None:
        self._rest_is_due = False
        if self._transport and self._inpbuf:
            self._recv_data()
        self._read_on()

    def _drop_handled(self) -> None:
        """Drop handled bytes from the front of the receive buffer, as asyncssh expects it."""
        if self._rest_at:
            self._inpbuf = self._inpbuf[self._rest_at :]
            self._rest_at = 0

    def _read_on(self) -> None:
        """Read from the socket only when the buffer is used up: else it grows, and is copied again every turn."""
        wanted = self._rest_is_due or self._is_held
        if wanted is self._is_paused or self._transport is None or self._transport.is_closing():
            return
        self._is_paused = wanted
        if self._is_paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _lone_way(self) -> LoneWay | None:
        """Return the way of a packet that comes alone, if one may come next.

        Of Python's time for a typed key, two fifths go into buffers that a packet which came alone does not need.
        """
        encryption: Any = self._recv_encryption
        if not self.passages or self._inpbuf or self._rest_is_due or self._recv_handler != self._recv_pkthdr:
            return None
        if self._lone is not None and self._lone.encryption is encryption:
            return self._lone
        # It is set only where the short way is open, and is another one after a key exchange.
        if self._receiving is None or self._receiving[0] is not encryption:
            return None
        return LoneWay(self, *self._receiving, self.passages)

    def _opens_sealing(self) -> bool:
        """Open ``sealing``, if packets may take the short way now."""
        is_open = self._transport is not None and self._short_way_is_open()
        if is_open:
            self.sealing.open(self._sealer())
        return is_open

    @override
    def connection_lost(self, exc: Exception | None = None) -> None:
        self.sealing.close()
        super().connection_lost(exc)

    @override
    def _cleanup(self, exc: Exception | None) -> None:
        self.sealing.close()
        super()._cleanup(exc)

    @override
    def _recv_data(self) -> None:
        """Handle the receive buffer, for at most one turn."""
        while self._transport and self._inpbuf:
            encryption = self._recv_encryption
            at_packet = self._recv_handler == self._recv_pkthdr
            if not (self._auth_complete and at_packet and type(encryption) is GCMEncryption and not self._decompressor):
                self._drop_handled()
                super()._recv_data()
                return
            if self._receiving is None or self._receiving[0] is not encryption:
                self._receiving = (encryption, AESGCM(encryption._cipher._key))
            if not self._take_channel_data(encryption._cipher, self._receiving[1]):
                return
            left = len(self._inpbuf)
            self._one_packet()
            if len(self._inpbuf) == left:
                return

    def _one_packet(self) -> None:
        """Let asyncssh handle exactly one packet, or wait for its rest."""
        before = self._inpbuf
        self._inpbuf = before[: self._packet_bytes(before)]
        rest = before[len(self._inpbuf) :]
        super()._recv_data()
        self._inpbuf += rest

    @staticmethod
    def _packet_bytes(buffer: bytes) -> int:
        return LENGTH_BYTES + int.from_bytes(buffer[:LENGTH_BYTES], "big") + TAG_BYTES

    def _take_channel_data(self, cipher: Any, aead: AESGCM) -> bool:
        """Handle channel data from the front of the buffer.

        Returns true when another kind of packet is next, false when nothing more is to be done now.
        """
        prefix, count = cipher._iv[:4], int.from_bytes(cipher._iv[4:], "big")
        buffer, at, sequence = self._inpbuf, self._rest_at, self._recv_seq
        view = memoryview(buffer)
        size, turn_ends = len(buffer), at + TURN_BYTES
        self._inpbuf, self._rest_at = b"", 0
        other = False
        try:
            while size - at >= _BLOCK_BYTES:
                if at > turn_ends:
                    self._rest_is_due = True
                    self._loop.call_soon(self._receive_rest)
                    break
                length = int.from_bytes(buffer[at : at + LENGTH_BYTES], "big")
                end = at + LENGTH_BYTES + length + TAG_BYTES
                if length > self._max_recv_pktlen:
                    other = True
                    break
                if end > size:
                    break
                try:
                    body, length_bytes = view[at + LENGTH_BYTES : end], view[at : at + LENGTH_BYTES]
                    packet = aead.decrypt(prefix + count.to_bytes(8, "big"), body, length_bytes)
                except InvalidTag:
                    packet = b""
                if not self._deliver(packet):
                    other = True
                    break
                at, count, sequence = end, (count + 1) & _COUNTER_MASK, (sequence + 1) & _SEQUENCE_MASK
        finally:
            cipher._iv = prefix + count.to_bytes(8, "big")
            self._recv_seq = sequence
            if self._rest_is_due and not self._inpbuf:
                self._inpbuf, self._rest_at = buffer, at
            else:
                self._inpbuf = buffer[at:] + self._inpbuf
        return other

    def _deliver(self, packet: bytes) -> bool:
        """Deliver one packet's data or window to its channel; false when asyncssh is to handle it instead."""
        if self.passages and (passage := self.passages.get(packet[1:REST_AT])) is not None:
            passage.pass_on(packet)
            return True
        if packet[1:2] == b"\x5d":
            return self._adjust(packet)
        if packet[1:2] != b"\x5e":
            return False
        channel: Any = self._channels.get(int.from_bytes(packet[2:6], "big"))
        size = int.from_bytes(packet[6:10], "big")
        if (
            channel is None
            or not size
            or len(packet) != 10 + size + packet[0]
            or channel._recv_state != "open"
            or channel._send_state != "open"
            or size > channel._recv_window
            or channel._encoding
            or channel._session is None
        ):
            return False
        data = packet[10 : 10 + size]
        channel._recv_window -= size
        if channel._recv_paused:
            channel._recv_buf.append((data, None))
            return True
        if channel._recv_window < channel._init_recv_window / 2:
            channel.send_packet(_WINDOW_ADJUST, (channel._init_recv_window - channel._recv_window).to_bytes(4, "big"))
            channel._recv_window = channel._init_recv_window
        channel._session.data_received(data, None)
        return True

    def _adjust(self, packet: bytes) -> bool:
        """Widen a channel's window, of which sshd tells with every few packets it takes."""
        channel: Any = self._channels.get(int.from_bytes(packet[2:6], "big"))
        if channel is None or len(packet) != 10 + packet[0] or channel._recv_state != "open":
            return False
        channel._send_window += int.from_bytes(packet[6:10], "big")
        if channel._send_buf:
            channel._flush_send_buf()
        return True

    @override
    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        """Send one packet, channel data the short way."""
        if pkttype in (_CHANNEL_DATA, _WINDOW_ADJUST) and self._short_way_is_open():
            self._send(b"".join(self._sealed(bytes((pkttype,)), *args)))
        else:
            if pkttype <= MSG_KEX_LAST:
                self.sealing.close()
            super().send_packet(pkttype, *args, handler=handler)

    def send_data(self, channel: Any, data: bytes) -> None:
        """Do what ``channel.write`` does: send data in order, as far as the window goes, and keep the rest.

        Packets leave with one system call, and are cut without a copy.
        """
        view, sealed = memoryview(data), list[bytes]()
        if channel._send_state == "open" and not channel._send_buf:
            while view and channel._send_window and self._short_way_is_open():
                piece = view[: min(channel._send_window, channel._send_pktsize)]
                view = view[len(piece) :]
                channel._send_window -= len(piece)
                head = b"\x5e" + channel._send_chan.to_bytes(4, "big") + len(piece).to_bytes(4, "big")
                sealed += self._sealed(head, piece)
        if len(sealed) == _PACKET_PARTS:
            self._send(b"".join(sealed))
        elif sealed and self._transport is not None:
            self._transport.writelines(sealed)
        if view:
            channel.write(bytes(view))

    def _short_way_is_open(self) -> bool:
        return (
            self._auth_complete
            and self._kex_complete
            and type(self._send_encryption) is GCMEncryption
            and not self._compressor
            and self._rekey_bytes_sent < self._rekey_bytes
            and (not self._rekey_seconds or time.monotonic() < self._rekey_time)
        )

    def _sealed(self, *payload: bytes | memoryview) -> tuple[bytes, bytes]:
        """Return one packet, its length and the rest; it has to be sent at once."""
        size = sum(map(len, payload))
        padding = -(1 + size) % _BLOCK_BYTES
        if padding < _LEAST_PADDING:
            padding += _BLOCK_BYTES
        header = (1 + size + padding).to_bytes(LENGTH_BYTES, "big")
        if len(self._noise) < padding:
            self._noise = os.urandom(_NOISE_BYTES)
        noise, self._noise = self._noise[:padding], self._noise[padding:]
        return header, self._encrypted(b"".join((bytes((padding,)), *payload, noise)), header)

    def _encrypted(self, packet: bytes, header: bytes) -> bytes:
        """Return a packet as it goes over the wire behind its length, and count it as sent."""
        cipher: Any = self._send_encryption._cipher  # type: ignore[union-attr]
        nonce: bytes = cipher._iv
        sealed = self._sealer().encrypt(nonce, packet, header)
        cipher._iv = following(nonce)
        self._send_seq = (self._send_seq + 1) & _SEQUENCE_MASK
        self._rekey_bytes_sent += len(packet)
        return sealed

    def _sealer(self) -> AESGCM:
        """Return what encrypts with the present key."""
        encryption: Any = self._send_encryption
        if self._sending is None or self._sending[0] is not encryption:
            self._sending = (encryption, AESGCM(encryption._cipher._key))
        return self._sending[1]


class FastClientConnection(ShortWay, SSHClientConnection):
    """An SSH client connection with the shorter path for channel data."""

    async def answers(self) -> None:
        """Return once the server has answered a request for nothing, as its keepalives are; at once if it has gone."""
        await self._make_global_request(b"keepalive@openssh.com")


class FastServerConnection(ShortWay, SSHServerConnection):
    """An SSH server's connection with the shorter path for channel data."""


def _pass(_is_congested: bool) -> None:  # noqa: FBT001
    """Do nothing."""
