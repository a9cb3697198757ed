"""Two arms' answers to each question, one under the other, with what differs marked.

Marks are colours on a terminal, `[-only A-]` and `{+only B+}` elsewhere. Texts that share little are left unmarked,
since marking everything shows nothing.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence

from weigh.cli.terminal import bold, count, is_colour, seconds, style
from weigh.cli.words import many
from weigh.pipeline.answers import Answer, Question
from weigh.pipeline.compare_rows import plain
from weigh.pipeline.diff import Diff

RED, GREEN, END = style(31), style(32), style(0)
MOST_WORDS = 4_000_000
"""Product of the two lengths beyond which lines are compared instead of words."""
UNLIKE, LONG = 0.3, 40
"""Texts less alike than this are shown without marks when they are longer than so many pieces."""


def diff_text(made: Diff, *, full: bool = False, colour: bool | None = None) -> str:
    """For a terminal. `full` leaves nothing out: whole prompts, every epoch."""
    colour = is_colour() if colour is None else colour
    lines = [*_heading(made)]
    for question in made.questions:
        title = _title(question, made)
        lines += ["", bold(title) if colour else title]
        lines += _question(question, made, full, colour)
    lines += ["", *_footer(made)]
    return "\n".join(lines).rstrip()


def diff_markdown(made: Diff, *, full: bool = False) -> str:
    """The same as Markdown: a heading for each question, texts in fences."""
    lines = [f"- {line}" for line in _heading(made)]
    for question in made.questions:
        lines += ["", f"### {_title(question, made)}", "", "````text"]
        lines += [line.removeprefix("  ") for line in _question(question, made, full, False)]
        lines.append("````")
    footer = _footer(made)
    return "\n".join([*lines, *([""] if footer else []), *footer]).rstrip()


def _heading(made: Diff) -> list[str]:
    size = f"{made.paired} questions: {made.won} won by B, {made.lost} lost, {made.tied} tied"
    if made.changed is not None:
        size += f"; {made.changed} with another output"
    return [f"A  {made.a}", f"B  {made.b}", f"{made.task}, {made.metric.name}: {size}"]


def _footer(made: Diff) -> list[str]:
    lines = list(made.notes)
    left = made.matching - len(made.questions)
    if left > 0:
        lines.append(f"{left} more; --limit 0 shows all {made.matching}")
    return lines


def _title(question: Question, made: Diff) -> str:
    words = {"won": "won: B is better", "lost": "lost: B is worse", "tied": "tied"}
    where = f" ({', '.join(map(str, question.context))})" if question.context else ""
    return f"{question.id}{where}  {words[question.change]}  {plain(question.value_a)} -> {plain(question.value_b)}"


def _question(question: Question, made: Diff, full: bool, colour: bool) -> Iterator[str]:
    yield from _prompts(question, full, colour)
    if not question.choices:
        yield f"  target  {_one_line(question.target)}"
    if max(len(question.a), len(question.b)) > 1:
        for letter, answers in (("A", question.a), ("B", question.b)):
            yield f"  {letter} scores  {' '.join(_value(x) for x in answers)}"
    if question.choices:
        yield from _choices(question)
    for a, b in _epochs(question, full):
        yield from _outputs(a, b, bool(question.choices), colour)


def _prompts(question: Question, full: bool, colour: bool) -> Iterator[str]:
    first = next((x.prompt for x in question.a if x.prompt is not None), None)
    second = next((x.prompt for x in question.b if x.prompt is not None), None)
    if first is None or second is None or first == second:
        yield from _block("prompt", first or second or question.question, full)
        return
    one, other = marked(first, second, colour)
    yield from _block("prompt of A", one, full)
    yield from _block("prompt of B", other, full)


def _block(title: str, text: str, full: bool, most: int = 12) -> Iterator[str]:
    """The end of a prompt, where the question is; few-shot examples stand before it."""
    lines = text.strip("\n").split("\n")
    hidden = 0 if full else max(0, len(lines) - most)
    yield f"  {title}" + (f" (after {many(hidden, 'line')} that --full shows)" if hidden else "")
    yield from (f"  | {line}".rstrip() for line in lines[hidden:])


def _choices(question: Question) -> Iterator[str]:
    """Choices with both arms' log-probabilities; `*` marks the target, `<` what an arm picked."""
    rows = [
        ("*" if c.target else " ", c.text.strip(), _nats(c.logprob_a, c.picked_a), _nats(c.logprob_b, c.picked_b))
        for c in question.choices
    ]
    head = "choices (* target, < picked)"
    size = max(len(head) - 2, min(60, max(len(r[1]) for r in rows)))
    yield f"  {head:<{size + 2}}  {'A nats':>10}    {'B nats':>10}"
    for star, text, a, b in rows:
        short = text if len(text) <= size else text[: size - 3] + "..."
        yield f"  {star} {_one_line(short):<{size}}  {a}  {b}".rstrip()


