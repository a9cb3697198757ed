"""What goes on during a run: a bar for each task that is under way, or plain lines where stderr is no terminal.

`Tally` counts events and knows nothing of terminals; the two watchers only show it. Counting is cheap (a run may bring
thousands of trials a second); showing happens a few times a second at most.
"""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

from weigh.cli.progress_lines import Bar, bar_lines, cut, facts, full_line, sandboxes, total_line, trial_start
from weigh.cli.terminal import clean, is_live, say, seconds
from weigh.cli.words import many
from weigh.pipeline.request import ArmStarted, Event, Notice, Planned, SandboxesSeen, TrialDone
from weigh.records.trial import OK

if TYPE_CHECKING:
    from rich.live import Live

PLAIN_EVERY = 10.0
SHOWN = 12


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
        turns = trial.metadata.get("turns")
        bar.turns += turns if isinstance(turns, int) else 0
        if bar.started is None:
            bar.started = trial_start(trial.timing.total)
        self.tokens += trial.usage.total or 0
        if trial.usage.cost is not None:
            self.cost = (self.cost or 0.0) + trial.usage.cost
        if trial.failed:
            kind = trial.error.kind if trial.error else trial.status
            bar.failed[kind] += 1
            self.failed[kind] += 1
        elif trial.status != OK:
            bar.outcomes[trial.status] += 1
        if bar.done != bar.cells:
            return None
        bar.ended = time.monotonic()
        return bar


class Watcher:
    """Shows a run as plain lines: one when a task is done, and one every ten seconds between."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.tally = Tally()
        self.quiet = quiet
        self._begin = time.monotonic()
        self._next = self._begin + PLAIN_EVERY

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

    @property
    def columns(self) -> int | None:
        """How wide a line may be; None for as wide as it is."""
        return None

    def total(self, now: float, columns: int) -> str:
        """The line about the whole run."""
        tally = self.tally
        bars = list(tally.bars.values())
        return total_line(bars, now, self._begin, tally.tokens, tally.cost, tally.failed, columns)

    def line(self, text: str) -> None:
        """One line for the user."""
        if not self.quiet:
            say(text)

    def show_plan(self, event: Planned) -> None:
        """Say what is about to run."""
        plan = event.plan
        arms, tasks = {r.arm for r in plan.rows}, {r.task for r in plan.rows}
        models = {arm.axes.get("model") for arm in plan.run.arms if arm.id in arms}
        word = "arm" if 0 < len(models) < len(arms) else "model"
        size = f"{many(len(arms), word)} x {many(len(tasks), 'task')} = {many(plan.cells, 'trial')}"
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
        self.line(full_line(bar, time.monotonic(), self.columns))

    def tick(self) -> None:
        """Show how far it is, from time to time."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + PLAIN_EVERY
        bars = list(self.tally.bars.values())
        for bar in bars:
            if bar.started is not None and bar.ended is None:
                self.line(f"{bar.label}  {facts(bar, now)}")
        if len(bars) > 1:
            self.line(f"all  {self.total(now, 10_000)}")
        if self.tally.sandboxes is not None:
            self.line(sandboxes(self.tally.sandboxes))


class LiveWatcher(Watcher):
    """Shows a run as bars that are redrawn in place."""

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None

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

    @property
    def columns(self) -> int | None:
        """The terminal's."""
        return None if self._live is None else self._live.console.width

    def line(self, text: str) -> None:
        """One line above the bars."""
        if self._live is None:
            say(text)
        else:
            self._live.console.print(clean(text), markup=False, soft_wrap=True)

    def tick(self) -> None:
        """Nothing: the bars are redrawn by themselves."""

    def _draw(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        now = time.monotonic()
        columns = self.columns or 80
        bars = list(self.tally.bars.values())
        if not sum(b.cells for b in bars):
            return Text("preparing ...")
        lines: list[Text] = []
        under_way = [b for b in bars if b.started is not None and b.ended is None][:SHOWN]
        for arm in dict.fromkeys(b.arm for b in under_way):
            own = [b for b in under_way if b.arm == arm]
            lines.append(Text(cut(arm, columns - 1)))
            for bar, (name, full, empty, told) in zip(own, bar_lines(own, now, columns), strict=True):
                drawn = Text("█" * full, style="green") + Text("░" * empty, style="bright_black")
                gap = Text("  " if full + empty else "")
                lines.append(Text(f"  {name}  ") + drawn + gap + Text(told, style="red" if bar.failed else ""))
        lines.append(Text("all  ", style="bold") + Text(self.total(now, columns), style="not bold"))
        if self.tally.sandboxes is not None:
            lines.append(Text(f"     {sandboxes(self.tally.sandboxes)}"))
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*lines)


def watcher(*, quiet: bool = False) -> Watcher:
    """The watcher that suits this terminal."""
    return LiveWatcher() if is_live() and not quiet else Watcher(quiet=quiet)
