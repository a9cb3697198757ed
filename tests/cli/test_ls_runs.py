"""`weigh ls runs` of a run that has not ended, or was asked for several times: how many trials it has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.pipeline.compare_kit import put

from weigh.cli.main import main
from weigh.records.run import Invocation
from weigh.store.layout import Store


def listed(capsys: pytest.CaptureFixture[str], store: Store) -> dict[str, object]:
    assert main(["ls", "runs", "--store", str(store.path), "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    return dict(row)


def test_a_run_half_done_says_how_much_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "store")
    run = put(store, "half", {"t": {"q0": [1.0, 0.0], "q1": "error"}, "u": {"q2": 1.0}})
    folder = store.open(run.id)
    folder.begin(
        Invocation(
            id="i2", started=2000.0, plan={"cells": {"t": 8, "u": 4}}, provenance={"models": {"arm": {"name": "x"}}}
        )
    )
    row = listed(capsys, store)
    assert (row["trials"], row["planned"], row["failed"], row["ended"]) == (4, 12, 1, "not ended")
    assert main(["ls", "runs", "--store", str(store.path)]) == 0
    assert "4 of 12" in capsys.readouterr().out
    # Asked for a part of the run only: the whole run's trials are no part of that part's.
    folder.begin(Invocation(id="i3", started=3000.0, plan={"cells": {"t": 8}}, provenance={"models": {"arm": {}}}))
    row = listed(capsys, store)
    assert (row["trials"], row["planned"]) == (4, None)
    folder.end(Invocation(id="i3", started=3000.0, ended=3001.0, summary={"executed": 3, "failed": {"provider": 1}}))
    row = listed(capsys, store)
    assert (row["trials"], row["planned"], row["failed"], row["ended"]) == (4, None, 1, "done"), "all of it"
