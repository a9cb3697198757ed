"""What an invocation counts while it goes on."""

from __future__ import annotations

from weigh.execute.sandboxes.planner import SandboxPlanner
from weigh.pipeline.progress import Progress
from weigh.pipeline.tally import Tally
from weigh.records.usage import Usage


def test_usage_told_through_a_kept_method_is_counted_to_the_end() -> None:
    progress = Progress(lambda event: None, SandboxPlanner(1))
    spent = progress.spent  # a program is given this once, and tells usage as long as it runs
    for _ in range(2500):
        spent(Usage(calls=1, new=2))
    done = progress.complete(Tally(planned=0, failed={}, outcomes={}, missing=0), None)
    assert (done.usage.calls, done.usage.new) == (2500, 5000)
