"""The writer: modules become one script, an earlier report is replaced and nothing else, policies name every script."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode
from pathlib import Path

import pytest

from tests.report.kit import pair, study
from weigh.cli.main import main
from weigh.pipeline.payload import build_payload
from weigh.records.errors import StoreError
from weigh.report.scripts import bundle
from weigh.report.site import asset, page, policy, write_site
from weigh.store.layout import Store


def test_modules_are_joined_in_the_order_of_their_imports() -> None:
    made = bundle({
        "main.js": 'import { two } from "./two.js";\nconsole.log(two());\n',
        "two.js": 'import { one, START } from "./one.js";\nexport function two() { return one() + START; }\n',
        "one.js": "export const START = 1, END = 2;\nexport function one() { return 1; }\n",
    }, "main.js")  # fmt: skip
    assert made.index("module_one =") < made.index("module_two =") < made.index("module_main =")
    assert "return { one, START, END };" in made and "import" not in made and "export" not in made


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        ({"a.js": 'import { b } from "./b.js";\n'}, "no module b.js"),
        ({"a.js": 'import { a } from "./a.js";\n'}, "circle: a.js > a.js"),
        ({"a.js": "export default 3;\n"}, "not known: export default 3"),
    ],
)
def test_what_the_joiner_does_not_know_is_an_error(modules: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        bundle(modules, "a.js")


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"holds other files \(thesis.txt\)"):
        write_site(tmp_path, "t", b"{}", [])
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_earlier_report_is_replaced(tmp_path: Path) -> None:
    write_site(tmp_path / "r", "t", b"{}", [b"[]", b"[]"])
    assert len(write_site(tmp_path / "r", "t", b"{}", [b"[]"])) == 2
    assert [p.name for p in (tmp_path / "r" / "traces").iterdir()] == ["0.js"]


def test_no_script_runs_without_its_digest() -> None:
    text = page("<b>title</b> & more", b'{"a": 1}')
    assert "<b>title" not in text and "&lt;b&gt;title&lt;/b&gt; &amp; more" in text
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert found is not None and found[1] == policy(scripts)
    assert "unsafe-eval" not in found[1] and "connect-src 'none'" in found[1] and "http" not in found[1]


def test_libraries_come_with_their_licences() -> None:
    for name in ("vega", "vega-lite", "vega-interpreter"):
        assert "Redistribution and use" in asset(f"vendor/{name}.LICENSE")
    assert "sourceMappingURL" not in asset("vendor/vega.min.js") + asset("vendor/vega-lite.min.js")


def test_a_title_that_looks_like_a_place_holder_stays_a_title() -> None:
    assert "<title>{{payload}}</title>" in page("{{payload}}", b"{}")


@pytest.mark.parametrize(("traces", "count"), [("all", 288), ("failed", 6), ("none", 0)])
def test_traces_are_those_asked_for(tmp_path: Path, traces: str, count: int) -> None:
    store = Store(tmp_path / "store")
    study(store)
    made = build_payload(store, ["study"], traces=traces)  # type: ignore[arg-type]
    found = [record["id"] for chunk in made.chunks for record in json.loads(chunk.data) if "run" in record]
    assert len(found) == count
    index = json.loads(made.index)
    at = dict(zip(index["trials"]["id"], index["trials"]["chunk"], strict=True))
    for number, chunk in enumerate(made.chunks):
        for record in json.loads(chunk.data):
            assert {**at, **index["given"]}[record["id"]] == number
    # Two ways to give one Skill: three texts, whatever the number of trials. One arm has a trial that failed.
    assert len(index["given"]) == {"all": 3, "failed": 2, "none": 0}[traces]


def test_secrets_are_replaced_in_index_and_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    study(store, questions=6)
    words = [
        "report",
        "--store",
        str(store.path),
        "-o",
        str(tmp_path / "r"),
        "--redact-pattern",
        "place=number 5|Use mylib",
    ]
    assert main(words) == 0
    text = (tmp_path / "r" / "index.html").read_text()
    payload = re.search(r'id="payload">([^<]*)<', text)
    assert payload is not None
    index = gzip.decompress(b64decode(payload[1])).decode()
    chunk = (tmp_path / "r" / "traces" / "0.js").read_text().split('"')[1]
    traces = gzip.decompress(b64decode(chunk)).decode()
    assert "number 4" in index and "number 4" in traces
    assert "number 5" not in index and "number 5" not in traces
    assert ", offered. <img" in traces and "Use mylib" not in traces


def test_a_store_without_costs_scores_or_second_arm_still_opens(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    pair(store)
    index = json.loads(build_payload(store, ["pair:old"]).index)
    assert [arm["label"] for arm in index["arms"]] == ["old"]
    assert index["pairs"] == {} and index["matrix"] == {}
    assert all(row["arm"] == 0 for row in index["coverage"])
