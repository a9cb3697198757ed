"""weigh: is this really better, by how much, at what cost, and where?

A benchmark is a `Task`: a `DataSource`, a formatter that turns a question (`Instance`) into a request, and metrics
over scorers. `register` gives it a name, `register_variant` names changes of its policy, a `Suite` groups tasks:

    from weigh import AccuracyMetric, ChatFormatter, DataSource, ExactMatchScorer, Task, register

    @register("capitals")
    class Capitals(Task):
        data_source = DataSource(path="capitals.jsonl")
        formatter = ChatFormatter()
        metrics = (AccuracyMetric(scorer=ExactMatchScorer),)

Then `weigh run -m MODEL -t ./capitals.py:capitals:3shot` plans its cells, executes them, scores the trajectories,
journals the trials and shows the estimates. A `Harness` says how that is done.

Importing this package does nothing and loads nothing: each name below is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from weigh._version import __version__ as __version__

if TYPE_CHECKING:
    from weigh.define.data import DataLoader as DataLoader
    from weigh.define.data import DataSource as DataSource
    from weigh.define.external import ExternalEval as ExternalEval
    from weigh.define.external import ExternalJob as ExternalJob
    from weigh.define.external import Reported as Reported
    from weigh.define.external import SandboxedExternalEval as SandboxedExternalEval
    from weigh.define.formatter import Formatter as Formatter
    from weigh.define.formatters import ChatFormatter as ChatFormatter
    from weigh.define.formatters import CompletionFormatter as CompletionFormatter
    from weigh.define.formatters import GoldFormatter as GoldFormatter
    from weigh.define.formatters import LetterChatFormatter as LetterChatFormatter
    from weigh.define.formatters import MultipleChoiceFormatter as MultipleChoiceFormatter
    from weigh.define.formatters import RankedFormatter as RankedFormatter
    from weigh.define.harness import Harness as Harness
    from weigh.define.harness import Limits as Limits
    from weigh.define.harness import register_harness as register_harness
    from weigh.define.metrics import AccuracyMetric as AccuracyMetric
    from weigh.define.metrics import BestMetric as BestMetric
    from weigh.define.metrics import MeanMetric as MeanMetric
    from weigh.define.metrics import PassAtK as PassAtK
    from weigh.define.metrics import PassHatK as PassHatK
    from weigh.define.registry import register as register
    from weigh.define.registry import register_variant as register_variant
    from weigh.define.suite import Suite as Suite
    from weigh.define.task import Task as Task
    from weigh.define.task import TaskConfig as TaskConfig
    from weigh.define.template_formatter import TemplateFormatter as TemplateFormatter
    from weigh.execute.tools.tool import Tool as Tool
    from weigh.execute.tools.tool import ToolContext as ToolContext
    from weigh.execute.tools.tool import ToolResult as ToolResult
    from weigh.execute.tools.tool import tool as tool
    from weigh.records.errors import DataError as DataError
    from weigh.records.errors import DefinitionError as DefinitionError
    from weigh.records.errors import Error as Error
    from weigh.records.errors import Failure as Failure
    from weigh.records.errors import WeighError as WeighError
    from weigh.records.instance import Instance as Instance
    from weigh.records.marker import MarkerSpec as MarkerSpec
    from weigh.records.request import ChatRequest as ChatRequest
    from weigh.records.request import CompletionRequest as CompletionRequest
    from weigh.records.request import LoglikelihoodRequest as LoglikelihoodRequest
    from weigh.records.request import Message as Message
    from weigh.records.request import Output as Output
    from weigh.records.request import SamplingParams as SamplingParams
    from weigh.records.score import Score as Score
    from weigh.records.trajectory import Trajectory as Trajectory
    from weigh.records.trial import Trial as Trial
    from weigh.records.usage import Usage as Usage
    from weigh.score.answer import ExactMatchScorer as ExactMatchScorer
    from weigh.score.answer import F1Scorer as F1Scorer
    from weigh.score.answer import NumericScorer as NumericScorer
    from weigh.score.answer import RegexScorer as RegexScorer
    from weigh.score.answer import SubstringScorer as SubstringScorer
    from weigh.score.choice import BitsPerByteScorer as BitsPerByteScorer
    from weigh.score.choice import ChoiceLetterScorer as ChoiceLetterScorer
    from weigh.score.choice import ChoiceScorer as ChoiceScorer
    from weigh.score.code import CodeScorer as CodeScorer
    from weigh.score.instruction import InstructionScorer as InstructionScorer
    from weigh.score.math import MathScorer as MathScorer
    from weigh.score.registry import register_scorer as register_scorer
    from weigh.score.reported import ReportedScorer as ReportedScorer

_HOMES = {
    "weigh.define.data": "DataLoader DataSource",
    "weigh.define.external": "ExternalEval ExternalJob Reported SandboxedExternalEval",
    "weigh.define.formatter": "Formatter",
    "weigh.define.formatters": "ChatFormatter CompletionFormatter GoldFormatter LetterChatFormatter "
    "MultipleChoiceFormatter RankedFormatter",
    "weigh.define.harness": "Harness Limits register_harness",
    "weigh.define.metrics": "AccuracyMetric BestMetric MeanMetric PassAtK PassHatK",
    "weigh.define.registry": "register register_variant",
    "weigh.define.suite": "Suite",
    "weigh.define.task": "Task TaskConfig",
    "weigh.define.template_formatter": "TemplateFormatter",
    "weigh.execute.tools.tool": "Tool ToolContext ToolResult tool",
    "weigh.records.errors": "DataError DefinitionError Error Failure WeighError",
    "weigh.records.instance": "Instance",
    "weigh.records.marker": "MarkerSpec",
    "weigh.records.request": "ChatRequest CompletionRequest LoglikelihoodRequest Message Output SamplingParams",
    "weigh.records.score": "Score",
    "weigh.records.trajectory": "Trajectory",
    "weigh.records.trial": "Trial",
    "weigh.records.usage": "Usage",
    "weigh.score.answer": "ExactMatchScorer F1Scorer NumericScorer RegexScorer SubstringScorer",
    "weigh.score.choice": "BitsPerByteScorer ChoiceLetterScorer ChoiceScorer",
    "weigh.score.code": "CodeScorer",
    "weigh.score.instruction": "InstructionScorer",
    "weigh.score.math": "MathScorer",
    "weigh.score.reported": "ReportedScorer",
    "weigh.score.registry": "register_scorer",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'weigh' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
