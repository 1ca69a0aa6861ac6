"""A shorter path through asyncssh's SFTP client for the data of files; other requests take asyncssh's own.

asyncssh makes a task and a packet object for every request, copies what is written a dozen times on its way to the
socket, and what is read half as often on its way back: more than the encryption costs. Here a write is one packet that
is cut while it is encrypted, an answer is taken apart where it arrives, and its reader waits for a plain future.

This reaches into asyncssh's private parts, as ``ssh.transport`` does: the version is pinned.
"""

# ruff: noqa: SLF001  # the whole purpose of this module, see above

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import asyncssh
from asyncssh.packet import PacketDecodeError, SSHPacket
from asyncssh.sftp import MAX_SFTP_PACKET_LEN

from nixos_workspaces.ssh.transport import FastClientConnection

_READ, _WRITE = 5, 6
_STATUS, _DATA = 101, 103
_WRITTEN = -1
_OK, _END_OF_FILE = 0, 1
_LENGTH_BYTES = 4
_HEAD_BYTES = 5
"""Type and number of a packet."""
_TOGETHER_BYTES = 16 * 1024


class CoalescingWriter:
    """Stands in for the writer of an SFTP channel: requests made in one turn of the event loop leave as one piece.

    asyncssh sends two packets, with a system call each, for every request; for thousands of small files that is most
    of the time. Large requests pass as they are.
    """

    def __init__(self, writer: asyncssh.SSHWriter[bytes]) -> None:
        self._writer = writer
        self._parts: list[bytes] = []
        connection = writer.channel.get_connection()
        self._fast = connection if isinstance(connection, FastClientConnection) else None

    @property
    def channel(self) -> Any:
        """The channel, which asyncssh asks whether it is closing."""
        return self._writer.channel

    def write(self, data: bytes) -> None:
        """Send soon, in order."""
        if not self._parts:
            asyncio.get_running_loop().call_soon(self.flush)
        self._parts.append(data)
        if len(data) > _TOGETHER_BYTES:
            self.flush()

    def write_eof(self) -> None:
        """Send the pending packets, then the end."""
        self.flush()
        self._writer.write_eof()

    def close(self) -> None:
        """Close without sending the pending packets."""
        self._parts.clear()
        self._writer.close()

    def flush(self) -> None:
        """Send the pending packets now."""
        if self._parts:
            parts, self._parts = self._parts, []
            data = b"".join(parts) if len(parts) > 1 else parts[0]
            if self._fast is None:
                self._writer.write(data)
            else:
                self._fast.send_data(self._writer.channel, data)


