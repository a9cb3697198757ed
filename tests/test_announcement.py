"""The yardstick for brevity: a well-known announcement's program, unchanged but for imports and the data's path."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from weigh.define.registry import default
from weigh.records.errors import DefinitionError

PROGRAM = """\
from weigh import AccuracyMetric, ChatFormatter, DataLoader, DataSource, ExactMatchScorer, Instance
from weigh import SamplingParams, Suite, Task, register, register_variant

@register("internal_freshqa")
class InternalFreshQA(Task):
    data_source = DataSource(path="freshqa.jsonl", split="test")
    formatter = ChatFormatter()
    sampling_params = SamplingParams(temperature=0.0)
    metrics = (AccuracyMetric(scorer=ExactMatchScorer),)

    @property
    def instances(self):
        loader = DataLoader()
        for idx, doc in enumerate(loader.load(self.config.get_data_source())):
            yield Instance(
                question=doc["question"],
                gold_answer=doc["answer"],
                metadata={"id": doc.get("id", f"freshqa_{idx}")},
            )

register_variant("internal_freshqa", "3shot", num_fewshot=3, fewshot_seed=1234)
register_variant("internal_freshqa", "zero", num_fewshot=0)

register(Suite(
    name="base_qa_few_shot",
    tasks=(
"sciq:mc:3shot",
"arc_challenge:mc:3shot",
"internal_freshqa:mc:3shot",
    ),
))
"""
RIGHT = 6


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """The program and its data; a model that repeats the question is right on the first six of ten."""
    rows = [{"question": f"say {i}", "answer": f"say {i}" if i < RIGHT else "no"} for i in range(10)]
    (tmp_path / "freshqa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = tmp_path / "my_bench.py"
    file.write_text(PROGRAM)
    return file


def weigh(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "weigh.cli.main", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_it_runs_from_the_command_line(bench: Path) -> None:
    done = weigh(
        bench.parent, "run", "-m", "scripted/echo", "-t", "./my_bench.py:internal_freshqa:zero", "--store", "s"
    )
    assert done.returncode == 0, done.stderr
    assert "10 run" in done.stdout + done.stderr and "60.0 ±" in done.stdout
    done = weigh(
        bench.parent, "run", "-m", "scripted/echo", "-t", "./my_bench.py:internal_freshqa:3shot", "--store", "s"
    )
    assert done.returncode == 0, done.stderr
    assert (
        "7 run" in done.stdout + done.stderr
        and "3 of 10 questions serve as few-shot examples" in done.stdout + done.stderr
    )


def test_its_suite_groups_what_there_is_and_refuses_what_cannot_be(bench: Path) -> None:
    (suite,), tasks = default.expand([f"{bench}:base_qa_few_shot"], allow_missing=True)
    assert suite.members == ("sciq:mc:3shot", "arc_challenge:mc:3shot", "internal_freshqa:mc:3shot")
    own = next(t for t in tasks if t.name == "internal_freshqa")
    assert own.config.num_fewshot == 3 and own.config.fewshot_seed == 1234
    with pytest.raises(DefinitionError, match="`mc` needs questions with 2 to 26 choices"):
        own.prepare()


def test_the_page_shows_this_program() -> None:
    page = Path(__file__).parent.parent / "docs" / "extending.md"
    assert PROGRAM in page.read_text()
