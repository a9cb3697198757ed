"""`weigh show`: a task's definition, and exactly what a model will be given; or a harness and its tools."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from weigh.cli.flags import UsageError, closest
from weigh.cli.show_harness import show_harness
from weigh.cli.terminal import bold, count, is_colour
from weigh.cli.words import about, many
from weigh.define.prepared import PreparedTask
from weigh.define.registry import default, expand
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, LoglikelihoodRequest, Request
from weigh.records.run import SuiteNode
from weigh.records.trial import request_text
from weigh.score.registry import scorer_by_name

HELP = """Show a task (or a suite): where its questions come from, how they are asked and scored. With --instance or
--rendered also what a model will be given, word for word. `weigh show harness NAME` shows a harness (a preset or a
file): its settings, its tools with their parameters, and what of it works here."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", help="a task with its variants, a suite, or FILE.py[:name]; or the word `harness`")
    parser.add_argument(
        "name", nargs="?", help="after `harness`: a preset (`weigh ls harnesses`) or a .toml or .yaml file"
    )
    parser.add_argument("-o", dest="overrides", action="append", default=[], metavar="KEY=VALUE",
                        help="after `harness`: with this setting changed")  # fmt: skip
    parser.add_argument("--instance", metavar="ID", help="this question (an id, or #N for the Nth); default: the first")
    parser.add_argument("--rendered", action="store_true", help="the request as the model gets it")
    parser.add_argument("--tokens", action="store_true", help="how long prompts are (tokens estimated: characters / 4)")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    if args.task == "harness":
        return show_harness(args.name or "default", args.overrides, as_json=args.json)
    if args.name:
        raise UsageError(f"one task at a time; what is '{args.name}'?")
    suites, tasks = expand([args.task])
    for suite in suites:
        if not args.json:
            print("\n".join(tree(suite, 0)))
    if suites and not (args.instance or args.rendered or args.tokens or args.json):
        return 0
    if args.instance and len(tasks) != 1:
        raise UsageError(f"--instance takes one task, and '{args.task}' stands for {len(tasks)}")
    prepared = [t.prepare(scorer_by_name=scorer_by_name) for t in tasks]
    if args.json:
        print(json.dumps([record(p, args.instance) for p in prepared], indent=1, ensure_ascii=False, default=str))
        return 0
    for number, task in enumerate(prepared):
        if number or suites:
            print()
        print("\n".join(lines(task, args)))
    return 0


def heading(text: str) -> str:
    return bold(text) if is_colour() else text


def indented(text: str) -> str:
    return "\n".join(f"  | {line}".rstrip() for line in text.split("\n"))


def tree(suite: SuiteNode, depth: int) -> Iterator[str]:
    """A suite and its members, indented."""
    yield f"{'  ' * depth}{suite.name}  ({suite.aggregation})"
    for index, member in enumerate(suite.members):
        weight = f"  x {suite.weights[index]:g}" if suite.weights else ""
        if isinstance(member, str):
            yield f"{'  ' * (depth + 1)}{member}{weight}"
        else:
            yield from tree(member, depth + 1)


def choose(task: PreparedTask, wanted: str | None) -> Instance:
    """The instance of an id, or of a position written `#N`."""
    if wanted is None:
        return task.instances[0]
    for instance in task.instances:
        if instance.id == wanted:
            return instance
    if wanted.startswith("#") and wanted[1:].isdecimal() and int(wanted[1:]) < len(task.instances):
        return task.instances[int(wanted[1:])]
    ids = [i.id for i in task.instances[:5000]]
    shown = closest(wanted, ids) or f"; ids look like {', '.join(repr(i) for i in ids[:3])}, and #0 is the first"
    raise UsageError(f"{spec_of(task)} has no instance '{wanted}'{shown}")


def spec_of(task: PreparedTask) -> str:
    return task.task.spec


def record(task: PreparedTask, wanted: str | None) -> dict[str, Any]:
    """Task, instance and request as plain values."""
    instance = choose(task, wanted)
    return {
        "task": msgspec.to_builtins(task.info()),
        "instance": msgspec.to_builtins(instance),
        "request": msgspec.to_builtins(task.render(instance)),
    }


