"""`weigh plot`: the rows of a picture, from the same numbers as the tables. What draws them never computes.

A picture has one axis of values. Where tasks are measured in different units the first one's is kept, and what is left
out is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from weigh.pipeline.plot_costs import cost, trials
from weigh.pipeline.plot_over import over_axis
from weigh.pipeline.plot_rows import Drawing, Options, named_arms
from weigh.pipeline.plot_scores import along, differences, markers, scores
from weigh.pipeline.task_names import choose_named
from weigh.records.errors import DefinitionError, suggest
from weigh.records.trial import join_spec
from weigh.store.layout import Store

KINDS: Mapping[str, Callable[[Store, Sequence[str], Options], Drawing]] = {
    "scores": scores,
    "differences": differences,
    "cost": cost,
    "trials": trials,
    "trend": along,
    "markers": markers,
}
"""Pictures by name."""
OVER = ("scores", "markers")
"""Those that can be drawn along an axis of the arms."""


def draw(store: Store, kind: str, words: Sequence[str], options: Options) -> Drawing:
    """The rows of one kind of picture.

    Raises:
        StoreError, DefinitionError: Nothing is named so, there is nothing of this kind, or a name is wrong.
    """
    if kind not in KINDS:
        raise DefinitionError(f"there is no picture {kind!r}{suggest(kind, KINDS)} (there are {', '.join(KINDS)})")
    if options.over is not None and kind not in OVER:
        raise DefinitionError(f"--over is for {' and '.join(OVER)}; {kind} is drawn otherwise")
    if options.tasks and kind not in ("differences", "trend"):  # these read them as `compare` and `trend` do
        members = [member for _, member in named_arms(store, words)]
        tasks = [join_spec(task.name, task.variant) for member in members for task in member.run.tasks]
        suites = [suite.name for member in members for suite in member.run.suites]
        options = msgspec.structs.replace(options, tasks=tuple(choose_named([*tasks, *suites], options.tasks)))
    drawing = KINDS[kind](store, words, options)
    return drawing if options.over is None else over_axis(drawing, named_arms(store, words), options.over)
