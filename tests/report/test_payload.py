"""What a report computes in one sweep, with much remembered, is what each command computes by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.report.kit import study
from weigh.pipeline.compare import compare_sides
from weigh.pipeline.compare_options import Options
from weigh.pipeline.matrix import compare_many
from weigh.pipeline.payload import build_payload
from weigh.pipeline.payload_grid import ERRORS, LEVELS
from weigh.pipeline.payload_numbers import matrix_block, pair_block
from weigh.pipeline.report_source import comparables, find_source, open_source
from weigh.records.plain import plain
from weigh.store.columns import MEASURES
from weigh.store.dataset import open_dataset
from weigh.store.layout import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Repeated questions, of which some failed, so that little is alike between lenses."""
    made = Store(tmp_path_factory.mktemp("payload") / "store")
    study(made, questions=6, epochs=2)
    return made


@pytest.fixture(scope="module")
def index(store: Store) -> Any:
    return json.loads(build_payload(store, ["study"], traces="none").index)


def as_json(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value, enc_hook=plain))


@pytest.mark.parametrize("metric", ["", "tokens", "seconds"])
def test_comparisons_are_those_of_compare(store: Store, index: Any, metric: str) -> None:
    source = find_source(store, ["study"])
    sides = comparables(source)
    seen = 0
    with open_dataset(store, [run.id for run in source.runs]) as data:
        assert data.memo is None
        for pair, blocks in list(index["pairs"].items())[::4]:
            a, b = (sides[int(place)].side for place in pair.split(","))
            for level, errors in ((0.9, "zero"), (0.95, "exclude"), (0.99, "exclude")):
                alpha = round(1 - level, 10)
                options = Options(metric=metric or None, alpha=alpha, errors=errors, bootstrap=False)
                if metric and errors == "zero":
                    continue  # a cost has no worst value
                expected = pair_block(compare_sides(data, a, b, options))
                assert index["blocks"][blocks[metric][f"{level:g}|{errors}"]] == as_json(expected)
                seen += 1
                for field, tasks in index["fields"].items() if not metric else ():
                    split = msgspec.structs.replace(options, by=field, tasks=tuple(tasks))
                    expected = pair_block(compare_sides(data, a, b, split))
                    assert index["blocks"][blocks[metric][f"{level:g}|{errors}|by:{field}"]] == as_json(expected)
    assert seen >= 2 * 2 and index["fields"]


def test_the_matrix_is_that_of_compare(store: Store, index: Any) -> None:
    source = find_source(store, ["study"])
    sides = [source.side(i) for i in range(len(source.members))]
    with open_dataset(store, [run.id for run in source.runs]) as data:
        for level in LEVELS[1:]:
            for errors in ERRORS:
                options = Options(alpha=round(1 - level, 10), errors=errors, bootstrap=False)
                for shared in (False, True):
                    expected = matrix_block(compare_many(data, sides, options, shared=shared))
                    place = index["matrix"][""][f"{level:g}|{errors}" + ("|shared" if shared else "")]
                    assert index["blocks"][place] == as_json(expected)


def test_values_read_together_are_those_read_one_by_one(store: Store) -> None:
    source = find_source(store, ["study"])
    with open_source(store, source) as together, open_dataset(store, [r.id for r in source.runs]) as alone:
        for name in [*MEASURES, "match"]:
            asked: dict[str, Any] = {"measure": name} if name in MEASURES else {"scorer": name}
            for member in source.members:
                for task in member.run.tasks:
                    where = {"variant": task.variant, "arm": member.arm.id, "run": member.run.id}
                    one, other = (data.values(task.name, **asked, **where) for data in (together, alone))
                    for field in one.__struct_fields__:
                        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
            assert one.value.size == 12


def test_an_arm_that_is_not_shown_leaves_no_trial(store: Store, tmp_path: Path) -> None:
    made = build_payload(store, ["study:small/skill"])
    trials = json.loads(made.index)["trials"]
    assert made.trials == len(trials["id"]) == 36 and set(trials["arm"]) == {0}
    assert all(len(column) == 36 for column in trials.values())
