"""Reading the journal: what a workspace's ``journalctl`` may write, however odd."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.model.service import JournalEntry, JournalLevel
from nixos_workspaces.ssh.journal import LONGEST_TEXT, entry_of

AT = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)
MICROSECONDS = str(int(AT.timestamp()) * 1_000_000 + 600_000)


def told(**fields: object) -> JournalEntry | None:
    return entry_of(json.dumps({"__REALTIME_TIMESTAMP": MICROSECONDS, **fields}).encode())


def test_an_entry_tells_when_who_and_how_urgent() -> None:
    found = told(MESSAGE="hello", PRIORITY="3", _SYSTEMD_UNIT="a.service", SYSLOG_IDENTIFIER="prog", _COMM="other")
    assert found == JournalEntry(AT, JournalLevel.ERR, "a.service", "prog", "hello")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ([104, 195, 40], "h\ufffd("),
        (["first", "second"], "first"),
        (None, ""),
        ("x" * 2 * LONGEST_TEXT, "x" * LONGEST_TEXT),
        ([256, -1, 65], "A"),
        ({"a": 1}, ""),
    ],
)
def test_a_message_is_text_whatever_its_bytes(message: object, text: str) -> None:
    found = told(MESSAGE=message)
    assert found is not None
    assert found.text == text


@pytest.mark.parametrize("line", [b"", b"[]", b"1", b"{", b"{}", b'{"__REALTIME_TIMESTAMP": "x"}'])
def test_what_is_no_entry_is_none(line: bytes) -> None:
    assert entry_of(line) is None


@given(st.binary(max_size=200))
def test_no_bytes_raise(line: bytes) -> None:
    entry_of(line)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["MESSAGE", "PRIORITY", "UNIT", "_COMM", "__REALTIME_TIMESTAMP"]), JSON))
def test_no_fields_raise(fields: dict[str, object]) -> None:
    found = entry_of(json.dumps({"__REALTIME_TIMESTAMP": MICROSECONDS} | fields).encode())
    assert found is None or isinstance(found.text, str)
