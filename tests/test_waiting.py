"""Tests of waiting: nothing empty is an answer."""

from __future__ import annotations

import pytest
from waiting import until


@pytest.mark.parametrize("empty", [None, False, "", b"", [], {}, 0])
def test_what_is_empty_is_waited_past(empty: object) -> None:
    answers = iter([empty, empty, "there"])
    assert until("it comes", lambda: next(answers), pause=0) == "there"


def test_what_never_comes_fails_with_its_name() -> None:
    with pytest.raises(AssertionError, match="the guest comes: not within 0 s"):
        until("the guest comes", lambda: None, seconds=0)
