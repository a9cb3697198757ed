"""Instructions: small requests whose following can be checked by a program; the wording is our own.

Each asks for one thing with one verifiable property: a word to use, a sign to end with, a number of words, a form. Made
here, in a fixed order, of a few patterns and topics.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weigh import (
    AccuracyMetric,
    ChatFormatter,
    CompletionFormatter,
    Instance,
    SamplingParams,
    Task,
    register,
    register_variant,
)

Constraint = dict[str, Any]

WORDS = (
    ("the moon", "silver"), ("a dog", "garden"), ("winter", "snow"), ("a teacher", "book"), ("the city", "train"),
    ("a river", "boat"), ("the sun", "gold"), ("breakfast", "egg"), ("a farm", "horse"), ("the night", "star"),
    ("a birthday", "cake"), ("the kitchen", "knife"), ("a king", "crown"), ("autumn", "leaf"), ("a doctor", "health"),
)  # fmt: skip
TOPICS = (
    "rain", "music", "football", "bread", "the forest", "money", "the sea", "a friend", "sleep", "the weather", "tea",
    "a bird", "the mountains", "school", "a car",
)  # fmt: skip
OPENINGS = (
    ("bread", "Every"), ("school", "When"), ("summer", "In"), ("a cat", "My"), ("a farmer", "The"), ("a friend", "Our"),
    ("the sea", "From"), ("sleep", "After"), ("a train", "This"), ("music", "Some"), ("rain", "If"), ("tea", "With"),
    ("money", "People"), ("a garden", "Under"), ("the night", "Before"),
)  # fmt: skip
CAPITALS = (
    "river", "orange", "music", "green", "house", "window", "paper", "sugar", "dream", "cloud", "planet", "yellow",
    "market", "bridge", "winter",
)  # fmt: skip
LISTS = (
    (3, "fruits"), (4, "animals"), (3, "countries"), (2, "colours"), (5, "foods"), (3, "cities"), (2, "rivers"),
    (4, "vegetables"), (3, "sports"), (5, "colours"), (2, "metals"), (4, "drinks"), (3, "birds"), (2, "planets"),
    (4, "clothes"),
)  # fmt: skip


def questions() -> Iterator[tuple[str, str, list[Constraint]]]:
    """Yield (pattern, request, constraints)."""
    for topic, word in WORDS:
        wanted = {"kind": "include", "texts": word}
        yield "include", f'Write one sentence about {topic} that contains the word "{word}".', [wanted]
    for topic in TOPICS:
        yield "exclaim", f"Write a sentence about {topic} that ends with an exclamation mark.", [_ends("!")]
        yield "ask", f"Write a question about {topic} that ends with a question mark.", [_ends("?")]
        short = [{"kind": "words", "min": 2, "max": 8}]
        yield "short", f"Write a sentence about {topic} of at most eight words.", short
    for topic, word in OPENINGS:
        starts = {"kind": "regex", "pattern": rf"^{word}\b"}
        yield "open", f'Write a sentence about {topic} that begins with the word "{word}".', [starts]
    for word in CAPITALS:
        exact = {"kind": "regex", "pattern": f"^{word.upper()}\\.?$"}
        yield "capitals", f'Write the word "{word}" in capital letters.', [exact]
    for number, things in LISTS:
        one = r"[a-z][a-z ]*"
        listed = {"kind": "regex", "pattern": f"^{one}(, {one}){{{number - 1}}}\\.?$"}
        yield "list", f"Name {NUMBERS[number]} {things} in lower case, separated by commas.", [listed]


NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}
EXAMPLES = (
    (
        'Write one sentence about the sea that contains the word "boat".',
        "The little boat rocked on the waves all night.",
    ),
    ("Name three tools in lower case, separated by commas.", "hammer, saw, drill"),
    ("Write a sentence about cats that ends with an exclamation mark.", "Cats love to sleep in the sun!"),
    ('Write the word "stone" in capital letters.', "STONE"),
    ("Write a sentence about horses of at most eight words.", "Horses run fast in open fields."),
)


@register("instructions")
class Instructions(Task):
    """Five examples, then the request, as plain text; `instructions:chat` asks a chat model without examples."""

    formatter = CompletionFormatter(question_prefix="Instruction: ", answer_prefix="\nResponse:")
    sampling_params = SamplingParams(temperature=0.0, max_tokens=40, stop=("\n",))
    metrics = (AccuracyMetric("instruction"),)
    num_fewshot = len(EXAMPLES)
    fewshot_examples = tuple(Instance(question=question, gold_answer=answer) for question, answer in EXAMPLES)
    description = "Requests whose following a program can check (105)"
    licence = "Apache-2.0"
    source = "written for weigh"

    @property
    def instances(self) -> Iterator[Instance]:
        for index, (pattern, question, constraints) in enumerate(questions()):
            yield Instance(
                id=f"{pattern}-{index}",
                question=question,
                inputs={"constraints": constraints},
                metadata={"pattern": pattern},
            )


register_variant(
    "instructions",
    "chat",
    formatter=ChatFormatter(),
    num_fewshot=0,
    sampling_params=SamplingParams(temperature=0.0, max_tokens=80),
    metrics=("instruction", "instruction:loose"),
)


def _ends(text: str) -> Constraint:
    return {"kind": "ends_with", "text": text}
