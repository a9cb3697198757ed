"""One way to make two spellings of the same text equal, switch by switch."""

from __future__ import annotations

import re
import string
import unicodedata

_ARTICLES = re.compile(r"\b(a|an|the)\b", re.IGNORECASE)
_PUNCTUATION = dict.fromkeys(map(ord, string.punctuation + "“”‘’«»…–—、。，！？；："))


def normalize(text: str, *, strip: bool, case: bool, punctuation: bool, articles: bool) -> str:
    """Compose Unicode (NFC), then drop what the switches say: punctuation, articles, case, white space."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if case:
        text = text.casefold()
    if punctuation:
        text = text.translate(_PUNCTUATION)
    if articles:
        text = _ARTICLES.sub(" ", text)
    return " ".join(text.split()) if strip or articles else text


def words(text: str) -> list[str]:
    """The words of a text without case, punctuation and articles."""
    return normalize(text, strip=True, case=True, punctuation=True, articles=True).split()
