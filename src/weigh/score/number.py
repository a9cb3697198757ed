"""Reading a number out of a text the way a person would."""

from __future__ import annotations

import math
import re

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|\.\d+"
_FRACTION = r"(?:(?P<whole>\d+)\s+)?(?P<top>\d+)\s*/\s*(?P<bottom>\d+)"
_TEX_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]+)\}\s*\{([^{}]+)\}")
# Spaces that do not break group digits; an ordinary one stands between two numbers as well as within one.
_GROUPING = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
# A sign belongs to the number unless it stands between two things, as in "7-3" or "2024-01".
_NUMBER = re.compile(rf"(?P<sign>(?<![\w)])[-+−]\s?)?[$€£]?\s?(?:{_FRACTION}|(?P<plain>{_DIGITS}))(?![\d])")


def parse_number(text: str) -> float | None:
    """The last number in a text, or None. Thousands separators, fractions, exponents and a currency are understood.

    A number that no float can hold is None, never infinity.
    """
    text = _TEX_FRACTION.sub(r" \1/\2 ", text).replace("\\,", "").replace("{,}", ",")
    text = _GROUPING.sub("", text)
    matches = list(_NUMBER.finditer(text))
    if not matches:
        return None
    last = matches[-1]
    if last["plain"] is not None:
        value = float(last["plain"].replace(",", ""))
    elif int(last["bottom"]) == 0:
        return None
    else:
        value = int(last["whole"] or 0) + int(last["top"]) / int(last["bottom"])
    if not math.isfinite(value):
        return None
    return -value if last["sign"] and last["sign"].strip() in "-−" else value