def lines(task: PreparedTask, args: argparse.Namespace) -> Iterator[str]:
    """A task as text."""
    config, info = task.task.config, task.info()
    yield heading(spec_of(task)) + (f"  {about(task.task)}" if about(task.task) else "")
    data = task.definition.get("data_source") or {}
    yield f"  questions  {task.total}" + (f"  from {', '.join(f'{k}={v}' for k, v in data.items())}" if data else "")
    if config.licence or config.source:
        yield f"  licence    {config.licence or 'not stated'}" + (f"  ({config.source})" if config.source else "")
    settings = dict(task.definition.get("formatter") or {})
    name = settings.pop("formatter", None) or settings.pop("name", None) or type(config.formatter).__name__
    yield f"  asked as   {task.capability}, {name}" + "".join(f", {k}={v!r}" for k, v in settings.items() if v != "")
    if task.fewshot:
        origin = task.definition.get("fewshot_from") or "of the task"
        yield f"  few-shot   {many(len(task.fewshot), 'example')}: {origin}"
    if task.capability != "loglikelihood":
        sampling = msgspec.to_builtins(task.sampling)
        shown = sampling or {"temperature": task.sampling.temperature, "max_tokens": task.sampling.max_tokens}
        yield "  sampling   " + ", ".join(f"{k}={v}" for k, v in shown.items())
    for metric in info.metrics:
        better = "lower is better" if metric.lower_is_better else "higher is better"
        yield f"  metric     {metric.name}  ({metric.scorer}, {metric.reduce} over epochs, {better})"
    variants = default.variant_names(task.name)
    if variants:
        yield f"  variants   {', '.join(variants)}"
    yield f"  digest     {info.digest}"
    if task.needs_sandbox:
        yield "  needs      a sandbox (weigh doctor says which work here)"
    for warning in task.warnings:
        yield f"  warning    {warning}"
    if args.tokens:
        yield lengths(task)
    instance = choose(task, args.instance)
    if args.instance or args.rendered:
        yield from instance_lines(instance)
    if args.rendered:
        yield from request_lines(task.render(instance))


def lengths(task: PreparedTask) -> str:
    """How long the prompts of all questions are."""
    sizes = sorted(characters(task.render(i)) for i in task.instances)
    middle, longest, total = sizes[len(sizes) // 2], sizes[-1], sum(sizes)
    return (
        f"  prompts    median {count(middle / 4)} tokens, longest {count(longest / 4)}, "
        f"all {count(total / 4)} (characters / 4)"
    )


def characters(request: Request) -> int:
    """The length of what a model is given."""
    extra = sum(map(len, request.continuations)) if isinstance(request, LoglikelihoodRequest) else 0
    return len(request_text(request)) + extra


def instance_lines(instance: Instance) -> Iterator[str]:
    """A question as it is in the data."""
    yield heading(f"instance {instance.id}") + (f"  cluster {instance.cluster}" if instance.cluster else "")
    if instance.question:
        yield indented(instance.question)
    for index, choice in enumerate(instance.choices):
        mark = "*" if index == instance.gold_answer else " "
        yield f"  {mark} {index}: {choice}"
    if instance.gold_answer is not None and not instance.choices:
        yield f"  target   {instance.gold_answer!r}"
    for name, value in instance.inputs.items():
        yield f"  input    {name} = {str(value)[:200]!r}"
    if instance.metadata:
        yield f"  metadata {instance.metadata}"


def request_lines(request: Request) -> Iterator[str]:
    """A request, word for word; a bar marks where each line begins."""
    yield heading(f"request ({request.__struct_config__.tag}, about {characters(request) // 4} tokens)")
    if isinstance(request, ChatRequest):
        for message in request.messages:
            yield f"  [{message.role}]"
            yield indented(message.content if isinstance(message.content, str) else json.dumps(message.content))
        for tool in request.tools:
            yield f"  [tool] {tool.name}: {tool.description}"
        return
    yield indented(request_text(request))
    if isinstance(request, LoglikelihoodRequest):
        for index, text in enumerate(request.continuations):
            yield f"  continuation {index}: {text!r}"
        if request.unconditional_context is not None:
            yield f"  also scored after {request.unconditional_context!r} alone"
