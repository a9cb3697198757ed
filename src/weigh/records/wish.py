"""What somebody who watches a live page looks at: which comparisons are computed while a run goes on."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """One way to look at comparisons. Values that nobody knows are no error: there is then nothing to compute.

    Attributes:
        level: Of the intervals, as the page writes it.
        errors: How failed trials count.
        metric: A metric or a cost; empty for each task's first.
        shared: Whether only questions that all arms have count.
        by: A metadata field or a marker to split by; empty for none.
    """

    level: str = "0.95"
    errors: str = "exclude"
    metric: str = ""
    shared: bool = False
    by: str = ""


def wish_of(query: Mapping[str, str]) -> Wish:
    """The wish of an address; what it does not say is as it comes. Texts are cut to 200 characters."""
    said = {name: query[name][:200] for name in ("level", "errors", "metric", "by") if query.get(name)}
    return Wish(shared=query.get("shared") == "1", **said)
