"""The public names are pinned: adding one is a decision, removing one breaks somebody's file."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import weigh

PUBLIC = """
    AccuracyMetric BestMetric BitsPerByteScorer ChatFormatter ChatRequest ChoiceLetterScorer ChoiceScorer CodeScorer
    CompletionFormatter CompletionRequest DataError DataLoader DataSource DefinitionError Error ExactMatchScorer
    ExternalEval ExternalJob F1Scorer
    Failure Formatter GoldFormatter Harness Instance InstructionScorer LetterChatFormatter Limits LoglikelihoodRequest
    MarkerSpec MathScorer MeanMetric Message MultipleChoiceFormatter NumericScorer Output PassAtK PassHatK
    RankedFormatter RegexScorer Reported ReportedScorer SamplingParams SandboxedExternalEval Score SubstringScorer Suite
    Task TaskConfig TemplateFormatter Tool ToolContext
    ToolResult Trajectory Trial Usage WeighError __version__ register register_harness register_scorer
    register_variant tool
"""


def test_the_names_are_these() -> None:
    assert sorted(weigh.__all__) == sorted(PUBLIC.split())


@pytest.mark.parametrize("name", PUBLIC.split())
def test_each_name_is_there(name: str) -> None:
    assert getattr(weigh, name) is not None


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(weigh.__file__).read_text())
    block = next(n for n in tree.body if isinstance(n, ast.If))
    seen = {
        (node.module, alias.asname) for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == {(module, name) for name, module in weigh._HOME.items()}


def test_importing_does_nothing() -> None:
    program = "import sys; before = set(sys.modules); import weigh; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    loaded = ast.literal_eval(done.stdout)
    assert [name for name in loaded if name.startswith("weigh")] == ["weigh", "weigh._version"]
    assert not {"numpy", "msgspec", "aiohttp", "duckdb", "jinja2", "fsspec"} & set(loaded)


def test_defining_a_task_loads_nothing_heavy() -> None:
    program = (
        "import sys; from weigh import AccuracyMetric, ChatFormatter, DataSource, ExactMatchScorer, Task, register; "
        "print(sorted({m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    heavy = {"numpy", "scipy", "aiohttp", "duckdb", "jinja2", "fsspec", "huggingface_hub", "yaml", "torch", "rich"}
    assert not heavy & set(ast.literal_eval(done.stdout))


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'DataSorce'"):
        weigh.DataSorce  # noqa: B018
