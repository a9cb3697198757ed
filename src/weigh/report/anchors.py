"""Where in a long text one of many rules may match, found in one pass for all of them.

Each rule says with which short texts (anchors) every match begins. To look for sixty of them one after the other costs
sixty passes. Here each byte of the text is turned into eight bits four times: which of eight groups has an anchor with
this byte as its first, second, third and fourth. Only where the four agree on a group is the text itself looked at.
Source: the algorithm `Teddy` of Hyperscan (Wang et al. 2019), with whole texts in the place of registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

GROUPS = 8
LENGTH = 4
"""Bytes of an anchor that are looked at."""


class Anchors:
    """The anchors of rules.

    Args:
        anchors: Of each rule, in ASCII and lower case; in a text their letters may be large or small.
    """

    def __init__(self, anchors: Sequence[Sequence[str]]) -> None:
        rules: dict[bytes, list[int]] = {}
        for number, own in enumerate(anchors):
            for beginning in dict.fromkeys(anchor[:LENGTH].encode("ascii") for anchor in own):
                rules.setdefault(beginning, []).append(number)
        self._rules = {beginning: tuple(numbers) for beginning, numbers in rules.items()}
        self._lengths = sorted({len(beginning) for beginning in rules})
        tables = [bytearray(256) for _ in range(LENGTH)]
        # In the order of the alphabet, so that those of one group have much in common and little else agrees with it.
        for rank, beginning in enumerate(sorted(rules)):
            for place, table in enumerate(tables):
                byte = beginning[place : place + 1]
                for code in {*byte.lower(), *byte.upper()} if byte else range(256):
                    table[code] |= 1 << rank * GROUPS // len(rules)
        self._tables = [bytes(table) for table in tables]

    def places(self, text: str) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The places of a text at which rules may match, and the numbers of these rules."""
        import numpy as np

        data = text.encode("utf-8", "surrogatepass")
        size, padded = len(data), data + bytes(LENGTH - 1)
        bits = np.full(size, 255, dtype=np.uint8)
        for at, table in enumerate(self._tables):
            bits &= np.frombuffer(padded.translate(table), dtype=np.uint8)[at : at + size]
        found = np.flatnonzero(bits)
        places = found
        if not text.isascii():  # from bytes to characters: a byte within a character does not count
            within = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) & 0xC0 == 0x80)
            places = found - np.searchsorted(within, found)
        lower = data.lower()
        for at, place in zip(found.tolist(), places.tolist(), strict=True):
            for length in self._lengths:
                numbers = self._rules.get(lower[at : at + length])
                if numbers is not None:
                    yield place, numbers
