"""Progress: events are counted right, and what is shown says what failed and what was reused."""

from __future__ import annotations

import pytest

from weigh.cli.progress import LiveWatcher, Watcher
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
    assert lines[3].endswith("1 reused  1 failed (1 provider)")


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
