"""One file per command: `HELP` says what it does, `add_arguments(parser)` what it takes, `run(args) -> int` does it.

A new command is a file here and a line in `COMMANDS`. The table is all that is read until one command is asked for.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """Where a command lives and its line in the overview."""

    section: str
    help: str
    module: str


def _command(section: str, name: str, help: str) -> tuple[str, Command]:
    return name, Command(section, help, "weigh.cli.commands." + name.replace(" ", "_").replace("-", "_"))


COMMANDS: dict[str, Command] = dict(
    [
        _command("Run", "run", "run tasks on models; repeating a command resumes it"),
        _command("Run", "rescore", "score stored outputs anew, without a model"),
        _command("Run", "gateway", "serve a model to a program or an agent that is tried by hand"),
        _command("Look", "results", "the numbers of runs: score, standard error, interval, cost"),
        _command("Look", "report", "a page that shows runs, to open from a disk or put anywhere"),
        _command("Look", "view", "the report in a browser, renewed while a run goes on"),
        _command("Look", "trial", "one trial: prompt, output, scores, timing"),
        _command("Look", "show", "a task (definition, what the model will see), or a harness"),
        _command("Look", "explain", "why trials were or were not reused"),
        _command("Compare", "compare", "is B better than A? differences, intervals, tests, verdicts"),
        _command("Compare", "diff", "the questions on which two arms differ, with both answers"),
        _command("Compare", "trend", "a metric along checkpoints, steps or revisions, and which steps are real"),
        _command("Compare", "plot", "a picture for a paper: scores, differences, costs, trials, trends, markers"),
        _command("Compare", "power", "how many questions and epochs it takes to see a difference"),
        _command("Compare", "duel", "run two models until it is settled which is better, and no further"),
        _command("Compare", "gate", "for CI: pass, fail or cannot tell whether a change made things worse"),
        _command("Compare", "import table", "a file of per-question scores becomes a run"),
        _command("Compare", "judge check", "can a judge be trusted? agreement with people, position bias"),
        _command("Study", "study new", "begin a study of a package: a study file, a profile, two tasks"),
        _command("Study", "study plan", "the matrix of a study: what is done, what remains, what it will take"),
        _command("Study", "study run", "run what remains of a study, and show what came of it"),
        _command("Study", "study status", "every task in every arm: done, running, failed and why, missing"),
        _command("Study", "study show", "what each arm achieved and took, and for whom a change helps"),
        _command("Study", "study build", "install the revisions of a study"),
        _command("Study", "study clean", "remove installations of revisions"),
        _command("List", "ls tasks", "tasks that can be run"),
        _command("List", "ls suites", "suites of tasks"),
        _command("List", "ls models", "known local models, and which are here"),
        _command("List", "ls providers", "where tokens can come from, and what each needs"),
        _command("List", "ls harnesses", "harness presets"),
        _command("List", "ls agents", "command-line coding agents, and which are installed"),
        _command("List", "ls profiles", "libraries that can be studied without a profile of one's own"),
        _command("List", "ls runs", "runs in the store"),
        _command("Keep", "export atif", "write a run's trajectories as ATIF documents"),
        _command("Keep", "models get", "download a known model, digest checked"),
        _command("Keep", "models rm", "remove a downloaded model"),
        _command("Keep", "agents install", "install a coding agent, version pinned, in a folder of weigh's own"),
        _command("Keep", "external install", "install the program of a task that brings its own"),
        _command("Keep", "runs rm", "remove runs from the store"),
        _command("Keep", "runs verify", "check that runs are whole"),
        _command("Keep", "doctor", "what works on this machine, and how to get the rest"),
    ]
)

ALIASES = {"models ls": "ls models", "runs ls": "ls runs", "agents ls": "ls agents"}

GROUPS = frozenset(name.split()[0] for name in COMMANDS if " " in name)
