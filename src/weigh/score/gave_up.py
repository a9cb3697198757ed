"""Whether a final answer declares the task impossible: the patterns, stated, and where they do not count.

A sentence declares it when it says that *the speaker cannot do it*, that *it cannot be done*, that *the means are
missing*, or that *the speaker gives up*. It does not when it is conditional ("if you cannot ..."), when it speaks of
something that was overcome ("could not at first, but then ..."), when it stands in code or a quotation, or when the
reply offers an answer all the same ("I could not run it, but the label is POSITIVE"): a wrong answer is not giving up.

The patterns are English. Whoever expects another language, or an agent's own formula, adds a pattern of their own: the
marker `gave-up` in a profile or a task.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from weigh.records.request import ChatRequest
from weigh.records.trajectory import Trajectory
from weigh.score.actions import final_answer

_ADVERB = r"(?: (?:still|therefore|also|currently|directly|actually|really|simply|unfortunately|just|then))*"
_I_CANNOT = (
    rf"\b(?:i|we){_ADVERB} (?:can ?not|can't|could not|couldn't|won't be able to|will not be able to|"
    r"(?:do not|don't) know how to|have(?: not|n't) been able to|(?:am|are|was|were|have been)(?: \w+ly)? "
    rf"(?:unable|not able) to){_ADVERB}"
    rf"|\b(?:i'm|we're|i've been|we've been)(?: \w+ly)? (?:unable|not able) to{_ADVERB}"
)
_DO = (
    r"(?:do|complete|perform|solve|finish|accomplish|fulfil\w*|carry out|proceed|continue|help|assist|answer|execute|"
    r"run|use|access|classify|determine|provide|produce|generate|get|give|find|compute|calculate|load|install|read|"
    r"open|process|transcribe|analy[sz]e|make|create|invoke|call|retrieve|obtain|download)"
)
_TASK = r"(?:this|that|it|the (?:task|request|problem|question|operation|job)|your (?:task|request|question))"
_IMPOSSIBLE = r"(?:\w+ )?(?:impossible|not possible|not feasible|infeasible)"

DECLARATIONS: tuple[str, ...] = (
    rf"(?:{_I_CANNOT}) {_DO}\b",
    rf"\b{_TASK} (?:can ?not|can't|could not|couldn't) be (?:\w+ly )?(?:done|completed|performed|solved|accomplished|"
    r"carried out|executed|answered|fulfilled|achieved|finished|determined)\b",
    rf"\b{_TASK} (?:is|was|seems|appears)(?: to be)? {_IMPOSSIBLE}\b(?! for)",
    rf"\b(?:it is|it's|it was) {_IMPOSSIBLE} (?:for me )?to {_DO}\b",
    r"\bthere (?:is|'s|was) no (?:way|means) (?:for me )?to\b",
    r"\bi (?:do not|don't|did not|didn't)(?: \w+ly)? have (?:\w+ )?(?:\w+ )?(?:access|abilit(?:y|ies)|capabilit\w+|"
    r"tools?|means|permissions?|way|resources)\b",
    r"\b(?:none|neither) of (?:the|my) (?:\w+ )?(?:tools?|functions?)\b",
    r"\bi(?:'m| am| have to| must| will|'ll)? (?:give|giving|gave) up\b",
)
"""Regular expressions, case ignored, held against one sentence at a time."""

_HEDGES = re.compile(
    r"\b(?:if|unless|whether|in case|when(?:ever)?|should) (?:you|one|we|they|users?|it|i|the|this|that|there)\b"
    r"|\b(?:at first|initially|earlier|previously|before that|in the first attempt)\b"
    r"|\b(?:but|so|then|instead|however|until),? (?:then |instead |i )*(?:i )?(?:fixed|solved|used|found|managed|"
    r"switched|wrote|ran|did|was able|succeeded|got|installed|worked around|computed|calculated)\b",
    re.IGNORECASE,
)
_OFFERS = re.compile(
    r"\b(?:final |correct |predicted |likely |expected )*(?:answer|result|label|output|prediction|class|total|sum|"
    r"value)(?:\s+(?:is|was|would be|should be|will be)\b|\s*[:=])\s*[^\s.?!]|\\boxed\{",
    re.IGNORECASE,
)
_NOT_OFFERED = re.compile(
    r"\b(?:is|was|would be|[:=])\s*(?:not|unknown|unavailable|n/?a|none|undetermined|missing)\b", re.IGNORECASE
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|\"[^\"\n]{0,300}\"|“[^”\n]{0,300}”|^>.*$", re.DOTALL | re.MULTILINE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_PATTERNS = tuple(re.compile(p, re.IGNORECASE) for p in DECLARATIONS)


def declares_impossible(text: str, own: Sequence[re.Pattern[str]] = ()) -> str | None:
    """The sentence in which a final answer declares the task impossible; None where it does not.

    Args:
        own: Further patterns, of which one in a sentence suffices, whatever else it says.
    """
    plain = _CODE.sub(" … ", text.replace("’", "'").replace("**", ""))
    declared: str | None = None
    for sentence in _SENTENCE.split(plain):
        if _OFFERS.search(sentence) and not _NOT_OFFERED.search(sentence):
            return None
        if declared is None and (
            any(p.search(sentence) for p in own)
            or (not _HEDGES.search(sentence) and any(p.search(sentence) for p in _PATTERNS))
        ):
            declared = sentence.strip()
    return declared


def gave_up(trajectory: Trajectory, own: Sequence[re.Pattern[str]] = ()) -> str | None:
    """The sentence in which a trial's final answer declares the task impossible, or the agent's own word for it."""
    said = declares_impossible(final_answer(trajectory), own)
    if said is None and trajectory.stop_reason == "gave-up":
        return "the agent said that it gave up"
    return said


def is_agents(trajectory: Trajectory) -> bool:
    """Whether a trial is an agent's: there were tools, or calls were made."""
    request = trajectory.request
    offered = isinstance(request, ChatRequest) and bool(request.tools)
    return offered or "agent" in trajectory.metadata or any(step.tool_calls for step in trajectory.steps)
