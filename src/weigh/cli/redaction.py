"""The flags of commands that publish, and how what was found is shown."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from weigh.cli.terminal import say
from weigh.cli.words import many
from weigh.report.own_names import count_names
from weigh.report.redact import Finding, Machine, Redactor, describe, load_settings, this_machine

SHOWN = 20


def add_redaction(parser: argparse.ArgumentParser) -> None:
    """Add `--redact`, `--redact-pattern` and `--redact-file`."""
    parser.add_argument(
        "--redact", action="store_true",
        help="replace secrets, your home folder, user and host name by placeholders (docs/redaction.md)",
    )  # fmt: skip
    parser.add_argument(
        "--redact-pattern", action="append", default=[], metavar="NAME=REGEX",
        help="replace what matches, too (repeatable; implies --redact)",
    )  # fmt: skip
    parser.add_argument(
        "--redact-file",
        type=Path,
        metavar="FILE",
        help="patterns, words and kinds to keep, in TOML, YAML or JSON (implies --redact)",
    )


def is_redacting(args: argparse.Namespace) -> bool:
    """Whether the user asked for redaction."""
    return bool(args.redact or args.redact_pattern or args.redact_file)


def redactor_of(args: argparse.Namespace, hosts: Iterable[str] = ()) -> Redactor:
    """The redactor that the flags ask for; without `--redact` it still serves to scan.

    Args:
        hosts: Names of hosts that the stored runs know.

    Raises:
        DefinitionError: The file or a pattern cannot be used.
    """
    return Redactor(this_machine(hosts), load_settings(args.redact_file, args.redact_pattern))


def scan(index: bytes, chunks: Iterable[bytes]) -> tuple[Finding, ...]:
    """The secrets in what is about to be published as it is; names and paths are counted by `show_names`.

    Args:
        index: The page's data, as JSON.
        chunks: Lists of trials, as JSON.
    """
    redactor = Redactor(Machine(values=this_machine().values))
    for data in chunks:
        if redactor.suspects(data.decode()):
            for record in msgspec.json.decode(data):
                redactor.value(record, place_of(record))
    if not redactor.findings and redactor.suspects(index.decode()):
        redactor.value(msgspec.json.decode(index), "the page")
    return redactor.findings


def show_names(data: Iterable[bytes], hosts: Iterable[str]) -> None:
    """Say on stderr, in one line, how often names of the user's own stand in what is published as it is."""
    found = count_names(this_machine(hosts), (part.decode() for part in data))
    if found:
        shown = ", ".join(f"{what} {many(times, 'time')}" for what, times in found.items())
        say(f"published as it is: {shown} (--redact replaces them)")


def place_of(record: Mapping[str, Any]) -> str:
    """A record of a report's chunks, as findings name it: a trial, or a text that trials were given."""
    return "what trials were given" if "given" in record else f"trial {record['id']}"


def show_findings(findings: Iterable[Finding], *, replaced: bool) -> None:
    """Say on stderr what was found, before anything is published."""
    lines = describe(findings)
    if not lines:
        return
    say("replaced:" if replaced else "looks like secrets, and is published as it is (--redact replaces it):")
    for line in lines[:SHOWN]:
        say(f"  {line}")
    if len(lines) > SHOWN:
        say(f"  and {len(lines) - SHOWN} more")
