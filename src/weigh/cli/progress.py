"""What goes on during a run: a bar for each task that is under way, or plain lines where stderr is no terminal.

`Tally` counts events and knows nothing of terminals; the two watchers only show it. Counting is cheap (a run may bring
thousands of trials a second); showing happens a few times a second at most.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

from weigh.cli.terminal import count, dollars, is_live, say, seconds
from weigh.cli.words import many
from weigh.pipeline.request import ArmStarted, Event, Notice, Planned, SandboxesSeen, TrialDone

if TYPE_CHECKING:
    from rich.live import Live

PLAIN_EVERY = 10.0
FORETELL = 8
BAR = 24
SHOWN = 12


@dataclass
class Bar:
    """How far one arm is with one task. Counts are of trials; `started` is when the first of them ended, here."""

    arm: str
    task: str
    cells: int
    done: int = 0
    reused: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    started: float | None = None
    ended: float | None = None

    @property
    def label(self) -> str:
        return f"{self.arm}  {self.task}"

    def rate(self, now: float) -> float | None:
        """Executed trials a second; None before there is enough to divide."""
        executed = self.done - self.reused
        if self.started is None or executed < 1:
            return None
        passed = (self.ended or now) - self.started
        return executed / passed if passed >= 0.5 else None

    def eta(self, now: float) -> float | None:
        """Seconds until this bar is full, at its present rate; None while too few trials are done to tell."""
        rate = self.rate(now) if self.done - self.reused >= FORETELL else None
        return (self.cells - self.done) / rate if rate else None


class Tally:
    """Counts the events of a run."""

    def __init__(self) -> None:
        self.bars: dict[tuple[str, str], Bar] = {}
        self.failed: Counter[str] = Counter()
        self.tokens = 0
        self.cost: float | None = None
        self.arm_started: float | None = None
        self.sandboxes: SandboxesSeen | None = None

    def plan(self, event: Planned) -> None:
        """Open a bar for each row of the plan."""
        for row in event.plan.rows:
            self.bars[(row.arm, row.task)] = Bar(row.arm, row.task, row.cells, row.reused, row.reused)

    def trial(self, event: TrialDone) -> Bar | None:
        """Count one trial; returns its bar when this trial filled it. What is reused was counted with the plan."""
        trial = event.trial
        if event.reused:
            return None
        bar = self.bars.get((trial.arm, trial.spec))
        if bar is None:
            bar = self.bars[(trial.arm, trial.spec)] = Bar(trial.arm, trial.spec, 0)
        bar.done += 1
        if bar.started is None:
            bar.started = trial_start(trial.timing.total)
        self.tokens += trial.usage.total or 0
        if trial.usage.cost is not None:
            self.cost = (self.cost or 0.0) + trial.usage.cost
        if trial.failed:
            kind = trial.error.kind if trial.error else trial.status
            bar.failed[kind] += 1
            self.failed[kind] += 1
        if bar.done != bar.cells:
            return None
        bar.ended = time.monotonic()
        return bar


def trial_start(total: float) -> float:
    """When a trial that just ended began, on the clock of this process."""
    return time.monotonic() - total


def failures(failed: Counter[str]) -> str:
    """`3 failed (2 provider, 1 scorer)`, or an empty string."""
    if not failed:
        return ""
    kinds = ", ".join(f"{n} {kind}" for kind, n in failed.most_common())
    return f"{sum(failed.values())} failed ({kinds})"


def sandboxes(seen: SandboxesSeen) -> str:
    """`sandboxes 3 waiting, 4 of 4 running, 1 idle`."""
    return f"sandboxes {seen.waiting} waiting, {seen.running} of {seen.budget} running, {seen.idle} idle"


def facts(bar: Bar, now: float) -> str:
    """The numbers behind a bar: how many, how fast, how long still, what failed, what was reused."""
    parts = [f"{bar.done}/{bar.cells}"]
    rate, eta = bar.rate(now), bar.eta(now)
    if rate is not None:
        parts.append(f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
    if bar.ended is None and eta is not None:
        parts.append(f"{seconds(eta)} left")
    if bar.reused:
        parts.append(f"{bar.reused} reused")
    if bar.failed:
        parts.append(failures(bar.failed))
    return "  ".join(parts)


class Watcher:
    """Shows a run as plain lines: one when a task is done, and one every ten seconds between."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.tally = Tally()
        self.quiet = quiet
        self._next = time.monotonic() + PLAIN_EVERY

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None

    def __call__(self, event: Event) -> None:
        """Take an event of the pipeline."""
        if isinstance(event, TrialDone):
            full = self.tally.trial(event)
            if full is not None:
                self.show_full(full)
            self.tick()
        elif isinstance(event, Planned):
            self.tally.plan(event)
            self.show_plan(event)
        elif isinstance(event, ArmStarted):
            if event.seconds >= 0.5:
                self.line(f"{event.arm}: started in {seconds(event.seconds)}")
        elif isinstance(event, SandboxesSeen):
            self.tally.sandboxes = event
        elif isinstance(event, Notice):
            self.line(event.text)

    def line(self, text: str) -> None:
        """One line for the user."""
        if not self.quiet:
            say(text)

    def show_plan(self, event: Planned) -> None:
        """Say what is about to run."""
        plan = event.plan
        arms, tasks = {r.arm for r in plan.rows}, {r.task for r in plan.rows}
        size = f"{many(len(arms), 'model')} x {many(len(tasks), 'task')} = {many(plan.cells, 'trial')}"
        text = f"{plan.run.id}: {size}"
        if plan.reused:
            text += f", {plan.reused} of them stored already and reused"
        self.line(text)
        for warning in plan.warnings:
            self.line(f"warning: {warning}")
        for skipped in plan.skipped:
            self.line(skipped)

    def show_full(self, bar: Bar) -> None:
        """A task is done."""
        self.line(f"{bar.label}  {facts(bar, time.monotonic())}")

    def tick(self) -> None:
        """Show how far it is, from time to time."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + PLAIN_EVERY
        for bar in self.tally.bars.values():
            if bar.started is not None and bar.ended is None:
                self.line(f"{bar.label}  {facts(bar, now)}")
        if self.tally.sandboxes is not None:
            self.line(sandboxes(self.tally.sandboxes))


class LiveWatcher(Watcher):
    """Shows a run as bars that are redrawn in place."""

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None
        self._begin = time.monotonic()

    def __enter__(self) -> LiveWatcher:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False)
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=5, transient=True)
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def line(self, text: str) -> None:
        """One line above the bars."""
        if self._live is None:
            say(text)
        else:
            self._live.console.print(text, markup=False, soft_wrap=True)

    def tick(self) -> None:
        """Nothing: the bars are redrawn by themselves."""

    def _draw(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        table = Table.grid(padding=(0, 2))
        for _ in range(4):
            table.add_column(no_wrap=True, overflow="ellipsis")
        bars = list(self.tally.bars.values())
        for bar in [b for b in bars if b.started is not None and b.ended is None][:SHOWN]:
            full = round(BAR * bar.done / bar.cells) if bar.cells else 0
            drawn = Text("█" * full, style="green") + Text("░" * (BAR - full), style="bright_black")
            table.add_row(bar.arm, bar.task, drawn, Text(facts(bar, now), style="red" if bar.failed else ""))
        done, cells = sum(b.done for b in bars), sum(b.cells for b in bars)
        total = [f"{done}/{cells} trials", seconds(now - self._begin), f"{count(self.tally.tokens)} tokens"]
        if self.tally.cost is not None:
            total.append(dollars(self.tally.cost))
        if self.tally.sandboxes is not None:
            total.append(sandboxes(self.tally.sandboxes))
        if self.tally.failed:
            total.append(failures(self.tally.failed))
        whole = Text("all  ", style="bold") + Text("  ".join(total), style="not bold")
        return Group(table, whole) if cells else Text("preparing ...")


def watcher(*, quiet: bool = False) -> Watcher:
    """The watcher that suits this terminal."""
    return LiveWatcher() if is_live() and not quiet else Watcher(quiet=quiet)
