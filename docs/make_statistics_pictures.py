"""Draw the pictures of docs/statistics.md: `python docs/make_statistics_pictures.py`.

Plain Python that writes SVG; every number in a picture is computed by the functions that the page explains.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from weigh.analyze.estimate import estimate
from weigh.analyze.exact_power import mcnemar_power
from weigh.analyze.paired import compare_pairs
from weigh.analyze.scope import compare_given
from weigh.analyze.sequential import ConfidenceSequence
from weigh.analyze.tango import tango_interval

FOLDER = Path(__file__).resolve().parent / "images"
INK, FAINT, BLUE, RED, GREEN, GREY = "#222", "#bbb", "#2563a8", "#b8402a", "#2c7a4b", "#888"


class Picture:
    """A list of SVG elements on a white ground."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.parts: list[str] = []

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str = INK, width: float = 1.5, dash: str = ""
    ) -> None:
        style = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"{style}/>'
        )

    def box(self, x: float, y: float, w: float, h: float, fill: str, stroke: str = "none") -> None:
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{fill}" stroke="{stroke}"/>'
        )

    def dot(self, x: float, y: float, r: float = 4, fill: str = INK) -> None:
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{fill}"/>')

    def path(self, points: list[tuple[float, float]], colour: str, width: float = 1.8) -> None:
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="{width}"/>')

    def text(self, x: float, y: float, words: str, anchor: str = "start", colour: str = INK, size: int = 13) -> None:
        safe = words.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">{safe}</text>'
        )

    def bar(self, low: float, centre: float, high: float, y: float, colour: str = INK) -> None:
        """An interval with its centre."""
        self.line(low, y, high, y, colour, 3)
        self.line(low, y - 6, low, y + 6, colour)
        self.line(high, y - 6, high, y + 6, colour)
        self.dot(centre, y, 5, colour)

    def save(self, name: str) -> None:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" font-family="system-ui, sans-serif" role="img"><title>{self.title}</title>'
            f'<rect width="{self.width}" height="{self.height}" fill="#fff"/>'
        )
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"statistics-{name}.svg").write_text(head + "\n".join(self.parts) + "</svg>\n", encoding="utf-8")


