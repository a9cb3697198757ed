"""Makes the files the tasks are about, always the same: `python make_inputs.py [FOLDER]`, by default `inputs`.

Places and people are made up, so that no model can know the answers.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

TOWNS = ("Arlon", "Brevik", "Cadaval", "Dorno", "Eger", "Fundao")
PRODUCTS = ("tea", "coffee", "cocoa", "juice")
NAMES = ("Ansel", "Birte", "Ciro", "Dagny", "Edda", "Falk", "Greta", "Hilmar", "Ilse", "Jorun", "Kaja", "Lotte")
TITLES = (
    "The Salt Road", "A Winter Orchard", "Maps of Nowhere", "The Glass Heron", "Seven Lanterns", "The Copper Heron",
    "Below the Weir", "A Clock for Ida", "The Long Ferry", "Stones and Bread",
)  # fmt: skip


def make_inputs(folder: Path) -> None:
    """Write all of them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(7)
    sales = [
        (f"2025-{draw.randint(1, 6):02d}-{draw.randint(1, 28):02d}", draw.choice(TOWNS), draw.choice(PRODUCTS),
         draw.randint(1, 130))
        for _ in range(60)
    ]  # fmt: skip
    _table(folder / "sales.csv", ",", ("date", "town", "product", "units"), sales)

    customers = [(i + 1, name, draw.choice(TOWNS)) for i, name in enumerate(NAMES)]
    orders = [(100 + i, draw.randint(1, len(NAMES)), draw.randint(5, 250)) for i in range(40)]
    _table(folder / "customers.csv", ",", ("id", "name", "city"), customers)
    _table(folder / "orders.csv", ",", ("id", "customer_id", "amount"), orders)

    staff = [
        {"name": name, "team": draw.choice(("press", "bindery", "store")), "born": draw.randint(1958, 2003)}
        for name in NAMES
    ]
    (folder / "staff.json").write_text(json.dumps(staff, indent=1) + "\n")

    readings = [(f"S{draw.randint(1, 4)}", hour % 24, draw.randint(-9, 31)) for hour in range(48)]
    _table(folder / "readings.tsv", "\t", ("station", "hour", "celsius"), readings)
    _library(folder / "library.db", draw)


def _table(file: Path, between: str, head: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    lines = [between.join(str(value) for value in row) for row in [head, *rows]]
    file.write_text("\n".join(lines) + "\n")


def _library(file: Path, draw: random.Random) -> None:
    file.unlink(missing_ok=True)
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("create table books (id integer primary key, title text, year integer)")
        db.execute("create table members (id integer primary key, name text, town text)")
        db.execute("create table loans (id integer primary key, book_id integer, member_id integer, days integer)")
        db.executemany("insert into books values (?, ?, ?)", [
            (i + 1, title, draw.randint(1950, 2020)) for i, title in enumerate(TITLES)
        ])  # fmt: skip
        db.executemany("insert into members values (?, ?, ?)", [
            (i + 1, f"  {name}", draw.choice(TOWNS)) for i, name in enumerate(NAMES)
        ])  # fmt: skip
        db.executemany("insert into loans values (?, ?, ?, ?)", [
            (i + 1, draw.randint(1, len(TITLES)), draw.randint(1, len(NAMES)), draw.randint(1, 40)) for i in range(73)
        ])  # fmt: skip


if __name__ == "__main__":
    make_inputs(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "inputs")
