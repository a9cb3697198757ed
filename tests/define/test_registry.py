"""Names, variants, overrides, suites, globs and files: from what one types to tasks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from weigh.define.data import DataSource
from weigh.define.formatters import ChatFormatter, CompletionFormatter, MultipleChoiceFormatter, RankedFormatter
from weigh.define.metrics import AccuracyMetric
from weigh.define.registry import Registry, default
from weigh.define.suite import Suite
from weigh.define.task import Task
from weigh.records.errors import DataError, DefinitionError
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, CompletionRequest, LoglikelihoodRequest, Request


class Capitals(Task):
    data_source = DataSource("nowhere.jsonl")
    metrics = (AccuracyMetric("exact_match"),)

    @property
    def instances(self) -> Iterator[Instance]:
        for country, gold in (("France", 1), ("Peru", 0), ("Japan", 2)):
            yield Instance(question=f"{country}?", gold_answer=gold, choices=("Lima", "Paris", "Tokyo"))


class MoreCapitals(Capitals):
    num_fewshot = 1


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.add_task("capitals", Capitals)
    registry.add_task("more_capitals", MoreCapitals)
    registry.add_task("other", type("Other", (Capitals,), {}))
    return registry


def first(registry: Registry, spec: str) -> Request:
    prepared = registry.resolve(spec).prepare()
    return prepared.render(prepared.instances[0])


def test_variants_are_applied_from_left_to_right(registry: Registry) -> None:
    assert registry.resolve("capitals:2shot:1shot").config.num_fewshot == 1
    assert registry.resolve("capitals:1shot:2shot").config.num_fewshot == 2
    assert registry.resolve("more_capitals:zero").config.num_fewshot == 0
    task = registry.resolve("capitals:mc:1shot::fewshot_seed=3,limit=2")
    assert (task.name, task.variant) == ("capitals", "mc:1shot::fewshot_seed=3,limit=2")
    assert task.spec == "capitals:mc:1shot::fewshot_seed=3,limit=2"
    assert registry.resolve("capitals::limit=2").spec == "capitals::limit=2"


def test_the_forms_of_a_question(registry: Registry) -> None:
    mc = first(registry, "capitals:mc")
    assert mc == LoglikelihoodRequest(
        context="Question: France?\n A. Lima\n B. Paris\n C. Tokyo\nAnswer:", continuations=(" A", " B", " C")
    )
    rc = first(registry, "capitals:rc")
    assert rc == LoglikelihoodRequest(context="Question: France?\nAnswer:", continuations=(" Lima", " Paris", " Tokyo"))
    assert isinstance(pmi := first(registry, "capitals:rc:unconditional"), LoglikelihoodRequest)
    assert pmi.unconditional_context == "Answer:"
    assert isinstance(bpb := first(registry, "capitals:bpb"), LoglikelihoodRequest) and bpb.continuations == (" Paris",)
    assert isinstance(text := first(registry, "capitals:completion"), CompletionRequest)
    assert text.prompt.endswith("C. Tokyo\nAnswer:") and text.sampling.stop == ("\nQuestion:",)
    assert isinstance(chat := first(registry, "capitals:mc:chat"), ChatRequest)
    assert "A. Lima" in str(chat.messages[-1].content) and "letter" in str(chat.messages[-1].content)
    one = first(registry, "capitals:mc:1shot")
    assert isinstance(one, LoglikelihoodRequest) and one.context.count("Question:") == 2


def test_the_metrics_follow_the_form(registry: Registry) -> None:
    def names(spec: str) -> list[str]:
        return [m.info().name for m in registry.resolve(spec).config.metrics]

    assert names("capitals:mc") == ["choice"]
    assert names("capitals:rc") == ["choice:character", "choice", "choice:token", "choice:byte"]
    assert names("capitals:rc:unconditional")[0] == "choice:unconditional"
    assert names("capitals:bpb") == ["bits_per_byte"]
    assert names("capitals:mc:chat") == names("capitals:chat:mc:chat") == ["choice_letter"]
    assert names("capitals:chat") == ["exact_match"]


def test_a_new_form_keeps_the_prefixes_of_the_old() -> None:
    registry = Registry()
    registry.add_task("goals", type("Goals", (Capitals,), {"formatter": CompletionFormatter(question_prefix="Goal: ")}))
    assert registry.resolve("goals:rc").config.formatter == RankedFormatter(question_prefix="Goal: ")
    assert registry.resolve("goals:mc").config.formatter == MultipleChoiceFormatter(question_prefix="Goal: ")


def test_a_task_without_choices_refuses_multiple_choice() -> None:
    class Open(Capitals):
        @property
        def instances(self) -> Iterator[Instance]:
            yield Instance(question="Why?", gold_answer="Because.", id="why")

    registry = Registry()
    registry.add_task("open", Open)
    for form in ("mc", "rc", "mc:chat"):
        with pytest.raises(
            DefinitionError, match=r"task 'open:.*needs questions with 2 to 26 choices; instance 'why' has 0"
        ):
            registry.resolve(f"open:{form}").prepare()


def test_a_gold_answer_that_is_no_choice_is_an_error_before_anything_runs() -> None:
    class Wrong(Capitals):
        @property
        def instances(self) -> Iterator[Instance]:
            yield Instance(question="x", gold_answer="Rome", choices=("a", "b"), id="w")

    registry = Registry()
    registry.add_task("wrong", Wrong)
    with pytest.raises(DataError, match="instance 'w': gold answer 'Rome' is neither the index"):
        registry.resolve("wrong:rc").prepare()


def test_registered_variants_come_first_and_are_inherited(registry: Registry) -> None:
    registry.add_variant("capitals", "hot", {"sampling_params.temperature": 1.0})
    registry.add_variant("capitals", "mc", {"num_fewshot": 2})
    registry.add_variant("more_capitals", "hot", {"sampling_params.temperature": 0.5})
    registry.add_variant("*", "brief", {"instruction": "Be brief."})
    assert registry.resolve("capitals:hot").config.sampling_params.temperature == 1.0
    assert registry.resolve("other:hot").config.sampling_params.temperature == 1.0
    assert registry.resolve("more_capitals:hot").config.sampling_params.temperature == 0.5
    assert isinstance(registry.resolve("capitals:mc").config.formatter, ChatFormatter)
    assert registry.resolve("other:brief:mc").config.instruction == "Be brief."
    assert registry.variant_names("more_capitals") == ["hot", "mc", "brief"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("capitels", "unknown task 'capitels'; did you mean 'capitals'"),
        ("capitals:3shoot", "task 'capitals': unknown variant '3shoot'; did you mean '3shot'"),
        ("capitals::num_fewshots=2", "unknown key 'num_fewshots'; did you mean 'num_fewshot'"),
        ("capitals::temperature=1", "unknown key 'temperature'; did you mean 'sampling_params.temperature'"),
        ("capitals::num_fewshot=many", "num_fewshot: expected int, got 'many'"),
        ("capitals::num_fewshot=-1", "num_fewshot: expected 0 or more, got -1"),
        ("capitals::sampling_params.temperature=hot", r"sampling_params\.temperature: expected float, got 'hot'"),
        ("capitals::formatter=caht", "unknown formatter 'caht'; did you mean 'chat'"),
        ("capitals::name=x", "'name' of a task cannot be changed"),
        ("capitals::limit", "'limit' after '::' is not key=value"),
        ("capitals::", "is not key=value"),
        ("capitals:", "an empty name"),
        ("x*", "no task matches 'x\\*'; known: capitals"),
        ("capitals:bpb:chat", "variant 'chat' after 'bpb'"),
        ("capitals:unconditional", "'unconditional' comes after 'rc'"),
    ],
)
def test_mistakes_are_told_with_the_closest_name(registry: Registry, spec: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        registry.expand([spec])


def test_overrides_reach_every_field(registry: Registry) -> None:
    spec = 'capitals::sampling_params.stop=["a","b"],data_source.path=x.jsonl,formatter=completion,metrics=f1'
    config = registry.resolve(spec).config
    assert config.sampling_params.stop == ("a", "b") and config.data_source == DataSource("x.jsonl")
    assert config.formatter == CompletionFormatter() and config.metrics == (AccuracyMetric("f1"),)
    assert registry.resolve("capitals::fewshot_source.path=y.jsonl").config.fewshot_source == DataSource("y.jsonl")
    assert registry.resolve("capitals::formatter.system=Hi").config.formatter == ChatFormatter(system="Hi")
    assert registry.resolve("capitals::instruction=12").config.instruction == "12"


def test_expand_takes_lists_and_globs_and_names_a_task_once(registry: Registry) -> None:
    suites, tasks = registry.expand(["*capitals:1shot,other::limit=2,num_fewshot=1", "capitals:1shot"])
    assert suites == []
    assert [t.spec for t in tasks] == ["capitals:1shot", "more_capitals:1shot", "other::limit=2,num_fewshot=1"]


def test_suites_resolve_when_they_run_and_nest(registry: Registry) -> None:
    registry.add_suite(Suite("all", ("early:mc", "inner", Suite("own", ("other",))), aggregation="mean_of_suites"))
    registry.add_suite(Suite("inner", ("capitals:rc", "more_*"), aggregation="pooled"))
    with pytest.raises(DefinitionError, match="suite 'all' has members that do not exist: 'early'"):
        registry.expand(["all"])
    (node,), tasks = registry.expand(["all"], allow_missing=True)
    assert node.members[0] == "early:mc" and "early" not in {t.name for t in tasks}
    registry.add_task("early", Capitals)
    (node,), tasks = registry.expand(["all"])
    assert [t.spec for t in tasks] == ["early:mc", "capitals:rc", "more_capitals", "other"]
    inner, own = node.members[1:]
    assert (
        not isinstance(inner, str)
        and inner.aggregation == "pooled"
        and inner.members == ("capitals:rc", "more_capitals")
    )
    assert not isinstance(own, str) and own.members == ("other",)


def test_variants_of_a_suite_go_to_its_members(registry: Registry) -> None:
    registry.add_suite(Suite("both", ("capitals:mc", "other")))
    (node,), tasks = registry.expand(["both:1shot::limit=2"])
    assert [t.spec for t in tasks] == ["capitals:mc:1shot::limit=2", "other:1shot::limit=2"] == list(node.members)
    assert node.name == "both:1shot::limit=2"
    assert registry.expand(["both::limit=2"])[0][0].name == "both::limit=2"


def test_all_missing_members_are_named_at_once(registry: Registry) -> None:
    registry.add_suite(Suite("gone", ("sciq:mc", "capital", "capitals")))
    with pytest.raises(
        DefinitionError, match=r"'gone' has members that do not exist: 'sciq', 'capital'; did you mean 'capitals'"
    ):
        registry.expand(["gone"])


def test_suites_are_checked(registry: Registry) -> None:
    registry.add_suite(Suite("a", ("b",)))
    registry.add_suite(Suite("b", ("a",)))
    with pytest.raises(DefinitionError, match="contains itself: a > b > a"):
        registry.expand(["a"])
    with pytest.raises(DefinitionError, match="has no tasks"):
        Suite("x", ())
    with pytest.raises(DefinitionError, match="one positive weight a member"):
        Suite("x", ("a", "b"), aggregation="weighted", weights=(1.0,))
    with pytest.raises(DefinitionError, match="aggregation 'median' is none of"):
        Suite("x", ("a",), aggregation="median")  # type: ignore[arg-type]
    registry.add_suite(Suite("w", ("*capitals",), aggregation="weighted", weights=(1.0,)))
    with pytest.raises(DefinitionError, match="stands for 2 tasks and has one weight"):
        registry.expand(["w"])


def test_registering_is_checked_at_once(registry: Registry) -> None:
    with pytest.raises(DefinitionError, match="expected a subclass of Task"):
        registry.add_task("x", int)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="num_fewshot: expected int"):
        registry.add_task("x", type("X", (Capitals,), {"num_fewshot": "three"}))
    with pytest.raises(DefinitionError, match="neither a metric nor a scorer"):
        registry.add_task("x", type("X", (Capitals,), {"metrics": (3,)}))
    with pytest.raises(DefinitionError, match="cannot be a name"):
        registry.add_task("a:b", Capitals)
    with pytest.raises(DefinitionError, match="unknown key 'num_shots'"):
        registry.add_variant("capitals", "x", {"num_shots": 3})
    with pytest.raises(DefinitionError, match="num_fewshot: expected int, got 'x'"):
        registry.add_variant("not_yet_there", "x", {"num_fewshot": "x"})
    with pytest.raises(DefinitionError, match="already registered by a suite"):
        registry.add_suite(Suite("taken", ("capitals",)))
        registry.add_task("taken", Capitals)


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    return file


BENCH = """
from weigh import AccuracyMetric, Instance, Suite, Task, register
from helper_{tag} import ANSWER

