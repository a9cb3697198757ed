"""The venv that installations begin from: what it has they see, read-only, and do not install again.

For what is large and the same for all revisions, as torch is: it is then on the disk once instead of once a revision.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from weigh.execute.sandboxes.process import run_process
from weigh.records.digest import digest
from weigh.records.errors import CapabilityError, DefinitionError, Failure

LISTED = "weigh-base.pth"
_ASK = """
import importlib.metadata, json, os, site, sys
packages = sorted({f"{d.name}=={d.version}" for d in importlib.metadata.distributions(path=site.getsitepackages())})
places = [os.path.realpath(p) for p in site.getsitepackages() if os.path.isdir(p)]
print(json.dumps({"version": "%d.%d" % sys.version_info[:2], "places": places, "packages": packages}))
"""


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a venv.

    Attributes:
        version: Of its Python: `3.11`. Packages of one do not work with another.
        places: The folders of its packages.
        packages: What is in them, `name==version`.
    """

    version: str
    places: tuple[str, ...]
    packages: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Of what it has, without where."""
        return digest([self.version, self.packages])


def base_file(base: Base, installation: Path) -> Path:
    """The file in an installation that will list the folders of a base, one a line, for its Python to look in last.

    Python takes a folder that stands in a `.pth` file as it is: what the base has installed editable is not seen.

    Raises:
        CapabilityError: The installation is of another Python.
    """
    (packages,) = installation.glob("lib/python*/site-packages")
    version = packages.parent.name.removeprefix("python")
    if version != base.version:
        raise CapabilityError(
            f"install.base is of Python {base.version}, and this installation of {version}; "
            f'say `python: "{base.version}"` if this machine has it'
        )
    return packages / LISTED


async def find_base(text: str, folder: Path, where: str) -> Base:
    """Ask a venv what it has.

    Args:
        text: Its folder, as it was written.
        folder: Where a relative one begins.
        where: Where it was written, for the error.

    Raises:
        DefinitionError: There is no venv there.
    """
    place = folder / Path(text).expanduser()
    python = place / "bin" / "python"
    if not python.is_file():
        raise DefinitionError(f"{where}: {text!r} is no venv: there is no {python}")
    try:
        ended = await run_process([str(python), "-I", "-c", _ASK], env={}, timeout=60)
    except Failure as failure:
        raise DefinitionError(f"{where}: {python} cannot be run: {failure.error.message}") from None
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {ended.returncode}"]
        raise DefinitionError(f"{where}: {python} cannot be run: {said[-1]}")
    return msgspec.json.decode(ended.stdout, type=Base)
