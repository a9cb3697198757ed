"""Identity: a key changes exactly with what the model is given."""

from __future__ import annotations

import msgspec
import pytest

from weigh.plan.cell import generation_key, with_epoch_seed
from weigh.plan.explain import differences, key_fields
from weigh.plan.matrix import Column, block_cells, block_size, blocks, count_cells
from weigh.records.arm import Arm
from weigh.records.digest import digest
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, CompletionRequest, LoglikelihoodRequest, Message, Request, SamplingParams


class Task:
    """A prepared task of the test's own."""

    name = "sums"
    variant = ""

    def render(self, instance: Instance) -> Request:
        return CompletionRequest(prompt=instance.question)

    def instance_digest(self, instance: Instance) -> str:
        return digest(instance.question)


ARM = Arm(id="a", digest="d" * 32)


def column(n: int, start: int = 0) -> Column:
    chosen = [(i, Instance(question=f"q{i}", id=f"i{i}")) for i in range(start, n)]
    return Column(task=Task(), instances=chosen, total=1000)


def chat(text: str = "hi", **sampling: object) -> ChatRequest:
    return ChatRequest(
        messages=(Message(role="user", content=text),), sampling=msgspec.convert(sampling, SamplingParams)
    )


BASE = ("arm", "id", "content", chat(), 0, "")


@pytest.mark.parametrize(
    "changed",
    [
        ("other", "id", "content", chat(), 0, ""),
        ("arm", "other", "content", chat(), 0, ""),
        ("arm", "id", "other", chat(), 0, ""),
        ("arm", "id", "content", chat("ho"), 0, ""),
        ("arm", "id", "content", chat(temperature=0.5), 0, ""),
        ("arm", "id", "content", chat(), 1, ""),
        ("arm", "id", "content", chat(), 0, "workspace"),
        ("arm", "id", "content", CompletionRequest(prompt="hi"), 0, ""),
    ],
)
def test_every_part_of_what_the_model_gets_changes_the_key(changed: tuple[str, str, str, Request, int, str]) -> None:
    assert generation_key(*changed) != generation_key(*BASE)


def test_the_key_does_not_depend_on_the_order_of_mappings() -> None:
    one = chat(extra={"a": 1, "b": 2})
    two = chat(extra={"b": 2, "a": 1})
    assert generation_key("arm", "i", "c", one, 0) == generation_key("arm", "i", "c", two, 0)


def test_writing_a_default_out_changes_no_key() -> None:
    explicit = chat(temperature=float("0.0"), max_tokens=int("512"))
    assert generation_key("arm", "i", "c", explicit, 0) == generation_key("arm", "i", "c", chat(), 0)


def test_a_seed_moves_on_with_the_epoch_and_only_where_there_is_one() -> None:
    seeded = with_epoch_seed(chat(seed=7), 3)
    assert isinstance(seeded, ChatRequest) and seeded.sampling.seed == 10
    assert with_epoch_seed(chat(), 3) == chat()
    ranked = LoglikelihoodRequest(context="a", continuations=("b",))
    assert with_epoch_seed(ranked, 3) is ranked


def test_blocks_cover_every_cell_once_and_stay_put_when_the_limit_grows() -> None:
    small = list(blocks([ARM], [column(70)]))
    large = list(blocks([ARM], [column(200)]))
    assert [b.shard for b in small] == [b.shard for b in large][: len(small)]
    cells = [c for b in large for c in block_cells(b, 2)]
    assert len(cells) == count_cells([ARM], [column(200)], 2) == 400
    assert len({c.key for c in cells}) == 400
    assert len({c.identity for c in cells}) == 400
    assert cells[0].instance is cells[1].instance and cells[1].epoch == 1


def test_a_range_starts_within_the_block_it_belongs_to() -> None:
    shards = [b.shard for b in blocks([ARM], [column(70, start=10)])]
    assert shards == [b.shard for b in blocks([ARM], [column(70)])]


def test_large_tasks_get_larger_blocks() -> None:
    assert block_size(10) == 64
    assert block_size(100_000) * 256 >= 100_000


def test_explain_names_the_field_that_differs() -> None:
    before = key_fields(ARM, "i", "c", chat(temperature=0.0), 0)
    after = key_fields(ARM, "i", "c", chat(temperature=0.7), 0)
    found = differences(before, after)
    assert [(d.field, d.before, d.after) for d in found] == [("request.sampling.temperature", None, 0.7)]
    prompt = differences(before, key_fields(ARM, "i", "c", chat("ho"), 0))
    assert [(d.field, d.before, d.after) for d in prompt] == [("request.messages[0].content", "hi", "ho")]
