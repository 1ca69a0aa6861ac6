"""Decides whether a workspace becomes larger or smaller, out of what was seen in it. Pure.

Up at once where memory is about to run out or a core is wanted and not there; down slowly, by a quarter at most, after
less was needed for a while. Cache never counts: the kernel takes it back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from nixos_workspaces.model.automation.scaling import Size
from nixos_workspaces.model.machine import Usage
from nixos_workspaces.model.service import Sentence

HORIZON_SECONDS = 10.0
"""Memory that will be in use by then at the present growth must fit."""
FULL = 0.9
"""Use beyond this part of a limit is too much."""
WAITING = 0.2
"""Part of the time that programs wait, beyond which it is too much."""
HOT_SECONDS = 3.0
"""How long the cores must be used up before there are more of them."""
MEMORY_STEP = 64 << 20
CPU_STEP = 0.25
DOWN = 0.75
"""The part of a limit that one step down leaves at least."""
_MARGIN, _MARGIN_BYTES = 1.25, 32 << 20
_BARE_MARGIN = 1.1
_LEAST_PACE, _MOST_PACE = 5.0, 60.0
_PEAKS = 20
"""Parts of the time before a step down, of which the peaks are kept."""
_RATES_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest use within a part of the time before a step down."""

    begin: float
    cpu: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Window:
    """All that is known of the present run of a workspace. Times are of ``time.monotonic()``."""

    last: Usage
    began: float
    """Since when it is looked at without a gap."""
    cpu: float = 0.0
    """Cores in use between the last two looks."""
    throttled: float = 0.0
    """Part of that time for which cores were held back."""
    memory_waiting: float = 0.0
    cpu_waiting: float = 0.0
    """Parts of that time for which some program waited."""
    new_oom_kills: int = 0
    hot_since: float | None = None
    """Since when the cores are used up; None: they are not."""
    recent: tuple[tuple[float, int], ...] = ()
    """Memory in use at the last few looks."""
    peaks: tuple[Peak, ...] = ()

    @property
    def growth(self) -> float:
        """Bytes a second by which the memory in use grows, by its fastest growth of late; never negative."""
        now, memory = self.recent[-1] if self.recent else (0.0, 0)
        rates = ((memory - before) / (now - at) for at, before in self.recent[:-1] if now > at)
        return max(0.0, *rates, 0.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """The size that a workspace has, and between which it may change."""

    now: Size
    least: Size
    most: Size
    down_after: float
    """Seconds."""
    changed_at: float | None = None
    """When it was changed last; None: not since it is looked at."""
    raised_at: float | None = None
    """When it was made larger last."""

    @property
    def pace(self) -> float:
        """Seconds between two steps down."""
        return min(max(self.down_after / 10, _LEAST_PACE), _MOST_PACE)


@dataclass(frozen=True, slots=True)
class Wish:
    """A size that it should have, and why."""

    size: Size
    reason: Sentence
    evidence: Mapping[str, float] = field(default_factory=dict)


def following(window: Window | None, usage: Usage, limits: Limits) -> Window:
    """Return what is known after one more reading; another run begins anew."""
    at = usage.taken_at
    if window is None or window.last.run != usage.run or at <= window.last.taken_at:
        return Window(usage, at, recent=((at, usage.memory_bytes),), peaks=(Peak(at, 0.0, usage.memory_bytes),))
    before, seconds = window.last, at - window.last.taken_at
    cpu = max(usage.cpu_seconds - before.cpu_seconds, 0.0) / seconds
    throttled = min(max(usage.throttled_seconds - before.throttled_seconds, 0.0) / seconds, 1.0)
    cpu_waiting, memory_waiting = _waiting(before, usage, seconds)
    short = cpu >= FULL * limits.now.cpu
    held_back = cpu >= limits.now.cpu / 2 and max(throttled, cpu_waiting) >= WAITING
    hot_since = (window.hot_since or before.taken_at) if short or held_back else None
    return Window(
        last=usage,
        began=window.began,
        cpu=cpu,
        throttled=throttled,
        memory_waiting=memory_waiting,
        cpu_waiting=cpu_waiting,
        new_oom_kills=max(usage.oom_kills - before.oom_kills, 0),
        hot_since=hot_since,
        recent=(*(one for one in window.recent if one[0] >= at - _RATES_SECONDS), (at, usage.memory_bytes)),
        peaks=_peaks(window.peaks, at, cpu, usage.memory_bytes, limits.down_after),
    )


def _waiting(before: Usage, after: Usage, seconds: float) -> tuple[float, float]:
    """Return for which part of the time some program waited for cores, and for memory."""
    if before.pressure is None or after.pressure is None:
        return 0.0, 0.0
    cpu, memory = (
        min(max(getattr(after.pressure, name) - getattr(before.pressure, name), 0.0) / seconds, 1.0)
        for name in ("cpu", "memory")
    )
    return cpu, memory


def _peaks(peaks: tuple[Peak, ...], at: float, cpu: float, memory: int, down_after: float) -> tuple[Peak, ...]:
    """Return the peaks with one more reading, without those of before ``down_after``."""
    width = down_after / _PEAKS
    kept = tuple(one for one in peaks if one.begin + width >= at - down_after)
    if kept and at - kept[-1].begin < width:
        last = kept[-1]
        return (*kept[:-1], Peak(last.begin, max(last.cpu, cpu), max(last.memory_bytes, memory)))
    return (*kept, Peak(at, cpu, memory))


def decide(window: Window, limits: Limits) -> Wish | None:
    """Return the size that a workspace should have now, with the reason that weighs most; None: as it is."""
    memory, cpu = _memory(window, limits), _cpu(window, limits)
    ups = [one for one in (memory, cpu) if one is not None and one[0] > 0]
    downs = [one for one in (memory, cpu) if one is not None and one[0] < 0]
    # One direction at a time: what is needed at once does not wait for what may be refused.
    chosen = ups or downs
    if not chosen:
        return None
    size = limits.now
    if memory in chosen and memory is not None:
        size = Size(size.cpu, round(memory[1]))
    if cpu in chosen and cpu is not None:
        size = Size(cpu[1], size.memory_bytes)
    return Wish(size, chosen[0][2], evidence(window))


_Turn = tuple[int, float, Sentence]
"""Up (1) or down (-1), to how much, and why."""


def _memory(window: Window, limits: Limits) -> _Turn | None:
    now, least, most = limits.now.memory_bytes, limits.least.memory_bytes, limits.most.memory_bytes
    used = window.last.memory_bytes
    if now < least:
        return 1, least, Sentence("scaling.bounds")
    predicted = used + window.growth * HORIZON_SECONDS
    wanted, reason = 0.0, Sentence("scaling.oom_kill")
    if window.new_oom_kills:
        wanted = now * 1.5
    elif predicted > FULL * now:
        wanted, reason = max(now * 1.25, predicted * 1.2), Sentence("scaling.memory_risk")
    elif window.memory_waiting >= WAITING and used >= now / 2:
        wanted, reason = now * 1.25, Sentence("scaling.memory_pressure")
    wanted = min(_up(wanted, MEMORY_STEP), most)
    if wanted > now:
        return 1, wanted, reason
    if not _may_step_down(window, limits, over=now > most):
        return None
    if now > most:
        floor, reason = used * _BARE_MARGIN + _MARGIN_BYTES / 2, Sentence("scaling.over")
    else:
        peak = max([used, *(one.memory_bytes for one in window.peaks)])
        floor, reason = peak * _MARGIN + _MARGIN_BYTES, Sentence("scaling.memory_idle")
    target = _smaller(now, floor, most if now > most else least, MEMORY_STEP)
    return (-1, target, reason) if target < now else None


def _cpu(window: Window, limits: Limits) -> _Turn | None:
    now, least, most = limits.now.cpu, limits.least.cpu, limits.most.cpu
    if now < least:
        return 1, least, Sentence("scaling.bounds")
    if now > most:
        return -1, most, Sentence("scaling.over")
    hot = 0.0 if window.hot_since is None else window.last.taken_at - window.hot_since
    wanted = min(_up(max(now * 2, now + 2 * CPU_STEP), CPU_STEP), most)
    if hot >= HOT_SECONDS and wanted > now:
        return 1, wanted, Sentence("scaling.cpu_short")
    if not _may_step_down(window, limits, over=False):
        return None
    peak = max([window.cpu, *(one.cpu for one in window.peaks)])
    target = _smaller(now, peak * _MARGIN, least, CPU_STEP)
    return (-1, target, Sentence("scaling.cpu_idle")) if target < now else None


def _may_step_down(window: Window, limits: Limits, *, over: bool) -> bool:
    """Tell whether it has needed less for long enough, and the last step was not just now."""
    at = window.last.taken_at
    paused = limits.changed_at is None or at - limits.changed_at >= (_LEAST_PACE if over else limits.pace)
    quiet_since = max(window.began, limits.raised_at or window.began)
    return paused and (over or at - quiet_since >= limits.down_after)


def evidence(window: Window) -> dict[str, float]:
    """Return the figures that are decided by."""
    return {
        "cpu": round(window.cpu, 3),
        "cpu_throttled": round(window.throttled, 3),
        "cpu_waiting": round(window.cpu_waiting, 3),
        "memory_bytes": float(window.last.memory_bytes),
        "memory_growth": round(window.growth),
        "memory_waiting": round(window.memory_waiting, 3),
        "oom_kills": float(window.new_oom_kills),
    }


def most_seconds_down(most: Size, least: Size, down_after: float) -> float:
    """Return how long it takes at most until an idle workspace of the largest size has the smallest."""
    steps = max(
        _steps(most.cpu, least.cpu, CPU_STEP),
        _steps(most.memory_bytes, least.memory_bytes, MEMORY_STEP),
    )
    pace = Limits(most, least, most, down_after).pace
    return down_after * (1 + 1 / _PEAKS) + steps * pace


def _steps(now: float, least: float, step: float) -> int:
    """Return how many steps down lead from one size to another."""
    count = 0
    while now > least:
        now, count = _smaller(now, 0.0, least, step), count + 1
    return count


def _smaller(now: float, needed: float, least: float, step: float) -> float:
    """Return the size after one step down: a quarter less at most, but a whole step at least, and what is needed."""
    kept = min(_up(now * DOWN, step), now - step)
    return max(least, _up(needed, step), kept)


def _up(value: float, step: float) -> float:
    """Return the next multiple of a step that is not less."""
    return math.ceil(value / step - 1e-9) * step