def _nats(value: float | None, picked: bool) -> str:
    shown = "-" if value is None else f"{value:.2f}"
    return f"{shown:>10}{' <' if picked else '  '}"


def _epochs(question: Question, full: bool) -> list[tuple[Answer | None, Answer | None]]:
    """Pairs of epochs to show: all, or the first on which the scores differ (else the outputs)."""
    size = max(len(question.a), len(question.b))
    at = [
        (question.a[i] if i < len(question.a) else None, question.b[i] if i < len(question.b) else None)
        for i in range(size)
    ]
    if full or size <= 1:
        return at
    both = [(a, b) for a, b in at if a is not None and b is not None]
    chosen = next((p for p in both if p[0].value != p[1].value), None)
    chosen = chosen or next((p for p in both if p[0].text != p[1].text), None)
    return [chosen or at[0]]


def _outputs(a: Answer | None, b: Answer | None, ranked: bool, colour: bool) -> Iterator[str]:
    one, other = marked(_said(a), _said(b), colour)
    same = a is not None and b is not None and not ranked and _said(a) == _said(b)
    for letter, answer, text in (("A", a, one), ("B", b, other)):
        if answer is None:
            yield f"  {letter}  (this epoch was not asked)"
            continue
        yield f"  {letter}  {_facts(answer, ranked)}"
        if ranked and not answer.error:
            continue
        if letter == "B" and same:
            yield "  | (the same output)"
        else:
            yield from (f"  | {line}".rstrip() for line in text.split("\n"))


def _said(answer: Answer | None) -> str:
    if answer is None:
        return ""
    parts = [f"[reasoning] {answer.reasoning.strip()}"] if answer.reasoning else []
    parts += [answer.text.strip("\n")] if answer.text.strip() else []
    parts += [f"-> {call.name}({json.dumps(call.arguments, ensure_ascii=False)})" for call in answer.calls]
    parts += [f"({answer.error})"] if answer.error else []
    return "\n".join(parts) or "(nothing)"


def _facts(answer: Answer, ranked: bool) -> str:
    parts = [f"epoch {answer.epoch}"] if answer.epoch else []
    parts.append(f"score {_value(answer)}")
    if answer.extracted is not None and not ranked and answer.extracted.strip() != answer.text.strip():
        parts.append(f"answer {_one_line(answer.extracted)!r}")
    if answer.explanation:
        parts.append(_one_line(answer.explanation))
    if answer.status != "ok":
        parts.append(answer.status)
    if answer.turns is not None and answer.turns > 1:
        parts.append(f"{many(answer.turns, 'turn')}, {many(answer.tool_calls or 0, 'tool call')}")
    if answer.tokens:
        parts.append(f"{count(answer.tokens)} tokens")
    if answer.seconds is not None:
        parts.append(seconds(answer.seconds))
    return f"{', '.join(parts)}  (weigh trial {answer.trial})"


def _value(answer: Answer) -> str:
    return "failed" if answer.value is None else plain(answer.value)


def _one_line(text: str | None, most: int = 200) -> str:
    if text is None:
        return "(none)"
    short = " ".join(text.split())
    return short if len(short) <= most else short[:most] + " ..."


def marked(a: str, b: str, colour: bool) -> tuple[str, str]:
    """Both texts with what only one of them has marked, word by word."""
    if a == b:
        return a, b
    one, other = _pieces(a), _pieces(b)
    if len(one) * len(other) > MOST_WORDS:
        one, other = a.splitlines(keepends=True), b.splitlines(keepends=True)
    if len(one) * len(other) > MOST_WORDS:
        return a, b
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    alike = matcher.ratio()
    if alike == 0 or (alike < UNLIKE and len(one) + len(other) > LONG):
        return a, b
    first, second = [], []
    for kind, i, j, k, l in matcher.get_opcodes():  # noqa: E741
        if kind == "equal":
            first += one[i:j]
            second += other[k:l]
            continue
        first += _mark(one[i:j], RED if colour else "[-", END if colour else "-]")
        second += _mark(other[k:l], GREEN if colour else "{+", END if colour else "+}")
    return "".join(first), "".join(second)


def _pieces(text: str) -> list[str]:
    """Words, spaces and single signs, which together are the text."""
    return re.findall(r"\w+|\s+|[^\w\s]", text)


def _mark(pieces: Sequence[str], begin: str, end: str) -> list[str]:
    """Marks around a stretch, line by line, so that each line of the output stands for itself."""
    text = "".join(pieces)
    return ["\n".join(f"{begin}{part}{end}" if part else "" for part in text.split("\n"))] if text else []
