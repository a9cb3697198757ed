"""What tokens cost, from a dated file in this package. A price that is not known is None, never 0.

Prices belong to a host, not to a model's name: the same weights cost something else, or nothing, elsewhere.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

import msgspec

from weigh.records.errors import DefinitionError


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars per million tokens.

    Attributes:
        input: Prompt tokens that are processed.
        cached: Prompt tokens from the provider's cache; as `input` where it gives no discount.
        output: Generated tokens.
        date: The day the price was looked up; None for one the user gave.
    """

    input: float
    cached: float
    output: float
    date: str | None = None

    def of(self, new: int | None, cached: int | None, generated: int | None) -> float | None:
        """Dollars of one call; None when a count is missing (a missing count of cached tokens means none)."""
        if new is None or generated is None:
            return None
        return (new * self.input + (cached or 0) * self.cached + generated * self.output) / 1_000_000


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """The file: the day it was made and prices by host and model."""

    date: str
    hosts: dict[str, dict[str, tuple[float, float, float]]]


@cache
def price_list() -> PriceList:
    """The list that ships with this version."""
    text = resources.files("weigh.execute").joinpath("prices.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), PriceList)


def price_of(host: str, model: str) -> Price | None:
    """The price of a model at a host, or None. A dated name (`gpt-4o-2024-08-06`) is not its undated family."""
    listed = price_list()
    found = listed.hosts.get(host, {}).get(model)
    return None if found is None else Price(input=found[0], cached=found[1], output=found[2], date=listed.date)


def parse_price(text: str) -> Price:
    """Read `INPUT/OUTPUT` or `INPUT/CACHED/OUTPUT`, dollars per million tokens. Raises `DefinitionError`."""
    try:
        numbers = [float(part) for part in str(text).split("/")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or any(n < 0 or n != n for n in numbers):
        raise DefinitionError(f"price={text}: write INPUT/OUTPUT or INPUT/CACHED/OUTPUT in dollars per million tokens")
    return Price(input=numbers[0], cached=numbers[1] if len(numbers) == 3 else numbers[0], output=numbers[-1])
