"""Hits in fixed windows, beside a model that keeps every moment."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.web.http.access.windows import Rate, Windows

RATES = (Rate(1), Rate(3, 10.0), Rate(2, 900.0))
VERBS = st.sampled_from(["hit", "give back", "wait"])
STEPS = st.lists(st.tuples(VERBS, st.integers(0, 2), st.sampled_from("ab"), st.floats(0, 100)), max_size=60)


@dataclass
class Model:
    """The windows as they are described: each begins with its first hit."""

    begun: float
    hits: int


@given(STEPS)
def test_windows_count_what_their_model_counts(steps: list[tuple[str, int, str, float]]) -> None:
    now = 1000.0
    windows = Windows(lambda: now)
    model: dict[tuple[Rate, str], Model] = {}
    for verb, index, key, seconds in steps:
        rate = RATES[index]
        model = {of: one for of, one in model.items() if now < one.begun + of[0].seconds}
        known = model.get((rate, key))
        match verb:
            case "wait":
                now += seconds
            case "hit":
                allowed = known is None or known.hits < rate.most
                assert windows.test(rate, key) == allowed
                assert windows.hit(rate, key) == allowed
                if known is None:
                    model[rate, key] = Model(now, 1)
                elif allowed:
                    known.hits += 1
                assert windows.seconds_left(rate, key) == model[rate, key].begun + rate.seconds - now
            case _:
                windows.give_back(rate, key)
                if known is not None and known.hits > 1:
                    known.hits -= 1
                elif known is not None:
                    del model[rate, key]
    now += 1000.0
    assert len(windows) == 0
