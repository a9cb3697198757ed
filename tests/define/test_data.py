"""Local data sources: formats, folders, mapping, filters, and what is said when a field or a file is not there."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from weigh.define.data import DataLoader, DataSource, resolve_path, source_digest
from weigh.define.data_files import select_files
from weigh.define.where import compile_where
from weigh.records.errors import DataError, DefinitionError

ROWS = [{"question": f"q{i}", "answer": i, "meta": {"level": i % 3, "tags": ["a", "b"]}} for i in range(10)]


def load(path: Path, **options: object) -> list[dict[str, object]]:
    return list(DataLoader().load(DataSource(str(path), **options)))  # type: ignore[arg-type]


def jsonl(path: Path, rows: object = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in (rows or ROWS)))  # type: ignore[attr-defined]
    return path


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    lines = jsonl(tmp_path / "a.jsonl")
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    (tmp_path / "splits.json").write_text(json.dumps({"train": [], "test": ROWS}))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.read_bytes()))
    duckdb.execute(f"copy (select * from read_json('{lines}')) to '{tmp_path / 'a.parquet'}' (format parquet)")
    assert load(lines) == ROWS
    assert load(tmp_path / "a.json") == ROWS
    assert load(tmp_path / "splits.json", split="test") == ROWS
    assert load(tmp_path / "a.jsonl.gz") == ROWS
    assert load(tmp_path / "a.parquet") == ROWS


def test_csv_with_and_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('question,answer\n"one, or two",1\n')
    (tmp_path / "bare.csv").write_text('"one, or two",1\n')
    (tmp_path / "a.tsv").write_text("question\tanswer\none\t1\n")
    assert load(tmp_path / "a.csv") == [{"question": "one, or two", "answer": "1"}]
    assert load(tmp_path / "bare.csv", columns=("question", "answer")) == [{"question": "one, or two", "answer": "1"}]
    assert load(tmp_path / "a.tsv") == [{"question": "one", "answer": "1"}]
    (tmp_path / "odd.csv").write_text("question,answer\n1,2,3\n")
    with pytest.raises(DataError, match=r"odd\.csv, row 1: 2 columns expected"):
        load(tmp_path / "odd.csv")


def test_a_missing_field_names_file_row_and_the_closest_field(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl")
    row = next(DataLoader().load(DataSource(str(file))))
    with pytest.raises(DataError, match=r"a\.jsonl, row 1: no field 'anwser'; did you mean 'answer'"):
        row["anwser"]
    with pytest.raises(DataError, match=r"row 1: no field 'meta\.lvel': nothing named 'lvel'; did you mean 'level'"):
        load(file, fields={"level": "meta.lvel"})


def test_mapping_goes_into_nested_fields(tmp_path: Path) -> None:
    rows = load(jsonl(tmp_path / "a.jsonl"), fields={"level": "meta.level", "first": "meta.tags.0"})
    assert [r["level"] for r in rows] == [i % 3 for i in range(10)]
    assert rows[0]["first"] == "a" and rows[0]["question"] == "q0"


def test_filter_shuffle_and_limit_are_deterministic(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl")
    kept = load(file, where='meta["level"] == 1 and answer > 1')
    assert [r["answer"] for r in kept] == [4, 7]
    assert load(file, where=lambda row: row["answer"] in (4, 7)) == kept
    shuffled = load(file, shuffle_seed=3)
    assert shuffled == load(file, shuffle_seed=3) != load(file)
    assert load(file, shuffle_seed=3, limit=4) == shuffled[:4]


@pytest.mark.parametrize("text", ["__import__('os')", "row.__class__", "[x for x in row]", "open('f')", "1 +"])
def test_a_filter_can_do_nothing_but_look(text: str) -> None:
    with pytest.raises(DefinitionError, match="where"):
        compile_where(text)


@pytest.mark.parametrize(
    ("names", "split", "subset", "expected"),
    [
        (["train.jsonl", "test.jsonl"], "test", None, ["test.jsonl"]),
        (["dev/virology_dev.csv", "test/virology_test.csv"], "dev", "virology", ["dev/virology_dev.csv"]),
        (["dev/college_biology_dev.csv", "dev/high_school_biology_dev.csv"], "dev", "high_school_biology",
         ["dev/high_school_biology_dev.csv"]),
        (["ARC-Easy/test-00000-of-00001.parquet", "ARC-Challenge/test-00000-of-00001.parquet"], "test", "ARC-Easy",
         ["ARC-Easy/test-00000-of-00001.parquet"]),
        (["data/test-00000-of-00002.parquet", "data/test-00001-of-00002.parquet", "data/train-00000-of-00001.parquet"],
         "test", None, ["data/test-00000-of-00002.parquet", "data/test-00001-of-00002.parquet"]),
        (["test.jsonl", "train_500.jsonl", "README.md"], "train", None, ["train_500.jsonl"]),
        (["val.jsonl", "test.jsonl"], "validation", None, ["val.jsonl"]),
        (["gsm8k_test.jsonl", "gsm8k_train.jsonl"], "test", None, ["gsm8k_test.jsonl"]),
        (["a.jsonl", "b.jsonl", "notes.txt"], None, None, ["a.jsonl", "b.jsonl"]),
    ],
)  # fmt: skip
def test_files_of_a_folder(names: list[str], split: str | None, subset: str | None, expected: list[str]) -> None:
    assert select_files(names, split, subset, "x") == expected


def test_a_split_that_is_not_there_is_told_with_the_files(tmp_path: Path) -> None:
    jsonl(tmp_path / "train.jsonl")
    with pytest.raises(DataError, match=r"no files for split 'test'; files: train\.jsonl"):
        load(tmp_path, split="test")
    with pytest.raises(DataError, match=r"does not exist .*did you mean 'train\.jsonl'"):
        load(tmp_path / "trian.jsonl")
    with pytest.raises(DataError, match="no file of rows"):
        select_files(["a.txt"], None, None, "x")


def test_what_cannot_be_read_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: not JSON"):
        load(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text("[1]\n")
    with pytest.raises(DataError, match="expected an object, got list"):
        load(tmp_path / "b.jsonl")
    (tmp_path / "c.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(DataError, match="as Parquet"):
        load(tmp_path / "c.parquet")
    (tmp_path / "d.jsonx").write_text("{}")
    with pytest.raises(DataError, match="unknown format"):
        load(tmp_path / "d.jsonx")


def test_a_relative_path_is_beside_the_task_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, cwd = tmp_path / "task", tmp_path / "cwd"
    for folder in (task, cwd):
        jsonl(folder / "both.jsonl")
    jsonl(cwd / "here.jsonl")
    monkeypatch.chdir(cwd)
    assert resolve_path(DataSource("both.jsonl"), task).path == str(task / "both.jsonl")
    assert resolve_path(DataSource("here.jsonl"), task).path == "here.jsonl"
    assert resolve_path(DataSource("none.jsonl"), task).path == str(task / "none.jsonl")
    assert resolve_path(DataSource("s3://b/k.jsonl"), task).path == "s3://b/k.jsonl"


def test_the_digest_is_of_content_not_of_place(tmp_path: Path) -> None:
    first, second = jsonl(tmp_path / "a.jsonl"), jsonl(tmp_path / "deep" / "b.jsonl")
    assert source_digest(DataSource(str(first))) == source_digest(DataSource(str(second)))
    assert source_digest(DataSource(str(first))) != source_digest(DataSource(str(first), limit=3))
    jsonl(second, ROWS[1:])
    assert source_digest(DataSource(str(first))) != source_digest(DataSource(str(second)))


def test_real_folders(data_dir: Path) -> None:
    gsm = DataSource(str(data_dir / "gsm8k"), split="train", limit=5)
    assert len(list(DataLoader().load(gsm))) == 5
    mmlu = DataSource(str(data_dir / "mmlu"), split="dev", subset="virology")
    rows = list(DataLoader().load(mmlu))
    assert len(rows) == 5 and set(rows[0]) == {"question", "choice0", "choice1", "choice2", "choice3", "answer"}
