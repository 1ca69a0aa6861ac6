"""The file of a recording holds exactly what was printed, whatever was printed and wherever writing broke off."""

from __future__ import annotations

import hashlib
import json
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.errors import RuntimeFailed
from nixos_workspaces.keys.store import KeyStore
from nixos_workspaces.terminals.recording import cast, sealed
from nixos_workspaces.terminals.recording.progress import Progress, cast_of, resumed, typed_of

KEYS = KeyStore(Path("unused"), bytes(32))
pieces_of_output = st.lists(st.binary(min_size=1, max_size=60), max_size=12)


def recorded(outputs: list[bytes], every: int) -> tuple[Progress, list[bytes]]:
    """Return the progress and the pieces of a recording, one piece for so many outputs."""
    progress, pieces, end = Progress(), [], 0
    progress.begin(cast.header(80, 24, 0, "title\n\u2028"))
    for number, data in enumerate(outputs):
        end += len(data)
        progress.output(number * 7, data, end)
        progress.note_typed(number * 900, "ann" if number % 3 else "bob", "Name", number)
        if number % every == 0:
            pieces.append(progress.take_piece() or b"")
    pieces.append(progress.take_piece() or b"")
    return progress, [one for one in pieces if one]


@given(pieces_of_output, st.integers(1, 5))
def test_what_was_printed_can_be_read_back(outputs: list[bytes], every: int) -> None:
    progress, pieces = recorded(outputs, every)
    file = b"".join(cast_of(pieces))
    events = [*cast.read(filter(None, file.split(b"\n")))]
    assert b"".join(cast.bytes_of(one.data) for one in events) == b"".join(outputs)
    assert [one.ms for one in events] == [number * 7 for number in range(len(outputs))]
    assert all(isinstance(json.loads(line), list | dict) for line in file.split(b"\n") if line)
    assert progress.output_sum.hexdigest() == hashlib.sha256(b"".join(outputs)).hexdigest()
    assert progress.cast_sum.hexdigest() == hashlib.sha256(file).hexdigest()


@given(pieces_of_output, st.integers(1, 5))
def test_going_on_is_like_never_having_stopped(outputs: list[bytes], every: int) -> None:
    progress, pieces = recorded(outputs, every)
    again = resumed(pieces)
    assert (again.end, again.ms, again.typed_bytes) == (progress.end, progress.ms, progress.typed_bytes)
    assert again.output_sum.digest() == progress.output_sum.digest()
    assert again.cast_sum.digest() == progress.cast_sum.digest()


@given(st.integers(1, 30))
def test_every_byte_of_input_is_attributed_to_one_person(count: int) -> None:
    _, pieces = recorded([b"x"] * count, 2)
    ranges = [*typed_of(pieces)]
    assert ranges[0].first == 0
    assert all(one.end == after.first for one, after in pairwise(ranges))
    assert ranges[-1].end == sum(range(count))


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_a_file_cut_anywhere_opens_to_its_whole_pieces_and_goes_on(written: list[bytes], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "one.sealed"
        file = sealed.SealedFile.create(path, KEYS, "purpose")
        sizes = [file.size]
        for one in written:
            file.append(one)
            sizes.append(file.size)
        cut = data.draw(st.integers(sizes[0], sizes[-1]))
        path.write_bytes(path.read_bytes()[:cut])
        whole = written[: sum(size <= cut for size in sizes) - 1]
        assert [*sealed.pieces(path, KEYS, "purpose")] == whole
        sealed.SealedFile.reopen(path, KEYS, "purpose").append(b"more")
        assert [*sealed.pieces(path, KEYS, "purpose")] == [*whole, b"more"]


@given(st.lists(st.binary(max_size=40), min_size=2, max_size=5), st.data())
def test_no_changed_byte_goes_unnoticed(written: list[bytes], data: st.DataObject) -> None:
    """All but the last piece, which is taken for one that was written in part: the sums in the audit tell of that."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "one.sealed"
        file = sealed.SealedFile.create(path, KEYS, "purpose")
        head = file.size
        for one in written:
            before_last = file.size
            file.append(one)
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(head + 4, before_last - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
        try:
            found = [*sealed.pieces(path, KEYS, "purpose")]
        except RuntimeFailed:
            return
        assert found == written[: len(found)]
        assert len(found) < len(written)


def test_a_file_opens_for_its_own_recording_only(tmp_path: Path) -> None:
    path = tmp_path / "one.sealed"
    sealed.SealedFile.create(path, KEYS, "recording:ws-1:rec-1").append(b"piece")
    with pytest.raises(RuntimeFailed):
        next(sealed.pieces(path, KEYS, "recording:ws-1:rec-2"))