class Bulk:
    """The data requests of one SFTP channel. Made while no answer is outstanding; then every answer passes here."""

    def __init__(self, sftp: asyncssh.SFTPClient) -> None:
        self._handler = cast("Any", sftp._handler)
        self._loop = asyncio.get_running_loop()
        self._asked: dict[int, int] = {}
        """Requests made here: how many bytes a read asked for, ``_WRITTEN`` for a write. Their futures are with those
        of asyncssh, which fails them all when the channel ends."""
        self._parts: list[bytes] = []
        self._have = 0
        self._wanted = _LENGTH_BYTES
        self._ending: asyncio.Task[None] | None = None
        writer: Any = self._handler._writer
        if writer is not None:
            self._handler._writer = CoalescingWriter(writer)
            writer.channel._session.data_received = self._data_received

    def write(
        self, file: asyncssh.SFTPClientFile, parts: Sequence[bytes | memoryview], offset: int
    ) -> asyncio.Future[None]:
        """Write ``parts``, one after the other, at ``offset``; the answer is that the workspace has them."""
        size = sum(map(len, parts))
        where = offset.to_bytes(8, "big") + size.to_bytes(_LENGTH_BYTES, "big")
        return self._request(_WRITE, file, where, parts, size)

    def read(self, file: asyncssh.SFTPClientFile, size: int, offset: int) -> asyncio.Future[bytes]:
        """Read up to ``size`` bytes at ``offset``; the answer is empty where the file ends."""
        where = offset.to_bytes(8, "big") + size.to_bytes(_LENGTH_BYTES, "big")
        return self._request(_READ, file, where, (), size)

    def _request(
        self, kind: int, file: Any, where: bytes, parts: Sequence[bytes | memoryview], size: int
    ) -> asyncio.Future[Any]:
        handler, handle = self._handler, file._handle
        answer: asyncio.Future[Any] = self._loop.create_future()
        if handler._writer is None or handle is None:
            answer.set_exception(asyncssh.SFTPNoConnection("Connection not open"))
            return answer
        number = handler._next_pktid
        handler._next_pktid = (number + 1) & 0xFFFFFFFF
        answer.add_done_callback(_noticed)
        handler._requests[number] = answer
        self._asked[number] = size if kind == _READ else _WRITTEN
        rest = b"".join((number.to_bytes(4, "big"), len(handle).to_bytes(4, "big"), handle, where))
        length = 1 + len(rest) + (size if kind == _WRITE else 0)
        handler._writer.write(b"".join((length.to_bytes(_LENGTH_BYTES, "big"), bytes((kind,)), rest, *parts)))
        return answer

    def _data_received(self, data: bytes, _datatype: object) -> None:
        """Stand in for the session's method of this name."""
        if self._ending is not None:
            return
        self._parts.append(data)
        self._have += len(data)
        if self._have < self._wanted:
            return
        buffer = b"".join(self._parts) if len(self._parts) > 1 else data
        at, size = 0, len(buffer)
        self._wanted = _LENGTH_BYTES
        while size - at >= _LENGTH_BYTES:
            length = int.from_bytes(buffer[at : at + _LENGTH_BYTES], "big")
            end = at + _LENGTH_BYTES + length
            if not _HEAD_BYTES <= length <= MAX_SFTP_PACKET_LEN:
                self._end("A packet of impossible size came")
                return
            if end > size:
                self._wanted = _LENGTH_BYTES + length
                break
            self._packet(buffer, at + _LENGTH_BYTES, end)
            if self._ending is not None:
                return
            at = end
        self._have = size - at
        self._parts = [buffer[at:]] if self._have else []

    def _packet(self, buffer: bytes, at: int, end: int) -> None:
        """Deliver one packet to its waiting request."""
        kind, number = buffer[at], int.from_bytes(buffer[at + 1 : at + _HEAD_BYTES], "big")
        waiter: asyncio.Future[Any] | None = self._handler._requests.pop(number, None)
        if waiter is None:
            self._end("An answer to no request came")
        elif waiter.done():
            self._asked.pop(number, None)
        elif number in self._asked:
            self._answer(waiter, self._asked.pop(number), kind, buffer[at + _HEAD_BYTES : end])
        else:
            packet = SSHPacket(buffer[at:end])
            packet.get_bytes(_HEAD_BYTES)
            waiter.set_result((kind, packet))

    def _answer(self, waiter: asyncio.Future[Any], asked: int, kind: int, rest: bytes) -> None:
        """Resolve a request with its data, its success or its error; trust nothing that the workspace sends."""
        first = int.from_bytes(rest[:_LENGTH_BYTES], "big")
        if kind == _DATA and first == len(rest) - _LENGTH_BYTES and first <= asked:
            waiter.set_result(rest[_LENGTH_BYTES:])
        elif kind == _STATUS and first == _OK and asked == _WRITTEN:
            waiter.set_result(None)
        elif kind == _STATUS and first == _END_OF_FILE and asked != _WRITTEN:
            waiter.set_result(b"")
        elif kind == _STATUS and first != _OK:
            waiter.set_exception(_problem(rest))
        else:
            waiter.set_exception(asyncssh.SFTPBadMessage("The answer does not fit what was asked"))

    def _end(self, why: str) -> None:
        """End the channel and drop further data, which cannot be trusted any more."""
        self._parts.clear()
        self._ending = self._loop.create_task(self._handler._cleanup(asyncssh.SFTPBadMessage(why)))


def _noticed(answer: asyncio.Future[Any]) -> None:
    """Retrieve an error that no caller may wait for any more, so that asyncio does not report it."""
    if not answer.cancelled():
        answer.exception()


def _problem(status: bytes) -> asyncssh.SFTPError:
    """Return asyncssh's error for a status packet."""
    try:
        return asyncssh.SFTPError.construct(SSHPacket(status), "replace") or asyncssh.SFTPBadMessage("No error")
    except PacketDecodeError:
        return asyncssh.SFTPBadMessage("A status cannot be read")
