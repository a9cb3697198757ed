"""Which questions are not independent of each other, as the data or the user say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from weigh.pipeline.questions import Questions
from weigh.records.errors import DefinitionError
from weigh.store.dataset import Dataset


def cluster_names(
    data: Dataset, found: Questions, at: NDArray[Any], keys: NDArray[Any], rest: Sequence[str], field: str | None
) -> tuple[NDArray[Any] | None, str | None]:
    """What is not independent: a field the user names, the instances' own clusters, or a question that several arms
    of a side answered."""
    if field is None and found.clusters is None and not rest:
        return None, None
    digests = np.array([k.split("|")[0] for k in keys], dtype=object)
    if field is not None:
        values = metadata(data, field)
        if not any(d.split("#")[0] in values for d in digests):
            raise DefinitionError(f"--cluster {field}: no question has this metadata field")
        return np.array([values.get(d.split("#")[0], d) for d in digests], dtype=object), f"metadata {field}"
    if found.clusters is not None:
        own = found.clusters[at]
        return np.array(
            [c if c is not None else d for c, d in zip(own, digests, strict=True)], dtype=object
        ), "the data"
    if rest and np.unique(digests.astype(str)).size < digests.size:
        return digests, "questions that several arms of a side answered"
    return None, None


def metadata(data: Dataset, field: str) -> dict[str, str]:
    """A metadata field of every question that has it, by content digest; `cluster` and `task` are fields too."""
    made: dict[str, str] = data.remember(("metadata", field), lambda: _metadata(data, field))
    return made


def metadata_fields(data: Dataset, task: str) -> list[str]:
    """The names of the metadata fields that questions of a task have; `cluster` where they have clusters."""
    query = (
        "select distinct unnest(json_keys(record, '$.instance.metadata')) as name from trials "
        "where task || case when variant = '' then '' else ':' || variant end = ?"
    )
    names = sorted(str(row["name"]) for row in data.sql(query, [task]))
    return [*names, *(["cluster"] if metadata(data, "cluster") else [])]


def _metadata(data: Dataset, field: str) -> dict[str, str]:
    if field == "cluster":
        query = "select distinct instance_digest, cluster as value from trials where cluster is not null"
        rows = data.sql(query)
    else:
        path = "$.instance.metadata." + msgspec.json.encode(field).decode()
        query = (
            "select distinct instance_digest, json_extract_string(record, ?) as value from trials "
            "where json_extract_string(record, ?) is not null"
        )
        rows = data.sql(query, [path, path])
    return {row["instance_digest"]: row["value"] for row in rows}
