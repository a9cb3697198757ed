"""From trials to one value a question, the form in which every number and every comparison is made.

A question's epochs are reduced first (their mean, or pass@k), so a repeat is never taken for another question. Failed
trials are left out unless the user says how to count them; what was left out is counted and never forgotten.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from weigh.analyze.estimate import reduce_pass_at_k, reduce_pass_hat_k
from weigh.records.errors import DefinitionError
from weigh.records.run import MetricInfo
from weigh.store.dataset import Values

Errors = Literal["exclude", "zero", "fail"]
"""How failed trials count: in no mean; as the metric's worst value; or as a refusal to give a number."""


class Questions(msgspec.Struct, frozen=True, kw_only=True):
    """One value a question, with the epochs behind it.

    Attributes:
        keys: What pairing goes by: the digest of the content, with `#2` ... where one content comes again. Shape (n,).
        ids: The instances' ids, same order.
        values: Epochs reduced by the metric, same order.
        clusters: The instances' clusters; None when no question has one.
        epochs: How many epochs each value is made of.
        flat: The values of all epochs, question after question; `epochs` cuts it.
        trials: How many trials there were, failed ones included.
        failed: How many of them failed.
        lost: Keys of questions all of whose epochs failed; they are not among `keys`.
    """

    keys: NDArray[Any]
    ids: NDArray[Any]
    values: NDArray[np.float64]
    clusters: NDArray[Any] | None
    epochs: NDArray[np.int64]
    flat: NDArray[np.float64]
    trials: int
    failed: int
    lost: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """How many questions have a value."""
        return int(self.values.size)

    def only(self, keys: Collection[str]) -> Questions:
        """Those of the questions whose keys are given."""
        if not self.n:
            return self
        keep = np.isin(self.keys.astype(str), np.array(sorted(keys), dtype=str))
        return msgspec.structs.replace(
            self,
            keys=self.keys[keep],
            ids=self.ids[keep],
            values=self.values[keep],
            clusters=None if self.clusters is None else self.clusters[keep],
            epochs=self.epochs[keep],
            flat=self.flat[np.repeat(keep, self.epochs)],
        )

    def epoch_lists(self) -> list[list[float]]:
        """The epochs of each question as lists."""
        return [part.tolist() for part in np.split(self.flat, np.cumsum(self.epochs)[:-1])] if self.n else []


NONE = Questions(
    keys=np.zeros(0, dtype=object), ids=np.zeros(0, dtype=object), values=np.zeros(0), clusters=None,
    epochs=np.zeros(0, dtype=np.int64), flat=np.zeros(0), trials=0, failed=0,
)  # fmt: skip
"""No question at all."""


def questions(rows: Values, metric: MetricInfo, errors: Errors = "exclude") -> Questions:
    """Reduce the trials of one arm on one task to one value a question.

    Args:
        rows: Ordered by instance digest, instance id and epoch, as the data set gives them.
        metric: Says how epochs are reduced.
        errors: How failed trials count.

    Raises:
        DefinitionError: `errors="zero"` for a metric without a worst value; `"fail"` when trials failed; more
            epochs needed than there are (pass@k).
    """
    value = np.asarray(rows.value, dtype=np.float64)
    ids = np.asarray(rows.instance_id)
    trials = int(value.size)
    missing = np.isnan(value)
    failed = int(missing.sum())
    if failed and errors == "fail":
        raise DefinitionError(f"{failed} of {trials} trials failed, and --errors fail gives no number then")
    if failed and errors == "zero":
        value = np.where(missing, _worst(metric), value)
        missing = np.zeros(trials, dtype=bool)
    keys, starts = question_keys(rows)
    owner = np.zeros(trials, dtype=np.int64)
    owner[starts[1:]] = 1
    owner = np.cumsum(owner)
    counts = np.bincount(owner[~missing], minlength=starts.size) if trials else np.zeros(0, dtype=np.int64)
    kept = counts > 0
    flat = value[~missing]
    clusters = np.asarray(rows.cluster, dtype=object)[starts] if trials else np.zeros(0, dtype=object)
    has_clusters = bool(np.any(clusters != None))  # noqa: E711 - element by element
    return Questions(
        keys=keys[kept],
        ids=ids[starts][kept] if trials else ids,
        values=_reduce(flat, counts[kept], metric),
        clusters=clusters[kept] if has_clusters else None,
        epochs=counts[kept],
        flat=flat,
        trials=trials,
        failed=failed,
        lost=tuple(keys[~kept].tolist()),
    )


def question_keys(rows: Values) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The key of each question in the order of the trials, and where its trials begin."""
    digests, ids = np.asarray(rows.instance_digest), np.asarray(rows.instance_id)
    starts = _starts(digests, ids)
    return _keys(digests, starts), starts


def _worst(metric: MetricInfo) -> float:
    if metric.bounds is None:
        raise DefinitionError(f"--errors zero: {metric.name} has no worst value; use --errors exclude")
    return metric.bounds[1] if metric.lower_is_better else metric.bounds[0]


def _starts(digests: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.int64]:
    """Where each question begins."""
    if not digests.size:
        return np.zeros(0, dtype=np.int64)
    change = (digests[1:] != digests[:-1]) | (ids[1:] != ids[:-1])
    return np.concatenate(([0], np.flatnonzero(change) + 1))


def _keys(digests: NDArray[Any], starts: NDArray[np.int64]) -> NDArray[Any]:
    """Keys that pair questions of equal content, the k-th with the k-th where a content comes more than once."""
    keys = digests[starts] if starts.size else digests
    doubled = np.flatnonzero(keys[1:] == keys[:-1]) + 1
    if not doubled.size:
        return keys
    keys = keys.astype(object)
    number = 1
    for index in doubled:
        number = number + 1 if keys[index - 1].split("#")[0] == keys[index] and "#" in keys[index - 1] else 2
        keys[index] = f"{keys[index]}#{number}"
    return keys


def _reduce(flat: NDArray[np.float64], counts: NDArray[np.int64], metric: MetricInfo) -> NDArray[np.float64]:
    if not counts.size:
        return np.zeros(0)
    offsets = np.concatenate(([0], np.cumsum(counts)[:-1]))
    how = metric.reduce
    if how == "mean":
        return np.asarray(np.add.reduceat(flat, offsets) / counts, dtype=np.float64)
    if how == "max":
        return np.asarray(np.maximum.reduceat(flat, offsets), dtype=np.float64)
    for prefix, formula in (("pass@", reduce_pass_at_k), ("pass^", reduce_pass_hat_k)):
        if how.startswith(prefix):
            k = int(how.removeprefix(prefix))
            right = np.add.reduceat((flat >= 1.0).astype(np.int64), offsets)
            try:
                return np.array([formula(int(n), int(c), k) for n, c in zip(counts, right, strict=True)])
            except ValueError as error:
                raise DefinitionError(f"{metric.name}: {error}") from None
    raise DefinitionError(f"metric {metric.name}: nobody knows how to reduce epochs by '{how}'")
