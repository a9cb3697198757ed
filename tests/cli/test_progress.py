"""Progress: events are counted right, and what is shown says what failed and what was reused."""

from __future__ import annotations

from collections import Counter

import pytest

from weigh.cli.progress import LiveWatcher, Watcher
from weigh.cli.progress_lines import Bar, bar_lines, full_line, speed, total_line
from weigh.pipeline.request import Notice, Plan, Planned, TaskPlan, TrialDone
from weigh.records.errors import Error
from weigh.records.instance import Instance
from weigh.records.run import Run
from weigh.records.trial import Timing, Trial
from weigh.records.usage import Usage


def trial(number: int, *, error: Error | None = None) -> Trial:
    return Trial(
        id=f"t{number}", run="r", key="k", arm="a", task="sciq", variant="mc", instance=Instance(id=str(number)),
        instance_digest="d", status="error" if error else "ok", error=error, timing=Timing(started=0.0, total=0.5),
        usage=Usage(new=10, generated=5, cost=0.01),
    )  # fmt: skip


def planned(cells: int, reused: int = 0) -> Planned:
    row = TaskPlan(
        arm="a", task="sciq:mc", kind="chat", cells=cells, reused=reused, rescored=0, requests=cells - reused,
        prompt_tokens=0, max_generated=0,
    )  # fmt: skip
    return Planned(
        plan=Plan(run=Run(id="r-12345678", name="r", created=0.0), rows=(row,), skipped=("left out: code: no sandbox",))
    )


def test_events_are_counted_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with Watcher() as watch:
        watch(planned(4, reused=1))
        watch(TrialDone(trial=trial(0), reused=True))
        watch(TrialDone(trial=trial(1)))
        watch(TrialDone(trial=trial(2, error=Error(kind="provider", message="no"))))
        watch(Notice(text="waiting 2 s"))
        watch(TrialDone(trial=trial(3)))
    bar = watch.tally.bars[("a", "sciq:mc")]
    assert (bar.done, bar.reused, dict(bar.failed)) == (4, 1, {"provider": 1})
    assert watch.tally.tokens == 45
    assert watch.tally.cost == pytest.approx(0.03)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[:3] == [
        "r-12345678: 1 model x 1 task = 4 trials, 1 of them stored already and reused",
        "left out: code: no sandbox",
        "waiting 2 s",
    ]
    assert lines[3].startswith("a  sciq:mc  4/4")
    assert lines[3].endswith("1 reused  1 failed (provider)")


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Watcher(quiet=True) as watch:
        watch(planned(1))
        watch(TrialDone(trial=trial(0)))
    assert capsys.readouterr().err == ""


def test_live_bars_end_in_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveWatcher() as watch:
        watch(planned(2))
        watch(TrialDone(trial=trial(0)))
        assert watch._draw() is not None
        watch(TrialDone(trial=trial(1, error=Error(kind="provider", message="no"))))
    assert "a  sciq:mc  2/2" in capsys.readouterr().err


def test_what_fits_where() -> None:
    name = "a_third_task_with_a_rather_long_name_indeed"
    bars = [
        Bar("m", name, 200, 100, failed=Counter(provider=9, scorer=1), started=0.0),
        Bar("m", "words", 300, 30, outcomes=Counter({"limit:turns": 3, "timeout": 1}), turns=186, started=0.0),
    ]
    for columns in (60, 80, 100, 120, 200):
        lines = bar_lines(bars, 60.0, columns)
        for shown, full, empty, told in lines:
            gap = "  " if full + empty else ""
            assert len(f"  {shown}  {'x' * (full + empty)}{gap}{told}") < columns, columns
            assert told.startswith(("100/200  1.7/s  1m 00s left", "30/300  0.5/s")), "numbers stay"
        assert abs(lines[0][1] - lines[0][2]) <= 1, "half of it"
    wide = bar_lines(bars, 60.0, 200)
    assert wide[0][0] == name and wide[0][3].endswith("10 failed (9 provider, 1 scorer)")
    assert wide[1][3].endswith("6.2 turns  3 at limit turns  1 timeout")
    narrow = bar_lines(bars, 60.0, 70)
    assert narrow[0][0] == "a_third_…_indeed" and narrow[0][3].endswith("10 failed")
    assert full_line(bars[0], 60.0, None).startswith(f"m  {name}  100/200")
    full = Bar("m", name, 200, 200, failed=Counter(provider=9), started=0.0, ended=100.0)
    assert len(full_line(full, 100.0, 80)) < 80 and full_line(full, 100.0, 80).startswith("m  a_third_task_")


def test_the_whole_run_in_one_line() -> None:
    bars = [Bar("m", "a", 100, 50, started=0.0), Bar("m", "b", 100)]
    line = total_line(bars, 10.0, -2.0, 12_345, 0.5, Counter(provider=2), 200)
    assert line == "50/200 trials  25 %  12.0 s  about 30.0 s left  12.3k tokens  $0.50  2 failed (provider)"
    assert total_line([Bar("m", "a", 100)], 1.0, 0.0, 0, None, Counter(), 80) == "0/100 trials  0 %  1.0 s"
    assert speed(0.02) == "1.2/min" and speed(3.14) == "3.1/s" and speed(31.4) == "31/s"
