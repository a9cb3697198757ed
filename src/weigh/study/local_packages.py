"""Folders and files of this machine among `install.packages`: what they are is what is in them.

So editing one makes another installation. A folder counts as a revision that is a folder does: what git ignores is left
out, and it is built from a copy, since builds write into it.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from weigh.records.digest import digest_file
from weigh.records.errors import CapabilityError, DefinitionError, suggest
from weigh.study.revisions import folder_digest, folder_files
from weigh.study.sources import copy_files

_EXTRAS = re.compile(r"\[[^\[\]/]*\]$")


class LocalPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A folder or file that is installed beside the library.

    Attributes:
        text: As it was written: `./server`, `../lib[extra]`, `./built.whl`.
        path: Where it is.
        digest: Of its content.
    """

    text: str
    path: str
    digest: str

    @property
    def extras(self) -> str:
        """What stands in brackets behind the path, with them."""
        found = _EXTRAS.search(self.text)
        return found[0] if found else ""


def is_local(text: str) -> bool:
    """Whether a requirement is a folder or file of this machine."""
    return text.startswith((".", "/", "~"))


async def local_packages(texts: Sequence[str], base: Path, where: str) -> tuple[LocalPackage, ...]:
    """The local ones of some requirements, with what is in them now.

    Args:
        base: Where relative paths begin.
        where: Where they were written, for the error.

    Raises:
        DefinitionError: One is not there.
    """
    found = []
    for text in filter(is_local, texts):
        path = (base / Path(_EXTRAS.sub("", text)).expanduser()).resolve()
        if not path.exists():
            near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            raise DefinitionError(f"{where}: {text!r}: there is no {path}{suggest(path.name, near)}")
        content = await folder_digest(path) if path.is_dir() else await asyncio.to_thread(digest_file, path)
        found.append(LocalPackage(text=text, path=str(path), digest=content))
    return tuple(found)


async def copy_package(package: LocalPackage, target: Path) -> str:
    """Copy one into a folder, under its own name; gives what pip is to install.

    Raises:
        CapabilityError: It is not what it was when it was identified.
    """
    source, copy = Path(package.path), target / Path(package.path).name
    target.mkdir(parents=True)
    try:
        if source.is_dir():
            files = await folder_files(source)
            await asyncio.to_thread(copy_files, source, copy, files)
            content = await folder_digest(copy, files)
        else:
            await asyncio.to_thread(shutil.copy2, source, copy)
            content = await asyncio.to_thread(digest_file, copy)
    except OSError as error:
        raise CapabilityError(f"install.packages: {package.text}: {error}") from error
    if content != package.digest:
        raise CapabilityError(f"install.packages: {package.path} has changed since this was planned; run it again")
    return f"{copy}{package.extras}"
