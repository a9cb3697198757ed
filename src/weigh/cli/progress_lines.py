"""The lines of a run's progress as text: what fits where, and what goes first when it does not.

Names are cut in the middle, where they tell least; then the bar gets shorter; the numbers stay.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from weigh.cli.table import shortened, width
from weigh.cli.terminal import clean, count, dollars, seconds
from weigh.pipeline.request import SandboxesSeen

FORETELL = 8
"""Trials that must be done before anything is said about how long it still takes."""
BAR, LEAST_BAR, LEAST_NAME = 24, 8, 16


@dataclass
class Bar:
    """How far one arm is with one task. Counts are of trials; `started` is when the first of them ended, here."""

    arm: str
    task: str
    cells: int
    done: int = 0
    reused: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    turns: int = 0
    started: float | None = None
    ended: float | None = None

    @property
    def label(self) -> str:
        return f"{self.arm}  {self.task}"

    @property
    def executed(self) -> int:
        """Trials that were run, not taken over."""
        return self.done - self.reused

    def rate(self, now: float) -> float | None:
        """Executed trials a second; None before there is enough to divide."""
        if self.started is None or self.executed < 1:
            return None
        passed = (self.ended or now) - self.started
        return self.executed / passed if passed >= 0.5 else None

    def eta(self, now: float) -> float | None:
        """Seconds until this bar is full, at its present rate; None while too few trials are done to tell."""
        rate = self.rate(now) if self.executed >= FORETELL else None
        return (self.cells - self.done) / rate if rate else None


def speed(rate: float) -> str:
    """Trials a second, or a minute where they are agents'."""
    if rate < 0.5:
        return f"{60 * rate:.1f}/min"
    return f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"


def failures(failed: Counter[str], *, short: bool = False) -> str:
    """`3 failed (2 provider, 1 scorer)`, `2 failed (provider)`, or an empty string."""
    if not failed:
        return ""
    total = sum(failed.values())
    kinds = ", ".join(f"{n} {kind}" if len(failed) > 1 else kind for kind, n in failed.most_common())
    return f"{total} failed" if short else f"{total} failed ({kinds})"


def endings(outcomes: Counter[str]) -> list[str]:
    """Trials that ended without an answer of their own: `2 at limit turns`, `1 timeout`."""
    return [f"{n} at {kind.replace(':', ' ')}" if kind.startswith("limit:") else f"{n} {kind}"
            for kind, n in outcomes.most_common()]  # fmt: skip


def sandboxes(seen: SandboxesSeen) -> str:
    """`sandboxes 3 waiting, 4 of 4 running, 1 idle`."""
    return f"sandboxes {seen.waiting} waiting, {seen.running} of {seen.budget} running, {seen.idle} idle"


def facts(bar: Bar, now: float, *, short: bool = False) -> str:
    """The numbers behind a bar: how many, how fast, how long still, how they ended, what failed, what was reused."""
    parts = [f"{bar.done}/{bar.cells}"]
    rate, eta = bar.rate(now), bar.eta(now)
    if rate is not None:
        parts.append(speed(rate))
    if bar.ended is None and eta is not None:
        parts.append(f"{seconds(eta)} left")
    if bar.turns > bar.executed > 0 and not short:
        parts.append(f"{bar.turns / bar.executed:.1f} turns")
    if bar.reused:
        parts.append(f"{bar.reused} reused")
    if not short:
        parts += endings(bar.outcomes)
    if bar.failed:
        parts.append(failures(bar.failed, short=short))
    return "  ".join(parts)


def cut(text: str, most: int) -> str:
    """A name in so many columns, its middle left out."""
    return shortened(clean(text), most)


def bar_lines(bars: list[Bar], now: float, columns: int) -> list[tuple[str, int, int, str]]:
    """Each bar as (name, filled, empty, numbers), all names of one width, all within so many columns."""
    told = [facts(bar, now) for bar in bars]
    names = max(width(clean(bar.task)) for bar in bars)

    def room() -> int:
        """What is left for the bar: two columns in front, and two between the parts."""
        return columns - 1 - 6 - names - max(len(text) for text in told)

    if room() < LEAST_BAR:
        names = max(LEAST_NAME, min(names, names - (LEAST_BAR - room())))
    if room() < LEAST_BAR:
        told = [facts(bar, now, short=True) for bar in bars]
    size = min(BAR, room())
    size = size if size >= LEAST_BAR else 0
    lines = []
    for bar, text in zip(bars, told, strict=True):
        full = round(size * min(1.0, bar.done / bar.cells)) if bar.cells else 0
        name = cut(bar.task, names)
        lines.append((name + " " * (names - width(name)), full, size - full, text))
    return lines


def full_line(bar: Bar, now: float, columns: int | None) -> str:
    """A bar that is full as one line, its names cut where a terminal has no room for them."""
    told = facts(bar, now)
    if columns is None or len(bar.label) + 2 + len(told) < columns:
        return f"{clean(bar.label)}  {told}"
    room = max(2 * LEAST_NAME, columns - 1 - len(told) - 4)
    arm = cut(bar.arm, min(len(bar.arm), max(LEAST_NAME, room - len(bar.task), room // 2)))
    return f"{arm}  {cut(bar.task, max(LEAST_NAME, room - len(arm)))}  {told}"


def total_line(
    bars: list[Bar], now: float, began: float, tokens: int, cost: float | None, failed: Counter[str], columns: int
) -> str:
    """The whole run: how far, since when, how long still, what it cost, what failed. What fits."""
    done, cells = sum(b.done for b in bars), sum(b.cells for b in bars)
    executed = sum(b.executed for b in bars)
    starts = [b.started for b in bars if b.started is not None]
    passed = now - min(starts) if starts else 0.0
    parts = [f"{done}/{cells} trials", f"{100 * done // cells if cells else 0} %", seconds(now - began)]
    if executed >= FORETELL and passed >= 0.5 and done < cells:
        rate = executed / passed
        parts.append(f"about {seconds((cells - done) / rate)} left")
    if tokens:
        parts.append(f"{count(tokens)} tokens")
    if cost is not None:
        parts.append(dollars(cost))
    ends: Counter[str] = sum((b.outcomes for b in bars), Counter())
    parts += endings(ends)
    if failed:
        parts.append(failures(failed))
    text = "  ".join(parts)
    if len(text) + 6 > columns and failed:
        parts[-1] = failures(failed, short=True)
        text = "  ".join(parts)
    return text


def trial_start(total: float) -> float:
    """When a trial that just ended began, on the clock of this process."""
    return time.monotonic() - total
