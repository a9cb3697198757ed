"""MMLU: 57 subjects from school to profession (Hendrycks et al. 2021, arXiv 2009.03300), and the suite of them."""

from __future__ import annotations

from typing import Any

from weigh import AccuracyMetric, DataSource, Instance, MultipleChoiceFormatter, Suite, register
from weigh.benchmarks._choice import ChoiceTask

SUBJECTS = [
    "abstract_algebra",
    "anatomy",
    "astronomy",
    "business_ethics",
    "clinical_knowledge",
    "college_biology",
    "college_chemistry",
    "college_computer_science",
    "college_mathematics",
    "college_medicine",
    "college_physics",
    "computer_security",
    "conceptual_physics",
    "econometrics",
    "electrical_engineering",
    "elementary_mathematics",
    "formal_logic",
    "global_facts",
    "high_school_biology",
    "high_school_chemistry",
    "high_school_computer_science",
    "high_school_european_history",
    "high_school_geography",
    "high_school_government_and_politics",
    "high_school_macroeconomics",
    "high_school_mathematics",
    "high_school_microeconomics",
    "high_school_physics",
    "high_school_psychology",
    "high_school_statistics",
    "high_school_us_history",
    "high_school_world_history",
    "human_aging",
    "human_sexuality",
    "international_law",
    "jurisprudence",
    "logical_fallacies",
    "machine_learning",
    "management",
    "marketing",
    "medical_genetics",
    "miscellaneous",
    "moral_disputes",
    "moral_scenarios",
    "nutrition",
    "philosophy",
    "prehistory",
    "professional_accounting",
    "professional_law",
    "professional_medicine",
    "professional_psychology",
    "public_relations",
    "security_studies",
    "sociology",
    "us_foreign_policy",
    "virology",
    "world_religions",
]


class Mmlu(ChoiceTask):
    """Four choices; letters in the prompt (`mc`) and five examples of the subject's `dev` split by default."""

    formatter = MultipleChoiceFormatter(choice_prefix="")
    metrics = (AccuracyMetric("choice"),)
    num_fewshot = 5
    fewshot_split = "dev"
    licence = "MIT"
    source = "https://huggingface.co/datasets/cais/mmlu"

    def instance(self, row: Any, index: int) -> Instance | None:
        choices = row.get("choices") or [row[f"choice{i}"] for i in range(4)]
        return Instance(question=row["question"], choices=tuple(choices), gold_answer=int(row["answer"]))


for _subject in SUBJECTS:
    _words = _subject.replace("_", " ")
    register(
        f"mmlu_{_subject}",
        data_source=DataSource(path="hf://datasets/cais/mmlu", subset=_subject, split="test"),
        instruction=f"The following are multiple choice questions (with answers) about {_words}.",
        description=f"MMLU: {_words}",
    )(Mmlu)

register(
    Suite(
        name="mmlu",
        tasks=tuple(f"mmlu_{subject}" for subject in SUBJECTS),
        aggregation="mean_of_tasks",
        description="MMLU, 57 subjects (14,042 questions), every subject counting the same",
    )
)
