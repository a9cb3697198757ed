"""reasoning-gym's own generators and scorers, in their own environment: procedurally made puzzles of a hundred kinds.

`reasoning_gym` takes the kinds it has from `KINDS`; `ReasoningGym` with other `kinds` makes another task of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from weigh import AccuracyMetric, Instance, ReportedScorer, SandboxedExternalEval, register

KINDS = ("chain_sum", "leg_counting", "letter_counting", "number_sorting", "simple_equations", "spell_backward")


class ReasoningGym(SandboxedExternalEval):
    """Question i of a kind is entry i of its seeded data set, whatever the limit.

    Attributes:
        kinds: Names of reasoning-gym's data sets.
        each: Questions of a kind.
        seed: Of the data sets.
    """

    kinds: ClassVar[tuple[str, ...]] = KINDS
    each: ClassVar[int] = 20
    seed: ClassVar[int] = 42
    packages = ("reasoning-gym==0.1.25",)
    files = (str(Path(__file__).parent / "external_files" / "reasoning_gym_program.py"),)
    program = ("{python}", "reasoning_gym_program.py", "{questions}", "{out}")
    metrics = (AccuracyMetric(ReportedScorer(name="score")),)

    @property
    def instances(self) -> Iterator[Instance]:
        for index in range(self.each):  # one of each kind in turn, so that a limit keeps the mixture
            for kind in self.kinds:
                place = {"dataset": kind, "seed": self.seed, "index": index}
                yield Instance(
                    id=f"{kind}-{index}",
                    question=f"{kind} {index} of seed {self.seed}",
                    inputs=place,
                    metadata={"kind": kind},
                )


@register("reasoning_gym")
class ReasoningGymMix(ReasoningGym):
    """Six kinds, from what a small model can do to what it cannot."""

    description = "Six kinds of reasoning-gym's generated puzzles (120), scored by reasoning-gym"
    licence = "Apache-2.0"
    source = "reasoning-gym, the published package"
