"""Paths on the wire: nothing is lost, nothing leads where it should not."""

from __future__ import annotations

import contextlib
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.errors import InvalidInput
from nixos_workspaces.files import listing
from nixos_workspaces.files.listing import Order, Wanted
from nixos_workspaces.model.files import Entry, Kind
from nixos_workspaces.model.paths import checked, checked_relative, decoded, encoded

names = st.binary(min_size=1, max_size=40).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_"))


@given(st.binary(max_size=300))
def test_every_path_survives_the_wire(path: bytes) -> None:
    wire = encoded(path)
    assert wire.isascii()
    assert decoded(wire) == path


@given(st.text(max_size=50))
def test_wire_text_is_decoded_or_refused(text: str) -> None:
    try:
        raw = decoded(text.encode("utf-8", "surrogatepass"))
    except InvalidInput:
        assert "%" in text
    else:
        assert decoded(encoded(raw)) == raw


@given(st.binary(max_size=200))
def test_checked_paths_are_absolute_and_stable(path: bytes) -> None:
    try:
        whole = checked(path)
    except InvalidInput:
        return
    assert whole.startswith(b"/")
    assert b"\0" not in whole
    assert b"//" not in whole
    assert checked(whole) == whole


@given(st.lists(st.one_of(names, st.sampled_from([b"..", b".", b""])), max_size=6).map(b"/".join))
def test_relative_names_stay_below(name: bytes) -> None:
    try:
        relative = checked_relative(name)
    except InvalidInput:
        return
    joined = posixpath.normpath(posixpath.join(b"/base/dir", relative))
    assert joined.startswith(b"/base/dir/")


entries = st.builds(
    lambda name, kind, size, modified: Entry(
        path=b"/d/" + name, kind=kind, size=size, mode=0, modified=modified, uid=0, gid=0
    ),
    names.filter(lambda name: name not in {b".", b".."}),
    st.sampled_from(Kind),
    st.integers(0, 3),
    st.integers(0, 3),
)


@given(st.lists(entries, unique_by=lambda one: one.name, max_size=30), st.sampled_from(Order), st.integers(1, 7))
def test_pages_hold_every_name_once(found: list[Entry], order: Order, limit: int) -> None:
    seen: list[Entry] = []
    cursor = None
    while True:
        page = listing.page(b"/d", found, Wanted(limit=limit, cursor=cursor, order=order, hidden=True))
        seen += page.entries
        assert len(page.entries) <= limit
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(one.name for one in seen) == sorted(one.name for one in found)


@given(st.text(min_size=1, max_size=30))
def test_foreign_cursors_are_refused_or_harmless(cursor: str) -> None:
    with contextlib.suppress(InvalidInput):
        listing.page(b"/d", [], Wanted(cursor=cursor))


@pytest.mark.parametrize("text", ["%", "%2", "%zz", "a%4", "%%41"])
def test_broken_escapes_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        decoded(text)
