"""Response times by route: bounded, recent, and close to what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_service import running_web

from nixos_workspaces.metering.response_times import WINDOW_SECONDS, ResponseTimes


@given(st.lists(st.floats(0.0001, 80), min_size=1, max_size=300))
def test_quantiles_are_at_most_a_fifth_too_much(seconds: list[float]) -> None:
    times = ResponseTimes()
    for one in seconds:
        times.note("GET", "/a", one)
    (told,) = times.told()
    assert told.count == len(seconds)
    for part, shown in ((0.5, told.p50_ms), (0.95, told.p95_ms)):
        ordered = sorted(seconds)
        exact = next(one for at, one in enumerate(ordered, 1) if at >= part * len(ordered)) * 1000
        assert exact <= shown + 0.01
        assert shown <= exact * 1.2 + 0.02


def test_what_was_long_ago_is_forgotten_and_there_is_an_end_to_routes() -> None:
    now = 0.0
    times = ResponseTimes(lambda: now)
    times.note("GET", "/a", 1)
    now = WINDOW_SECONDS
    times.note("GET", "/b", 1)
    assert {one.route for one in times.told()} == {"/a", "/b"}
    now = 2 * WINDOW_SECONDS
    assert {one.route for one in times.told()} == {"/b"}
    now = 9 * WINDOW_SECONDS
    assert times.told() == []
    for number in range(5000):
        times.note("GET", f"/{number}", 1)
    assert len(times.told()) == 512


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_tells_the_times_of_templates(tmp_path: Path, method: str) -> None:
    with running_web(tmp_path) as web, web.http() as http:
        for number in range(30):
            http.request(method, f"/api/nixos/workspaces/none-{number}")
            http.get(f"/none/{number}")
        told = http.get("/api/nixos/health").json()["response_times"]
        mine = [one for one in told if one["route"] == "/api/nixos/workspaces/{workspace_id}"]
        assert [(one["method"], one["count"]) for one in mine] == [(method, 30)]
        assert 0 < mine[0]["p50_ms"] <= mine[0]["p95_ms"]
        assert "none" not in str(told)