@register("filetask_{tag}")
class FromFile(Task):
    metrics = (AccuracyMetric("exact_match"),)
    @property
    def instances(self):
        yield Instance(question="q", gold_answer=ANSWER)

register(Suite("filesuite_{tag}", ("filetask_{tag}:completion",)))
"""


def test_a_file_of_ones_own_with_a_module_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "helper_one.py", "ANSWER = 42\n")
    file = write(tmp_path, "bench.py", BENCH.format(tag="one"))
    suites, tasks = default.expand([f"{file}:filetask_one:completion"])
    assert suites == [] and [t.spec for t in tasks] == ["filetask_one:completion"]
    assert tasks[0].file() == file and tasks[0].prepare().instances[0].gold_answer == 42
    (suite,), tasks = default.expand([str(file)])
    assert suite.name == "filesuite_one" and [t.spec for t in tasks] == ["filetask_one:completion"]
    with pytest.raises(
        DefinitionError, match=r"bench\.py registers no task 'filetask_on'; did you mean 'filetask_one'"
    ):
        default.expand([f"{file}:filetask_on"])


def test_an_edited_file_is_imported_again(tmp_path: Path) -> None:
    write(tmp_path, "helper_three.py", "ANSWER = 1\n")
    text = BENCH.format(tag="three")
    file = write(tmp_path, "bench.py", text)
    spec = f"{file}:filetask_three"
    assert default.resolve(spec).prepare().instances[0].question == "q"
    file.write_text(text.replace('question="q"', 'question="r"'))
    assert default.resolve(spec).prepare().instances[0].question == "r"


def test_a_name_that_is_taken_is_refused_with_both_places(tmp_path: Path) -> None:
    write(tmp_path, "helper_two.py", "ANSWER = 1\n")
    default.expand([str(write(tmp_path, "a.py", BENCH.format(tag="two")))])
    with pytest.raises(DefinitionError, match=r"b\.py:5: task 'filetask_two' .* already registered by .*a\.py"):
        default.expand([str(write(tmp_path, "b.py", BENCH.format(tag="two")))])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ndef broken(:\n", r"bench\.py:2: invalid syntax"),
        ("import nothing_of_that_name\n", r"bench\.py:1: ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("x = 1\n\nx.y\n", r"bench\.py:3: AttributeError"),
        ("from weigh import DataSorce\n", r"bench\.py:1: ImportError: cannot import name 'DataSorce'"),
        ("import sys\nsys.exit(3)\n", r"bench\.py:2: SystemExit"),
        ("x = 1\n", "registers no task; decorate its class"),
    ],
)
def test_a_file_that_is_broken_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path, "bench.py", text)
    with pytest.raises(DefinitionError, match=message) as raised:
        default.expand([str(file)])
    assert "\n" not in str(raised.value)
    if text.strip() != "x = 1":
        file.write_text(text)  # a second try says the same, instead of finding half a module
        with pytest.raises(DefinitionError, match=message):
            default.expand([str(file)])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, "bench.py", "x = 1\n")
    with pytest.raises(DefinitionError, match=r"bensh\.py does not exist; did you mean 'bench\.py'"):
        default.expand([str(tmp_path / "bensh.py")])


def test_a_catalog_is_imported_when_a_name_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "catalog_of_test"
    package.mkdir()
    write(package, "__init__.py", "")
    write(package, "_private.py", "raise RuntimeError")
    write(package, "one.py", "from weigh.define.registry import register\nfrom weigh import Task\n"
          "@register('from_catalog')\nclass X(Task): pass\n")  # fmt: skip
    monkeypatch.syspath_prepend(str(tmp_path))
    default.add_catalog("catalog_of_test")
    assert "from_catalog" in default.task_names()
