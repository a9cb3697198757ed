"""`weigh study new`: the beginning of a study of a package."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from weigh.cli.terminal import say
from weigh.study.new import NewStudy, new_study

HELP = """Write a folder with a commented study.yaml, a profile and two tasks that run on any package. NAME is the
package on the index unless --package or --repository says otherwise; its last two releases are the first revisions."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the study and its folder")
    parser.add_argument("--package", metavar="NAME", help="the library's name on the package index")
    parser.add_argument("--repository", metavar="URL", help="its git repository, an address or a folder")
    parser.add_argument("--module", metavar="NAME", help="what Python imports (default: guessed from the package)")
    parser.add_argument("--command", metavar="NAME", help="the command it installs, if any")
    parser.add_argument("--folder", metavar="DIR", help="where to write (default: ./NAME)")


def run(args: argparse.Namespace) -> int:
    folder = Path(args.folder or args.name)
    wanted = NewStudy(
        name=args.name,
        package=args.package,
        repository=args.repository,
        module=args.module,
        command=args.command,
    )
    for path in asyncio.run(new_study(wanted, folder)):
        print(path)
    say(f"look at them, then: weigh study plan {folder}")
    return 0