def flips(n: int, wins: int, losses: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of two arms with so many wins and losses."""
    a, b = np.zeros(n), np.zeros(n)
    b[:wins], a[wins : wins + losses] = 1, 1
    return a, b


def interval() -> None:
    """The same score from more and more questions."""
    p = Picture(640, 210, "A score of 70 % from 10, 50, 250 and 1,000 questions, with its 95 % interval")
    at = lambda v: 120 + v * 480  # noqa: E731
    for row, n in enumerate((10, 50, 250, 1000)):
        made = estimate([1] * round(0.7 * n) + [0] * (n - round(0.7 * n)))
        y = 30 + 38 * row
        p.text(105, y + 5, f"n = {n:,}", "end")
        p.bar(at(made.low or 0), at(made.mean or 0), at(made.high or 0), y, BLUE)
    for tick in range(0, 101, 20):
        p.line(at(tick / 100), 172, at(tick / 100), 178)
        p.text(at(tick / 100), 196, f"{tick} %", "middle")
    p.line(at(0), 172, at(1), 172)
    p.save("interval")


def pairing() -> None:
    """The same questions side by side: only contested ones speak."""
    p = Picture(640, 190, "Two arms on 24 questions: 5 wins, 1 loss, 18 ties")
    a = [1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 1]
    b = list(a)
    for i in (2, 5, 10, 14, 20):
        b[i] = 1
    b[7] = 0
    for name, row, y in (("a", a, 40), ("b", b, 75)):
        p.text(30, y + 15, name, "middle")
        for i, value in enumerate(row):
            p.box(50 + 24 * i, y, 20, 20, GREEN if value else "#eee", GREY)
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        if x != y:
            p.text(60 + 24 * i, 120, "win" if y > x else "loss", "middle", GREEN if y > x else RED, 12)
            p.box(47 + 24 * i, 36, 26, 63, "none", GREEN if y > x else RED)
    made = compare_pairs(a, b)
    p.text(50, 22, "green = right; boxed = contested: the two arms differ", size=13)
    p.text(
        50,
        155,
        f"{made.wins} wins, {made.losses} loss, {made.ties} ties: 5 heads in 6 tosses of a coin, p = {made.p:.2f}",
    )
    p.text(50, 176, "The 18 ties show no difference in either direction; they only dilute it.", colour=GREY)
    p.save("pairing")


def coin() -> None:
    """What p is: the part of the bars at least as far out."""
    p = Picture(
        640, 260, "Heads in 20 tosses of a fair coin; 15 or more and 5 or fewer together happen 4 % of the time"
    )
    chances = [math.comb(20, k) / 2**20 for k in range(21)]
    for k, chance in enumerate(chances):
        far = k >= 15 or k <= 5
        p.box(50 + 26 * k, 200 - 900 * chance, 20, 900 * chance, RED if far else FAINT)
        p.text(60 + 26 * k, 216, str(k), "middle", size=11)
    p.text(50, 24, "20 contested questions, b won 15. If the arms were equal, each is a coin toss:")
    p.text(320, 242, f"wins of 20; red: at least as uneven as 15 to 5 = {2 * sum(chances[15:]):.3f} = p", "middle")
    p.save("coin")


def clusters() -> None:
    """Fifty copies of four questions are four questions."""
    p = Picture(640, 190, "Forty questions from four passages")
    a, b = np.repeat([0.0, 0, 0, 0], 10), np.repeat([1.0, 1, 1, 1], 10)
    plain, grouped = compare_pairs(a, b), compare_pairs(a, b, clusters=np.repeat(np.arange(4), 10))
    for c in range(4):
        p.box(40 + 145 * c, 40, 130, 62, "#f3f6fa", BLUE)
        p.text(105 + 145 * c, 58, f"passage {c + 1}", "middle", BLUE, 12)
        for i in range(10):
            p.dot(56 + 145 * c + 24 * (i % 5), 74 + 17 * (i // 5), 5, GREEN)
    p.text(40, 24, "b wins all 40 questions, but they hang on 4 passages: know one, know ten")
    p.text(40, 135, f"as 40 independent questions: p = {plain.p:.0e} (wrong)", colour=RED)
    p.text(
        40,
        160,
        f"with passages as the unit: p = {grouped.p}, unresolved: 4 heads in 4 tosses are no rarity",
        colour=GREEN,
    )
    p.save("clusters")


def epochs() -> None:
    """What more epochs and more questions shrink."""
    p = Picture(640, 230, "Variance of a score by number of questions and epochs")
    between, within = 0.12, 0.20
    designs = [(100, 1), (100, 4), (100, 16), (200, 1), (400, 1)]
    for i, (n, k) in enumerate(designs):
        x, scale = 60 + 112 * i, 45_000
        low, high = between / n * scale, within / k / n * scale
        p.box(x, 180 - low, 60, low, BLUE)
        p.box(x, 180 - low - high, 60, high, "#e3a34f")
        p.text(x + 30, 198, f"{n} questions", "middle", size=12)
        p.text(x + 30, 214, f"{k} epoch{'s' if k > 1 else ''}", "middle", size=12)
        p.text(
            x + 30, 172 - low - high, f"SE {100 * math.sqrt(between / n + within / k / n):.1f} pp", "middle", size=12
        )
    p.text(330, 40, "orange: luck within a question", colour="#b87718")
    p.text(330, 60, "blue: which questions were asked; epochs cannot help", colour=BLUE)
    p.save("epochs")


def power() -> None:
    """Power against the true difference."""
    p = Picture(
        640, 270, "Chance to see a difference with 200 and 1,000 questions, a tenth contested for no difference"
    )
    at = lambda d: 60 + d * 5500  # noqa: E731
    up = lambda v: 220 - v * 190  # noqa: E731
    for n, colour in ((200, RED), (1000, BLUE)):
        points = [(d / 1000, mcnemar_power(n, 0.05 + d / 1000, 0.05)) for d in range(0, 101, 2)]
        p.path([(at(d), up(v)) for d, v in points], colour, 2.2)
        reach = next((d for d, v in points if v >= 0.8), None)
        if reach is not None:
            p.line(at(reach), up(0), at(reach), up(0.8), colour, 1, "4 3")
            p.text(at(reach) + 5, up(0.05), f"{reach * 100:.1f} pp", colour=colour, size=12)
        p.text(at(0.052 if n == 200 else 0.012), up(0.42 if n == 200 else 0.9), f"n = {n:,}", colour=colour)
    p.line(at(0), up(0.8), at(0.1), up(0.8), GREY, 1, "2 3")
    p.text(at(0.1), up(0.8) - 6, "80 %: where the dashed lines fall is the MDE80", "end", GREY, 12)
    p.line(at(0), up(0), at(0.1), up(0))
    p.line(at(0), up(0), at(0), up(1))
    for tick in range(0, 11, 2):
        p.text(at(tick / 100), 238, f"{tick}", "middle", size=12)
    p.text(at(0.05), 258, "true difference, percentage points", "middle", size=12)
    for tick in (0, 0.5, 1):
        p.text(50, up(tick) + 4, f"{tick:.0%}", "end", size=12)
    p.save("power")


def verdicts() -> None:
    """Four intervals, four words."""
    p = Picture(640, 240, "The four verdicts")
    at = lambda d: 330 + d * 2400  # noqa: E731
    p.box(at(-0.02), 24, at(0.02) - at(-0.02), 170, "#eef5ee")
    p.line(at(0), 24, at(0), 194, GREY, 1.2)
    rows = (("better", 2000, 230, 110, GREEN), ("worse", 2000, 100, 220, RED), ("equivalent", 4000, 120, 112, BLUE),
            ("unresolved", 400, 30, 24, GREY))  # fmt: skip
    for i, (word, n, wins, losses, colour) in enumerate(rows):
        made = compare_pairs(*flips(n, wins, losses), margin=0.02)
        assert made.verdict == word, (word, made)
        low, high = tango_interval(wins, losses, n)
        p.bar(at(low), at(made.difference or 0), at(high), 48 + 42 * i, colour)
        p.text(20, 53 + 42 * i, word, colour=colour)
        p.text(628, 53 + 42 * i, f"{wins}:{losses} of {n:,}", "end", colour, 12)
    for tick in (-0.06, -0.04, -0.02, 0, 0.02, 0.04, 0.06):
        p.text(at(tick), 212, f"{tick * 100:+.0f}" if tick else "0", "middle", size=12)
    p.text(330, 232, "difference in percentage points; shaded: a margin of 2", "middle", size=12)
    p.save("verdicts")


def peeking() -> None:
    """An interval that may be looked at all the time."""
    p = Picture(640, 270, "A confidence sequence closing in on a true difference of 8 points")
    rng = np.random.default_rng(11)
    d = rng.choice([-1.0, 0.0, 1.0], p=[0.08, 0.76, 0.16], size=800)
    sequence, lows, highs, means, settled = ConfidenceSequence(), [], [], [], None
    at = lambda n: 60 + n * 0.7  # noqa: E731
    up = lambda v: 130 - v * 240  # noqa: E731
    for i, value in enumerate(d, 1):
        sequence.update(float(value))
        if settled is None and sequence.decision() == "better":
            settled = i
        if i >= 20 and i % 4 == 0:
            lows.append((at(i), min(240.0, up(sequence.low))))
            highs.append((at(i), max(20.0, up(sequence.high))))
            means.append((at(i), up(sequence.mean or 0)))
    p.line(at(0), up(0), at(800), up(0), GREY, 1)
    p.path(lows, BLUE)
    p.path(highs, BLUE)
    p.path(means, INK, 1.2)
    if settled is not None:
        p.line(at(settled), 25, at(settled), 240, GREEN, 1.2, "4 3")
        p.text(at(settled) + 6, 40, f"settled after {settled} questions: better", colour=GREEN)
    p.text(52, up(0) + 4, "0", "end", size=12)
    for tick in (0, 200, 400, 600, 800):
        p.text(at(tick), 258, str(tick), "middle", size=12)
    p.text(at(800), up(0.0) + 16, "questions", "end", GREY, 12)
    p.save("peeking")


def scopes() -> None:
    """Two different doubts."""
    p = Picture(640, 200, "Three tasks, four epochs an arm: one collapses")
    rows = (("task 1", "1111", "1111"), ("task 2", "0000", "0000"), ("task 3", "1111", "0000"))
    for i, (name, a, b) in enumerate(rows):
        p.text(20, 55 + 34 * i, name)
        for x, row in ((90, a), (230, b)):
            for j, value in enumerate(row):
                p.box(x + 26 * j, 40 + 34 * i, 22, 22, GREEN if value == "1" else "#eee", GREY)
    given = compare_given(*([[float(v) for v in row[side]] for row in rows] for side in (1, 2)))
    p.text(142, 28, "a, 4 epochs", "middle")
    p.text(282, 28, "b, 4 epochs", "middle")
    p.text(370, 55, "these tasks:", colour=GREEN)
    p.text(370, 75, "epochs shuffled within their task:", size=12)
    p.text(370, 92, f"p = {given.p:.3f}, {given.verdict}", size=12)
    p.text(370, 125, "tasks like these:", colour=RED)
    p.text(370, 145, "3 tasks, 3 tosses: p cannot go below .25;", size=12)
    p.text(370, 162, "nothing is known about a fourth task", size=12)
    p.save("scopes")


def costs() -> None:
    """One runaway trial and three summaries of it."""
    p = Picture(640, 190, "Ten questions' token costs; one trial ran away")
    a = [900, 1100, 1300, 1500, 1800, 2100, 2400, 2600, 3000, 3500]
    b = [800, 950, 1100, 1300, 1500, 1900, 2000, 2200, 2500, 60000]
    at = lambda v: 60 + (math.log10(v) - 2.8) * 260  # noqa: E731
    for name, row, y, colour in (("a", a, 50, BLUE), ("b", b, 95, RED)):
        p.text(35, y + 5, name)
        for value in row:
            p.dot(at(value), y, 5, colour)
        p.line(at(float(np.mean(row))), y - 16, at(float(np.mean(row))), y + 16, colour)
        p.text(at(float(np.mean(row))), y - 20, "mean", "middle", colour, 11)
    for tick in (1000, 3000, 10000, 30000, 60000):
        p.text(at(tick), 135, f"{tick:,}", "middle", size=12)
    p.text(60, 165, "b costs less on 9 of 10 questions; its mean is 3.7 times as high.")
    p.save("costs")


if __name__ == "__main__":
    for draw in (interval, pairing, coin, clusters, epochs, power, verdicts, peeking, scopes, costs):
        draw()
