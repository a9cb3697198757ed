"""`weigh report`: a page that shows runs, to open from a disk or to put anywhere."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import msgspec

from weigh.cli.flags import add_store
from weigh.cli.redaction import add_redaction, is_redacting, place_of, redactor_of, scan, show_findings, show_names
from weigh.cli.terminal import say
from weigh.cli.words import many
from weigh.pipeline.payload import build_payload
from weigh.pipeline.payload_trials import Traces
from weigh.report.site import write_site
from weigh.store.layout import Store

HELP = """Write a page that shows runs: who leads and whether that is sure, every comparison, every question, what each
trial did, what is missing, and how to run it again. It opens from a disk without a network. RUN ... are runs (id, name,
`latest`), studies, RUN:ARM, or filters on axes (model=qwen*,group=nightly)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="*", metavar="RUN", help="what to show (default: the latest run)")
    parser.add_argument(
        "-o", "--output", metavar="DIR", default="weigh-report", help="the folder to write (default: %(default)s)"
    )
    parser.add_argument("--single-file", action="store_true", help="put traces into the page, to send it as one file")
    parser.add_argument(
        "--traces", choices=get_args(Traces), default="all",
        help="whose whole traces to include: of all trials, of those that failed or gave no answer, of none "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--title", metavar="TEXT", default="", help="of the page (default: the runs' names)")
    add_redaction(parser)
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    store = Store(args.store)
    made = build_payload(store, args.runs, traces=args.traces, title=args.title)
    index, chunks, title = made.index, [chunk.data for chunk in made.chunks], made.title
    if is_redacting(args):
        redactor = redactor_of(args, made.hosts)
        title = redactor.text(title, "the title")
        index = msgspec.json.encode(redactor.value(msgspec.json.decode(index), "the page"))
        chunks = [
            msgspec.json.encode([redactor.value(one, place_of(one)) for one in msgspec.json.decode(chunk)])
            for chunk in chunks
        ]
        show_findings(redactor.findings, replaced=True)
    else:
        show_findings(scan(index, chunks), replaced=False)
        show_names([index, *chunks], made.hosts)
    written = write_site(Path(args.output), title, index, chunks, single_file=args.single_file)
    page, *traces = (path.stat().st_size / 1e6 for path in written)
    size = f"{page:.1f} MB" + (f" and {sum(traces):.1f} MB of traces beside it" if traces else "")
    say(f"{written[0]}: {many(made.trials, 'trial')} of {many(made.arms, 'arm')}, {size}")
    return 0
