"""What a model, a data set or a server says never reaches the terminal as a code that it would obey."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from weigh.cli.main import main
from weigh.cli.progress import Watcher
from weigh.cli.terminal import bold, clean, filled, guarded, style
from weigh.pipeline.request import Notice
from weigh.records.arm import Arm
from weigh.records.errors import Error
from weigh.records.instance import Instance
from weigh.records.request import ChatRequest, Message, Output, ToolCall
from weigh.records.run import Invocation, MetricInfo, Run, TaskInfo
from weigh.records.score import Score
from weigh.records.trajectory import Observation, Step, Trajectory
from weigh.records.trial import Timing, Trial
from weigh.store.journal import JournalWriter
from weigh.store.layout import Store

EVIL = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m \x9b2J \x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\"
    " \x08\x08\r\x7f \u202egnp.exe\u202c \x1bP+q\x1b\\ \x00"
)
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A run of two arms in which every text that is not ours is hostile."""
    made = Store(tmp_path_factory.mktemp("evil"))
    arms = tuple(Arm(id=f"arm{i}", digest=str(i) * 32, axes={"model": f"m{i}{EVIL}"}) for i in (1, 2))
    task = TaskInfo(name="sums", digest="t", metrics=(MetricInfo(name="acc", scorer="acc"),))
    folder = made.create(Run(id="evil-00000001", name="evil", created=1.0, arms=arms, tasks=(task,)))
    folder.begin(Invocation(id="i", started=1.0, ended=2.0, command=f"weigh run {EVIL}"))

    async def write() -> None:
        async with JournalWriter(folder, "w") as journal:
            for arm in arms:
                for number in range(3):
                    await journal.append(trial(arm.id, number))

    asyncio.run(write())
    return made


def trial(arm: str, number: int) -> Trial:
    call = ToolCall(id="c1", name=f"bash{EVIL}", arguments={"command": EVIL})
    seen = Observation(call_id="c1", tool=f"bash{EVIL}", content=EVIL, is_error=True)
    steps = (
        Step(source="user", message=EVIL),
        Step(source="model", message=EVIL, reasoning=EVIL, tool_calls=(call,), observations=(seen,)),
    )
    failed = number == 2
    return Trial(
        id=f"{arm}t{number}", run="evil-00000001", key=f"{arm}{number}", arm=arm, task="sums",
        instance=Instance(id=f"q{number}{EVIL}", question=EVIL, gold_answer=EVIL, metadata={"kind": EVIL}),
        instance_digest=f"d{number}", status="error" if failed else "ok",
        error=Error(kind="provider", message=EVIL, detail=EVIL) if failed else None,
        trajectory=Trajectory(
            request=ChatRequest(messages=(Message(role="user", content=EVIL),)),
            output=Output(text=EVIL + arm), steps=steps,
        ),
        scores={"acc": Score(value=float(arm == "arm1"), answer=EVIL, explanation=EVIL, digest="s")},
        timing=Timing(started=1.0, total=1.0),
    )  # fmt: skip


COMMANDS = [
    ["trial", "arm1t0"],
    ["trial", "arm1t0", "--steps"],
    ["trial", "arm1t2"],
    ["trial", "arm1t0", "--json"],
    ["diff", "evil:arm1", "evil:arm2"],
    ["diff", "evil:arm1", "evil:arm2", "--format", "md", "--full"],
    ["diff", "evil:arm1", "evil:arm2", "--format", "json"],
    ["results", "evil"],
    ["results", "evil", "--trials"],
    ["results", "evil", "--failed"],
    ["results", "evil", "--trials", "--format", "csv"],
    ["results", "evil", "--trials", "--format", "json"],
    ["compare", "evil:arm1", "evil:arm2", "--by", "kind"],
    ["compare", "evil:arm1", "evil:arm2", "--format", "json"],
    ["explain", "arm1t0"],
    ["ls", "runs"],
    ["runs", "verify", "evil"],
    ["results", f"evil{EVIL}"],
    ["compare", f"model=m1{EVIL}", f"x{EVIL}=y"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda w: " ".join(w)[:40].encode("ascii", "replace").decode())
def test_no_command_passes_a_code_on(store: Store, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = main([*words, "--store", str(store.path)])
    out, err = capsys.readouterr()
    assert code in (0, 1, 2) and (out or err)
    assert not RAW.search(out) and not RAW.search(err), "nothing that a terminal obeys"
    if "json" in words[-1] and code == 0:
        json.loads(out)


def test_it_is_shown_as_what_it_is(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    main(["trial", "arm1t0", "--store", str(store.path)])
    out = capsys.readouterr().out
    assert "␛]0;owned␇␛[2J␛[31mred␛[0m" in out and "\\u009b2J" in out and "\\u202egnp.exe" in out


def test_our_own_styles_are_let_through_and_nobody_elses(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded():
        print(f"{bold('head')} {style(31)}minus{style(0)} \x1b[31mtheirs\x1b[0m \tand\ta tab")
    assert capsys.readouterr().out == "\x1b[1mhead\x1b[0m \x1b[31mminus\x1b[0m ␛[31mtheirs␛[0m \tand\ta tab\n"
    assert clean("plain ü 数学 😀\n") == "plain ü 数学 😀\n"


def test_progress_and_errors_are_cleaned_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Watcher() as watch:
        watch(Notice(text=f"the server said {EVIL}"))
    assert main([f"nothing{EVIL}"]) == 2
    err = capsys.readouterr().err
    assert "the server said" in err and not RAW.search(err)
    assert filled("as it is, where it is no terminal " * 9) == "as it is, where it is no terminal " * 9
