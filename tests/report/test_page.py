"""The page in a real browser, opened from a disk with the network off: every view, filter, link and key."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.report.conftest import Opened
from tests.report.kit import HOSTILE, pair
from weigh.cli.main import main
from weigh.cli.trial_given import given_text
from weigh.pipeline.plot import draw
from weigh.pipeline.plot_rows import Options
from weigh.records.given import all_given
from weigh.store.layout import Store
from weigh.store.reader import read_trials

OPTIONS = "all => all.map(o => [o.value, o.textContent])"
RUNNING = "document.querySelectorAll('main script, main iframe, main a[href^=\"javascript\"]').length"
VIEWS = ("overview", "compare", "questions", "trace", "coverage", "tasks", "run")


def told(*words: str) -> str:
    """What a command prints."""
    out = io.StringIO()
    with redirect_stdout(out):
        assert main(list(words)) == 0
    return out.getvalue()


def rows(page: Any, name: str) -> list[list[str]]:
    """The cells of a table, by its label."""
    found: list[list[str]] = page.eval_on_selector_all(
        f'[aria-label="{name}"] tbody tr', "trs => trs.map(tr => [...tr.children].map(td => td.innerText.trim()))"
    )
    return found


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_drawn_without_an_error_and_asks_nobody(opened: Opened, view: str) -> None:
    page = opened.go(view=view)
    assert page.inner_text("h1")
    page.wait_for_selector(".loading", state="detached")
    for chart in page.query_selector_all(".chart"):
        chart.wait_for_selector("svg")
    assert opened.errors == []
    assert all(url.startswith((opened.folder.as_uri(), "data:")) for url in opened.requests)
    assert page.evaluate("window.owned") is None


def test_the_numbers_of_results_are_those_of_the_terminal(opened: Opened, store: Store) -> None:
    for level in ("0.95", "0.99"):
        page = opened.go(view="overview", level=level)
        text = told("results", "study", "--store", str(store.path), "--level", level)
        for row in rows(page, "Results"):
            line = next(line for line in text.splitlines() if line.startswith(f"{row[0]} ") and row[1] in line)
            for cell in row[3:6]:
                assert cell.replace(" %", "") in line, (level, row, line)
        assert len(rows(page, "Results")) == 4 * 4  # three tasks and a suite; the other suite has no number
        assert "more: no aggregate: no number for speech" in page.inner_text("main")


@pytest.mark.parametrize("flags", [{}, {"level": "0.9"}, {"errors": "zero"}, {"metric": "tokens"}])
def test_the_numbers_of_a_comparison_are_those_of_the_terminal(
    opened: Opened, store: Store, flags: dict[str, str]
) -> None:
    page = opened.go(view="compare", a=0, b=3, **flags)
    command = page.inner_text("#command").replace("'", "").split()
    assert command[:2] == ["weigh", "compare"]
    text = told(*command[1:], "--store", str(store.path))
    shown = rows(page, "The paired comparison")
    assert len(shown) >= 3
    for row in shown:
        line = next(line for line in text.splitlines() if line.startswith(f"{row[0]} "))
        assert all(cell in line for cell in row if cell != "-"), (row, line)
    flat = " ".join(text.split())
    assert " ".join(page.inner_text("#conclusion").split()) in flat
    for note in page.eval_on_selector_all("#main .notes li", "lis => lis.map(li => li.innerText)"):
        assert " ".join(note.split()) in flat


def test_sides_may_be_all_arms_of_one_tier(opened: Opened, store: Store) -> None:
    page = opened.go(view="compare")
    names = page.eval_on_selector_all(
        "#main label:has-text('A') option", "all => all.map(o => [o.value, o.textContent])"
    )
    at = {text.split(" (")[0]: value for value, text in names}
    page = opened.go(view="compare", a=at["tier=bare"], b=at["tier=skill"])
    text = told(*page.inner_text("#command").replace("'", "").split()[1:], "--store", str(store.path))
    row = rows(page, "The paired comparison")[0]
    assert row[2] == "47"  # both models' questions, one of which failed
    assert all(cell in text for cell in row if cell != "-")


def test_questions_shared_by_every_arm_of_two_tiers(opened: Opened, store: Store) -> None:
    page = opened.go(view="compare")
    names = page.eval_on_selector_all("#main label:has-text('A') option", OPTIONS)
    at = {text.split(" (")[0]: value for value, text in names}
    page = opened.go(view="compare", a=at["tier=bare"], b=at["tier=skill"], shared=1)
    command = page.inner_text("#command").replace("'", "").split()
    assert command[-1] == "--shared"
    text = told(*command[1:], "--store", str(store.path))
    shown = rows(page, "The paired comparison")
    assert shown[0][2] == "46"  # one question failed for one model, and is left out for both
    for row in shown:
        line = next(line for line in text.splitlines() if line.startswith(f"{row[0]} "))
        assert all(cell in line for cell in row if cell != "-"), (row, line)


def test_what_the_skill_changed_is_asked_for_each_size(opened: Opened, store: Store) -> None:
    page = opened.go(view="compare")
    names = page.eval_on_selector_all("#main label:has-text('A') option", OPTIONS)
    at = {text.split(" (")[0]: value for value, text in names}
    page = opened.go(view="compare", a=at["tier=bare"], b=at["tier=skill"])
    shown = rows(page, "The effect along size")
    command = page.inner_text("pre.small:has-text('--interaction size')").replace("'", "").split()
    text = told(*command[1:], "--store", str(store.path))
    for row in shown:
        assert any(all(cell in line for cell in row if cell != "-") for line in text.splitlines()), row
    assert len(shown) == 4 * 3  # two sizes and their difference, for three tasks and all questions together


def test_a_marker_is_compared_as_on_the_command_line(opened: Opened, store: Store) -> None:
    page = opened.go(view="compare", metric="marker:cli")
    offered = page.eval_on_selector_all("#main label:has-text('by') option", OPTIONS)
    assert ["marker:cli", "trials with cli"] in offered and "marker:gave-up" not in dict(offered), (
        "that one never fired"
    )
    shown = rows(page, "The paired comparison")
    command = page.inner_text("#command").replace("'", "").split()
    assert "marker:cli" in command and len(shown) >= 3
    lines = told(*command[1:], "--store", str(store.path)).splitlines()
    for row in shown:
        line = next(line for line in lines if line.startswith(f"{row[0]} "))
        assert all(cell in line for cell in row if cell != "-"), (row, line)


@pytest.mark.parametrize("marker", ["marker:cli", "marker:gave-up"])
def test_trials_are_split_by_the_path_they_took_as_on_the_command_line(
    opened: Opened, store: Store, marker: str
) -> None:
    page = opened.go(view="compare", a=0, b=3)
    assert [marker, f"trials: {marker[7:]}"] in page.eval_on_selector_all("label:has-text('split by') option", OPTIONS)
    page = opened.go(view="compare", a=0, b=3, by=marker)
    shown = rows(page, "Trials by the path they took")
    command = page.inner_text("#command").replace("'", "").split()
    assert command[-2:] == ["--by", marker]
    lines = told(*command[1:], "--store", str(store.path), "--format", "md").splitlines()
    table = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if line.startswith("| ")]
    assert shown == table[2:]
    assert {row[2] for row in shown} == {"no", "unknown", *(["yes"] if marker == "marker:cli" else [])}
    assert " ".join(page.inner_text("#path-note").split()) == " ".join(" ".join(lines[len(table) + 1 :]).split())


def test_subgroups_have_rows_of_their_own(opened: Opened) -> None:
    page = opened.go(view="compare", a=0, b=3, by="kind")
    found = rows(page, "The paired comparison")
    assert [row[0] for row in found] == ["- even", "- odd"] * 3


def test_the_matrix_shows_every_pair_and_its_evidence(opened: Opened, store: Store) -> None:
    page = opened.go(view="compare", task="all")
    cells = page.query_selector_all(".matrix button.cell")
    assert len(cells) == 12
    label = "small/bare against large/skill on all"
    page.click(f'.matrix button[aria-label^="{label}"]')
    assert "a=0&b=3" in page.evaluate("location.hash")
    evidence = rows(page, "Evidence of the chosen cell")[0]
    data = json.loads(told("compare", "study", "--store", str(store.path), "--format", "json"))
    found = next(r for r in data["table"] if (r["task"], r["a"], r["b"]) == ("all", "small/bare", "large/skill"))
    assert evidence[0] == str(found["n"]) and evidence[3] == f"{100 * found['difference']:+.1f}"
    assert "better" in evidence


def test_the_front_is_that_of_plot(opened: Opened, store: Store) -> None:
    for task, name in ((-1, "all"), (1, "count")):
        page = opened.go(view="overview", of=task, cost="seconds")
        drawn = draw(store, "cost", ["study"], Options(tasks=(name,), cost="seconds"))
        best = {(row["x"], row["y"]) for row in drawn.more or ()}
        expected = [row["series"] for row in sorted(drawn.rows, key=lambda r: r["x"]) if (row["x"], row["y"]) in best]
        assert page.inner_text("#front").split(": ")[1].split(". ")[0] == ", ".join(expected)
    arms = opened.go(view="overview", of=1, cost="seconds", arms="0.1").inner_text("#front")
    assert "large" not in arms and "small" in arms  # the front of those that are shown


def test_every_number_of_a_trial_can_be_shown(opened: Opened) -> None:
    page = opened.go(view="overview")
    names = [text for _, text in page.eval_on_selector_all("label:has-text('show') option", OPTIONS)]
    assert {"score", "median time (seconds)", "median new tokens", "median cached tokens", "median generated tokens",
            "median turns", "trials with an error", "trials with cli"} <= set(names)  # fmt: skip
    values = [value for value, _ in page.eval_on_selector_all("label:has-text('show') option", OPTIONS)]
    for place, value in enumerate(values[::3]):
        page = opened.go(view="overview", measure=value, over=("task", "size", "tier")[place % 3])
        page.wait_for_selector(".chart[data-drawn] svg")
    assert opened.errors == []


def test_panels_have_the_order_of_the_table_and_titles_of_one_height(opened: Opened) -> None:
    page = opened.go(view="overview", over="size", series="tier")
    page.wait_for_selector(".chart[data-chart=line][data-drawn]")
    tops = dict(
        page.eval_on_selector(
            ".chart[data-chart=line]",
            "chart => [...chart.querySelectorAll('text[font-weight=bold]')]"
            ".map(t => [t.textContent, Math.round(t.getBoundingClientRect().top)])",
        )
    )
    assert list(tops) == list(dict.fromkeys(row[0] for row in rows(page, "Results")))
    assert len(set(list(tops.values())[:2])) == 1, "in one line"


def test_a_point_of_a_difference_leads_to_the_questions_behind_it(opened: Opened) -> None:
    page = opened.go(view="compare", a=0, b=3)
    page.wait_for_selector(".chart[data-chart=forest][data-drawn]")
    task = rows(page, "The paired comparison")[0][0]
    point = page.query_selector_all(".chart[data-chart=forest] .mark-symbol path")[0]
    point.hover()
    assert page.inner_text("#tip").startswith(f"{task}: ")
    point.click()
    page.wait_for_selector("html[data-view=questions]")
    assert {"a=0", "b=3"} <= set(page.evaluate("location.hash").lstrip("#").split("&"))
    chosen = "label => label.querySelector('select').selectedOptions[0].textContent"
    assert page.eval_on_selector("#main label:has-text('task')", chosen) == task


def test_a_tier_is_left_out_by_one_box(opened: Opened) -> None:
    page = opened.go(view="overview")
    page.click("summary:has-text('arms: all')")
    page.uncheck("fieldset:has-text('tier') label:has-text('bare') input")
    assert "arms=1.3" in page.evaluate("location.hash")
    assert {row[1] for row in rows(page, "Results")} == {"small/skill", "large/skill"}
    focused = "document.activeElement.closest('label').textContent"
    assert page.evaluate(focused) == "bare", "the keyboard stays where it was"
    page.check("fieldset:has-text('tier') label:has-text('bare') input")
    assert "arms=" not in page.evaluate("location.hash")


def test_markers_say_what_they_mean_and_which_never_fired(opened: Opened) -> None:
    page = opened.go(view="overview")
    shown = rows(page, "Markers by arm")
    assert {row[0] for row in shown} == {"cli"} and all("command-line tool" in row[-1] for row in shown)
    assert "Never: gave-up" in page.inner_text("main")


def test_single_trials_on_a_linear_and_a_logarithmic_scale(opened: Opened) -> None:
    strip = ".chart[data-chart='strip']"
    for scale in ("", "log"):
        page = opened.go(view="overview", cost="seconds", scale=scale)
        assert page.is_checked("label:has-text('logarithmic') input") == (scale == "log")
        page.wait_for_selector(f"{strip}[data-drawn]")
        assert len(page.query_selector_all(f"{strip} .mark-symbol path")) > 200  # trials
        assert len(page.query_selector_all(f"{strip} .mark-rect path")) >= 4  # boxes


def test_questions_show_flips_first_and_filters_describe(opened: Opened, store: Store) -> None:
    page = opened.go(view="questions", a=0, b=3, task=1)
    made = json.loads(
        told(
            "diff",
            "study:small/bare",
            "study:large/skill",
            "--task",
            "count",
            "--store",
            str(store.path),
            "--format",
            "json",
        )
    )
    assert page.inner_text("#count").startswith(f"{made['won'] + made['lost']} question")
    assert "prove nothing" in page.inner_text("#count")
    page = opened.go(view="questions", a=0, b=3, show="all", task=1)
    assert len(page.query_selector_all("#questions button")) == 24
    page = opened.go(view="questions", a=0, b=3, show="all", meta="kind=odd")
    assert len(page.query_selector_all("#questions button")) == 36
    page = opened.go(view="questions", a=0, b=3, show="failed", task=0)
    assert [b.inner_text().split("\n")[-1] for b in page.query_selector_all("#questions button")] == ["label · q3"]


def test_questions_are_searched_by_words_and_by_regular_expression(opened: Opened) -> None:
    page = opened.go(view="questions", a=0, b=3, show="all")
    page.fill("#search", "count number 7")
    assert len(page.query_selector_all("#questions button")) == 1
    page = opened.go(view="questions", a=0, b=3, show="all", regex=1, q="number (7|8)$")
    assert len(page.query_selector_all("#questions button")) == 6
    page = opened.go(view="questions", a=0, b=3, show="all", regex=1, q="(")
    assert "cannot be read" in page.inner_text("#main")


def test_keys_walk_the_questions_and_open_the_trace(opened: Opened) -> None:
    page = opened.go(view="questions", a=0, b=3, show="all", task=1)
    current = '#questions [aria-current="true"]'
    first = page.inner_text(current)
    page.keyboard.press("j")
    second = page.inner_text(current)
    assert second != first
    page.keyboard.press("k")
    assert page.inner_text(current) == first
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    page.wait_for_selector("html[data-view='trace']")
    page.keyboard.press("5")
    page.wait_for_selector("html[data-view='coverage']")


def test_two_answers_are_marked_where_they_differ(opened: Opened) -> None:
    page = opened.go(view="questions", a=0, b=3, show="won", task=1)
    page.wait_for_selector("pre.output del")
    assert page.query_selector("pre.output ins")


def test_prompts_are_held_against_each_other(opened: Opened) -> None:
    page = opened.go(view="questions", a=0, b=3, show="won", task=1)
    page.wait_for_selector("details.asked:has-text('differences marked; what else was given differs too')")
    # The Skill is in no request: the agent put it into its first message.
    assert page.inner_text("details.asked ins").strip() == "<skill>Run `mylib run N`.</skill>"
    assert page.inner_text(".facts a") == "match: wrong"
    assert "wrong → right" in page.inner_text("#questions")
    assert "mean of A 0 %, of B 100 %" in page.inner_text("#count")


def test_prompts_are_the_same_only_where_all_that_was_given_is(opened: Opened) -> None:
    page = opened.go(view="questions", a=0, b=2, show="all", task=1)
    page.wait_for_selector("details.asked summary:has-text('(the same for both)')")
    page = opened.go(view="questions", a=0, b=1, show="all", task=1)
    page.wait_for_selector("details.asked[open] > summary:has-text('what else was given differs')")
    assert "Skill mylib (offered)" in page.inner_text("details.asked .given summary")
    page = opened.go(view="tasks", task=1)
    page.wait_for_selector(".told")
    told = page.eval_on_selector_all(".told h3", "all => all.map(e => e.textContent)")
    assert told == [
        "The prompt as rendered: small/bare, large/bare",
        "The prompt as rendered: small/skill (as the first; what else was given differs)",
        "The prompt as rendered: large/skill (held against the first)",
    ]
    assert page.inner_text(".told pre.prompt ins").strip() == "<skill>Run `mylib run N`.</skill>"


def test_a_link_to_a_step_can_be_copied(opener: Callable[..., Opened], site: Path) -> None:
    opened = opener(site, permissions=["clipboard-read", "clipboard-write"])
    page = opened.go(view="trace")
    page.click("[aria-label='Copy a link to step 3']")
    page.wait_for_selector("button:has-text('copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.evaluate("location.href") and copied.endswith("step=3")


def test_a_trace_shows_its_steps_errors_and_marker_hits(opened: Opened) -> None:
    page = opened.go(view="questions", a=1, b=3, show="won", task=1)
    page.keyboard.press("t")
    page.wait_for_selector(".step")
    assert len(page.query_selector_all("section")) == 2
    assert page.query_selector("pre.observation.error")
    assert page.inner_text(".reasoning").startswith("I had better look")
    page.wait_for_selector("pre.call mark")
    assert page.inner_text("pre.call mark").strip() == "mylib"
    page.click("summary:has-text('raw record')")
    assert json.loads(page.inner_text("pre.raw"))["instance"]["id"]
    trial = page.inner_text(".facts dd")
    page = opened.go(view="trace", trial=trial, step=3)
    page.wait_for_selector(".step.here")
    assert page.get_attribute(".step.here", "data-step") == "3"


def test_a_trace_begins_with_what_was_given_besides_the_question(opened: Opened, store: Store) -> None:
    run = store.runs()[0]
    arms = {arm.id: arm for arm in run.arms}
    trials = {t.arm: t for t in read_trials(store.open(run.id)) if t.instance.id == "q9"}
    page = opened.go(view="trace", trial=trials["large/skill"].id, vs=trials["small/bare"].id)
    page.wait_for_selector(".given")
    # A trial of before it was recorded has nothing to open.
    assert [row.inner_text() for row in page.query_selector_all("p.given")] == ["given: tier bare"]
    line = page.inner_text(".given summary")
    size = f"{len(f'Use mylib, loaded. {HOSTILE}')} B"
    assert line == f"given: loop 1.0; tier skill; Skill mylib (loaded); 2 tools: bash, read; system prompt {size}"
    made = trials["large/skill"].trajectory
    assert made is not None
    told = given_text(all_given(made), arms["large/skill"].axes, steps=True)
    assert line == f"given: {told}", "the terminal says the same"
    assert [s.get_attribute("data-step") for s in page.query_selector_all(".trace .step")][:4] == ["1", "2", "3", "4"]
    assert not page.is_visible(".given pre")
    page.focus(".given summary")
    page.keyboard.press("Enter")
    page.wait_for_selector(".given section")
    assert page.eval_on_selector_all(".given section", "all => all.map(s => s.innerText.split('\\n')[0])") == [
        "system prompt", "mylib/SKILL.md",
    ]  # fmt: skip
    assert page.inner_text(".given pre") == f"Use mylib, loaded. {HOSTILE}"
    assert page.evaluate(RUNNING) == 0 and page.evaluate("window.owned") is None and opened.errors == []


def test_coverage_says_what_is_missing_and_why(opened: Opened) -> None:
    page = opened.go(view="coverage")
    text = page.inner_text("#missing")
    assert "3 failed (provider)" in text and "part of more, and not in this run" in text
    assert "285 of 288 planned trials are done, 3 failed" in page.inner_text(".lead")


def test_a_task_shows_inputs_target_and_every_answer(opened: Opened) -> None:
    page = opened.go(view="tasks", task=2)
    page.wait_for_selector("img.input")
    assert page.evaluate("document.querySelector('img.input').naturalWidth") == 1
    assert len(rows(page, "Answers of every arm")) == 4
    assert "answer 0" in page.inner_text("#main")


def test_a_run_gives_the_exact_command(opened: Opened) -> None:
    page = opened.go(view="run")
    assert page.inner_text("pre.run-command") == "weigh run -m small -m large -t all --name study"
    assert "the server went away" in page.inner_text('[aria-label="Failures by reason"]')
    assert page.inner_text("#warnings") == "left out: speech: no data"
    shown = [[row[1], row[2], row[3]] for row in rows(page, "Invocations")]
    assert shown == [["60.0 s", "288", "288"]]
    page.click("summary:has-text('provenance')")
    assert ["host name", "testhost"] in rows(page, "Provenance") and ["mylib", "5.8"] in rows(page, "Provenance")
    page.click("summary:has-text('configuration')")
    assert json.loads(page.inner_text("details:has-text('configuration') pre"))["harness"] == {"name": "loop"}


def test_every_link_leads_somewhere(opened: Opened) -> None:
    found: dict[str, str] = {}
    for view in VIEWS:
        page = opened.go(view=view)
        page.wait_for_selector(".loading", state="detached")
        for address in page.eval_on_selector_all("a[href^='#view']", "all => all.map(a => a.getAttribute('href'))"):
            found.setdefault("".join(c for c in address.partition("trial=")[0] if not c.isdigit()), address)
    assert len(found) >= 10
    for address in found.values():
        state = dict(part.split("=", 1) for part in address[1:].split("&"))
        page = opened.go(**state)
        page.wait_for_selector(".loading", state="detached")
        assert page.get_attribute("nav [aria-current]", "href").split("&")[0] == f"#view={state['view']}"
        assert not page.query_selector("main .bad:has-text('beside this page')")
    assert opened.errors == []


def test_each_view_has_a_key_and_keys_walk_traces_and_tasks(opened: Opened) -> None:
    page = opened.go(view="run")
    for number, view in enumerate(VIEWS, 1):
        page.keyboard.press(str(number))
        page.wait_for_selector(f"html[data-view='{view}']")
    for view, place in (("trace", ".row b"), ("tasks", ".row span:has-text('question ')")):
        page = opened.go(view=view)
        first = page.inner_text(place)
        for key, expected in (("n", False), ("p", True), ("j", False), ("k", True)):
            page.keyboard.press(key)
            assert (page.inner_text(place) == first) is expected, (view, key)


def test_dark_and_light_are_a_button_away(opener: Callable[..., Opened], site: Path) -> None:
    page = opener(site, color_scheme="light").page
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click("[aria-label='Dark or light']")
    assert page.get_attribute("html", "data-theme") == "dark" and page.evaluate(ground) != light
    page.wait_for_selector(".chart[data-drawn]")
    assert "#62b5f2" in page.inner_html(".chart"), "charts too"


def test_the_address_keeps_what_is_shown(opened: Opened, opener: Callable[..., Opened], site: Path) -> None:
    page = opened.go(view="overview")
    page.select_option("label:has-text('confidence') select", "0.99")
    page.select_option("label:has-text('over') select", "tier")
    page.click("summary:has-text('arms')")
    page.uncheck("label:has-text('large/bare') input")
    address = page.evaluate("location.hash")
    other = opener(site)
    other.page.goto((site / "index.html").as_uri() + address)
    other.page.reload()
    other.page.wait_for_selector("html[data-ready]")
    assert other.page.inner_text("main h2") == "Score by tier"
    assert "99 % interval" in other.page.inner_text("main")
    assert not any("large/bare" in row[1] for row in rows(other.page, "Results"))


def test_what_a_model_wrote_is_only_ever_text(opened: Opened) -> None:
    page = opened.go(view="questions", a=0, b=3, show="all", task=0)
    page.click("#questions button:has-text('label · q0')")
    assert HOSTILE in page.inner_text("main pre.text")
    page.keyboard.press("t")
    page.wait_for_selector(".step")
    assert page.query_selector(".step img") is None
    page.wait_for_timeout(50)
    assert page.evaluate("window.owned") is None
    assert page.evaluate(RUNNING) == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_finding_of_axe(opener: Callable[..., Opened], site: Path, theme: str) -> None:
    axe = pytest.importorskip("axe_core_python.sync_playwright").Axe()
    page = opener(site, color_scheme=theme, bypass_csp=True)
    for view in VIEWS:
        page.go(view=view)
        page.page.wait_for_selector(".loading", state="detached")
        found = axe.run(page.page)["violations"]
        serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
        assert serious == [], (view, serious)


def test_nothing_is_wider_than_a_phone(opener: Callable[..., Opened], site: Path) -> None:
    page = opener(site)
    page.page.set_viewport_size({"width": 375, "height": 740})
    for view in VIEWS:
        page.go(view=view)
        assert page.page.evaluate("document.documentElement.scrollWidth") <= 375, view


def test_one_file_holds_its_traces(opener: Callable[..., Opened], tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    pair(store)
    folder = tmp_path / "one"
    assert main(["report", "--store", str(store.path), "-o", str(folder), "--single-file"]) == 0
    assert not (folder / "traces").exists()
    page = opener(folder).go(view="trace")
    page.wait_for_selector(".step.model")
    assert "says" in page.inner_text(".step.model") and page.query_selector(".given") is None
    assert "B is better" in opener(folder).go(view="overview").inner_text(".lead")
