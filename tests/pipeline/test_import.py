"""A file of scores becomes a run like any other, or the row that is wrong is named."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from weigh.cli.main import main
from weigh.pipeline.compare import compare
from weigh.pipeline.import_table import ImportRequest, ImportResult, import_table
from weigh.pipeline.results import summarize
from weigh.records.errors import DataError
from weigh.store.importers.table import Columns, read_scores
from weigh.store.layout import Store
from weigh.store.reader import read_trials

PLAIN = Columns(id="id", score="score")
MODELS = Columns(id="id", score="score", model="model")


def load(file: Path, columns: Columns = PLAIN, **options: Any) -> ImportResult:
    request = ImportRequest(file=file, columns=columns, store=str(file.parent / "store"), **options)
    return asyncio.run(import_table(request))


def write(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def two_models(file: Path) -> Path:
    """Twenty questions of two models: the new one wins nine and loses one. McNemar: p = 2 * 11 / 1024."""
    lines = ["id,model,score,subject,seconds"]
    for i in range(20):
        old, new = (0, 1) if i < 9 else (1, 0) if i == 9 else (1, 1)
        lines += [f"q{i},old,{old},s{i % 2},{i}.5", f"q{i},new,{new},s{i % 2},{i}.25"]
    return write(file, "\n".join(lines) + "\n")


def test_two_models_in_one_file_compare_with_known_numbers(tmp_path: Path) -> None:
    made = load(two_models(tmp_path / "scores.csv"), MODELS)
    assert (made.questions, made.rows, made.added) == (20, 40, 40)
    (report,) = compare(Store(tmp_path / "store"), ["latest"])
    score = report.rows[0].score
    assert score is not None
    assert (score.wins, score.losses, score.ties, score.difference) == (9, 1, 10, 0.4)
    assert score.p == pytest.approx(2 * 11 / 1024, abs=1e-12)
    assert report.rows[0].verdict == "better"


def test_two_files_of_one_task_compare_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, right in (("old", 4), ("new", 10)):
        rows = [{"id": i, "metrics": {"em": i < right}} for i in range(10)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        words = ["import", "table", str(tmp_path / f"{name}.jsonl"), "--id", "id", "--score", "metrics.em"]
        assert main([*words, "--task", "quiz", "--metric", "em", "--store", str(tmp_path / "store")]) == 0
    capsys.readouterr()
    assert main(["compare", "old", "new", "--store", str(tmp_path / "store"), "--format", "json"]) == 0
    table = json.loads(capsys.readouterr().out)["table"][0]
    assert (table["task"], table["metric"], table["n"], table["wins"], table["losses"]) == ("quiz", "em", 10, 6, 0)
    assert table["p"] == pytest.approx(2 / 64)


def test_importing_again_adds_nothing_and_an_edited_file_is_another_run(tmp_path: Path) -> None:
    file = two_models(tmp_path / "scores.csv")
    first, again = load(file, MODELS), load(file, MODELS)
    assert again.run.id == first.run.id and again.added == 0
    assert len(list(read_trials(Store(tmp_path / "store").open(first.run.id)))) == 40
    file.write_text(file.read_text().replace("q3,new,1", "q3,new,0"))
    assert load(file, MODELS).run.id != first.run.id


def test_an_import_cut_short_is_completed(tmp_path: Path) -> None:
    file = two_models(tmp_path / "scores.csv")
    made = load(file, MODELS)
    folder = Store(tmp_path / "store").open(made.run.id)
    folder.parquet.unlink()
    assert load(file, MODELS).added == 40
    assert len(list(read_trials(folder))) == 40


def test_provenance_names_the_file_and_its_digest(tmp_path: Path) -> None:
    made = load(two_models(tmp_path / "scores.csv"), MODELS)
    (invocation,) = Store(tmp_path / "store").open(made.run.id).invocations()
    imported = invocation.provenance["imported"]
    assert imported["file"] == "scores.csv" and len(imported["sha256"]) == 64
    assert invocation.summary == {"imported": 40, "reused": 0}


def test_what_describes_a_question_is_its_metadata_and_what_varies_stays_with_the_trial(tmp_path: Path) -> None:
    made = load(two_models(tmp_path / "scores.csv"), MODELS)
    trials = list(read_trials(Store(tmp_path / "store").open(made.run.id)))
    assert {frozenset(t.instance.metadata) for t in trials} == {frozenset({"subject"})}
    assert {"seconds", "imported_row"} <= set(trials[0].metadata)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "csv.gz", "parquet"])
def test_every_form_gives_the_same_rows(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"scores.{ending}"
    rows = [(7, 0.5), (8, 1.0), (9, 0.0)]
    if ending == "parquet":
        import duckdb

        values = ", ".join(map(str, rows))
        duckdb.sql(f"copy (select * from (values {values}) t(id, score)) to '{file}' (format parquet)")
    elif ending == "jsonl":
        file.write_text("".join(json.dumps({"id": i, "score": s}) + "\n" for i, s in rows))
    else:
        sign = "\t" if ending == "tsv" else ","
        text = f"id{sign}score\r\n" + "".join(f"{i}{sign}{s}\r\n" for i, s in rows)
        file.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode("utf-8-sig"))
    assert [(r.id, r.score) for r in read_scores(file, PLAIN)] == [("7", 0.5), ("8", 1.0), ("9", 0.0)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,score\na,1\nb,nan\n", "row 2 (id b): the score in column 'score' is nan"),
        ("id,score\na,1\nb,inf\n", "row 2 (id b): the score in column 'score' is inf"),
        ("id,score\na,good\n", "row 1 (id a): 'good' in column 'score' is no number"),
        ("id,score\na,\n", "row 1 (id a): no score in column 'score'"),
        ("id,score\n,1\n", "row 1: the id column 'id' is empty"),
        ("id,score\na,1\na,0\nb,1\n", "two scores for a (rows 1 and 2); if they are repeats"),
        ("id,Score\na,1\n", "no column 'score' (--score); did you mean 'Score'?"),
        ("id,score\na,1,2\n", "row 1 has 3 cells and the header 2"),
        ("id,score\n", "no rows"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_stored(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        load(write(tmp_path / "t.csv", text))
    assert told in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_a_nan_in_json_lines_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 1 \(id a\): the score in column 'score' is nan"):
        load(write(tmp_path / "t.jsonl", '{"id": "a", "score": NaN}\n'))
    with pytest.raises(DataError, match="row 2 has no column 'score'"):
        load(write(tmp_path / "t.jsonl", '{"id": "a", "score": 1}\n{"id": "b"}\n'))


def test_repeats_are_epochs_only_when_asked(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "id,score,try\na,1,1\na,0,2\nb,1,1\nb,1,2\n")
    made = load(file, Columns(id="id", score="score", epoch="try"))
    assert (made.questions, made.rows, made.epochs) == (2, 4, 2)
    number = summarize(Store(tmp_path / "store"), made.run).rows[0].estimate
    assert number is not None and (number.n, number.mean) == (2, 0.75)
    with pytest.raises(DataError, match="two scores in one epoch for a"):
        load(write(tmp_path / "u.csv", "id,score,try\na,1,1\na,0,1\n"), Columns(id="id", score="score", epoch="try"))


def test_clusters_bounds_and_direction_reach_the_comparison(tmp_path: Path) -> None:
    lines = ["id,model,score,page"]
    for i in range(24):
        lines += [f"q{i},a,{50 + i},p{i // 3}", f"q{i},b,{48 + i + (i % 3) / 10},p{i // 3}"]
    file = write(tmp_path / "t.csv", "\n".join(lines) + "\n")
    columns = Columns(id="id", score="score", model="model", cluster="page")
    load(file, columns, lower_is_better=True, bounds=(0.0, 100.0))
    row = compare(Store(tmp_path / "store"), ["latest"])[0].rows[0]
    assert row.score is not None and row.score.n_clusters == 8 and row.score.difference == pytest.approx(-1.9)
    assert row.verdict == "better", "lower is better"
    with pytest.raises(DataError, match=r"row 1 \(id q0\): the score 50 lies outside --bounds 0,1"):
        load(file, columns, bounds=(0.0, 1.0))


def test_seconds_that_nobody_took_are_missing_and_not_zero(tmp_path: Path) -> None:
    made = load(two_models(tmp_path / "scores.csv"), MODELS)
    row = summarize(Store(tmp_path / "store"), made.run).rows[0]
    assert row.seconds is None and row.estimate is not None


def test_on_the_command_line_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "t.csv", "id,score\na,1\na,0\n")
    assert main(["import", "table", str(file), "--id", "id", "--score", "score", "--store", str(tmp_path / "s")]) == 2
    said = capsys.readouterr().err
    assert "a (rows 1 and 2)" in said and "--epoch COL" in said and "Traceback" not in said
    assert main(["import", "table", str(tmp_path / "none.csv"), "--id", "id", "--score", "s"]) == 2
    assert "there is no file" in capsys.readouterr().err
