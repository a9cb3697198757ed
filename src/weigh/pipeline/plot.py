"""`weigh plot`: the rows of a picture, from the same numbers as the tables. What draws them never computes.

A picture has one axis of values. Where tasks are measured in different units the first one's is kept, and what is left
out is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from weigh.pipeline.plot_costs import cost, trials
from weigh.pipeline.plot_rows import Drawing, Options
from weigh.pipeline.plot_scores import along, differences, markers, scores
from weigh.records.errors import DefinitionError, suggest
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


def draw(store: Store, kind: str, words: Sequence[str], options: Options) -> Drawing:
    """The rows of one kind of picture.

    Raises:
        StoreError, DefinitionError: Nothing is named so, there is nothing of this kind, or a name is wrong.
    """
    if kind not in KINDS:
        raise DefinitionError(f"there is no picture {kind!r}{suggest(kind, KINDS)} (there are {', '.join(KINDS)})")
    return KINDS[kind](store, words, options)
