"""Data that is elsewhere: object storage through fsspec, the Hub through huggingface_hub, and a cache keyed by content.

A file that came over the network is stored once under its SHA-256; a small index remembers which content an URL had
with which entity tag, so an unchanged file is not loaded twice, and a changed one is never mistaken for the old one.
With HF_HUB_OFFLINE=1 nothing is asked of the network and what is in the caches is used.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, cast

import msgspec

from weigh.define.data_files import format_of, select_files
from weigh.records.digest import digest, digest_file
from weigh.records.errors import DataError, WeighError

Fetch = Callable[[str, str | None, str | None, str | None, Path], list[Path]]
"""(url, split, subset, revision, cache folder) -> local files."""

_EXTRAS = {"s3": "weigh[s3]", "gs": "weigh[gcs]", "gcs": "weigh[gcs]"}


class _Entry(msgspec.Struct):
    """What the index remembers of an URL: its entity tag and its content's digest."""

    tag: str
    sha256: str
    name: str


def cache_folder(cache: Path | None = None) -> Path:
    """Where fetched data is kept: `cache`, else `$WEIGH_CACHE`, else `weigh` in the user's cache folder."""
    if cache is not None:
        return cache
    own = os.environ.get("WEIGH_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weigh"


def offline() -> bool:
    """Whether the network must not be asked."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def is_remote(path: str) -> bool:
    """Whether a path is an URL."""
    return "://" in path


def fetch(
    url: str, split: str | None, subset: str | None, revision: str | None, cache: Path | None = None
) -> list[Path]:
    """Bring the files of an URL here and return where they are.

    Raises:
        DataError: They cannot be reached, or a package that speaks the protocol is missing.
    """
    scheme = url.split("://", 1)[0]
    handler = SCHEMES.get(scheme, _fetch_fsspec)
    if isinstance(handler, str):
        module, _, name = handler.partition(":")
        handler = cast("Fetch", getattr(importlib.import_module(module), name))
    return handler(url, split, subset, revision, cache_folder(cache) / "data")


def _fetch_fsspec(url: str, split: str | None, subset: str | None, revision: str | None, cache: Path) -> list[Path]:
    index = cache / "index" / digest([url, split, subset])
    if offline():
        return [_cached(cache, one, url) for one in _listed(index, url)]
    system, root = _open_system(url)
    try:
        if format_of(root) and not system.isdir(root):
            names = [root]
        else:
            found = {p.removeprefix(root.rstrip("/") + "/"): p for p in system.find(root)}
            if not found:
                raise DataError(f"data {url!r}: nothing there")
            names = [found[name] for name in select_files(list(found), split, subset, url)]
        files = [_fetch_one(system, name, url, cache) for name in names]
    except FileNotFoundError:
        raise DataError(f"data {url!r} does not exist") from None
    except WeighError:
        raise
    except Exception as error:  # each protocol's package has exceptions of its own
        raise DataError(f"data {url!r} cannot be read: {type(error).__name__}: {_first_line(error)}") from error
    _write(index, msgspec.json.encode(names))
    return files


def _open_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of an URL and the path within it."""
    import fsspec

    scheme = url.split("://", 1)[0]
    try:
        system, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        what = f"pip install '{extra}'" if extra else str(error)
        raise DataError(f"data {url!r}: no package for {scheme}:// is installed; {what}") from None
    except ValueError as error:
        raise DataError(f"data {url!r}: {error}") from None
    system.invalidate_cache()
    return system, root


def _fetch_one(system: Any, path: str, url: str, cache: Path) -> Path:
    info = system.info(path)
    tag = digest([str(info.get(k)) for k in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "size")])
    place = cache / "index" / digest([url, path])
    entry = _read_entry(place)
    if entry and entry.tag == tag and (known := _blob(cache, entry)).is_file():
        return known
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cache, delete=False) as part:
        temporary = Path(part.name)
    try:
        system.get_file(path, str(temporary))
        entry = _Entry(tag=tag, sha256=digest_file(temporary), name=PurePosixPath(path).name)
        blob = _blob(cache, entry)
        blob.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(blob)
    finally:
        temporary.unlink(missing_ok=True)
    _write(place, msgspec.json.encode(entry))
    return blob


def _cached(cache: Path, path: str, url: str) -> Path:
    entry = _read_entry(cache / "index" / digest([url, path]))
    if entry is None or not (blob := _blob(cache, entry)).is_file():
        raise DataError(f"data {url!r} is not in the cache ({cache}) and HF_HUB_OFFLINE is set")
    return blob


def _listed(index: Path, url: str) -> list[str]:
    if not index.is_file():
        raise DataError(f"data {url!r} is not in the cache ({index.parent.parent}) and HF_HUB_OFFLINE is set")
    return msgspec.json.decode(index.read_bytes(), type=list[str])


def _blob(cache: Path, entry: _Entry) -> Path:
    return cache / "blobs" / entry.sha256 / entry.name


def _read_entry(place: Path) -> _Entry | None:
    return msgspec.json.decode(place.read_bytes(), type=_Entry) if place.is_file() else None


def _write(place: Path, data: bytes) -> None:
    """Write at once, so that a reader never sees half of it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as part:
        part.write(data)
    Path(part.name).replace(place)


def _fetch_hub(url: str, split: str | None, subset: str | None, revision: str | None, cache: Path) -> list[Path]:
    """`hf://datasets/OWNER/NAME[@REVISION][/PATH]`: the Hub's own cache keeps the files, by content."""
    import huggingface_hub
    from huggingface_hub import errors

    repo, kind, revision, inside = _parse_hub(url, revision)
    known = cache / "index" / digest([repo, kind, revision])  # the commit that a branch meant when it was last asked
    where: dict[str, Any] = {"repo_id": repo, "repo_type": kind, "revision": revision}
    try:
        if offline():
            if known.is_file():
                where["revision"] = known.read_text()
            root = Path(huggingface_hub.snapshot_download(**where, local_files_only=True))
            names = [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()]
            return [root / name for name in _hub_select(names, inside, split, subset, url)]
        api = huggingface_hub.HfApi()
        info = api.repo_info(**where)
        names = [file.rfilename for file in getattr(info, "siblings", None) or []]
        where["revision"] = info.sha
        _write(known, str(info.sha).encode())
        return [
            Path(huggingface_hub.hf_hub_download(filename=name, **where))
            for name in _hub_select(names, inside, split, subset, url)
        ]
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, OSError) as error:
        hint = (
            " (it may be gated or private: set HF_TOKEN)" if isinstance(error, errors.RepositoryNotFoundError) else ""
        )
        raise DataError(f"data {url!r} cannot be had from the Hub: {_first_line(error)}{hint}") from None


def _hub_select(names: list[str], inside: str, split: str | None, subset: str | None, url: str) -> list[str]:
    """The files asked for: one by its path, or those of a folder by split and subset."""
    if inside in names:
        return [inside]
    prefix = inside.rstrip("/") + "/" if inside else ""
    found = [n.removeprefix(prefix) for n in names if n.startswith(prefix)]
    return [prefix + name for name in select_files(found, split, subset, url)]


def _parse_hub(url: str, revision: str | None) -> tuple[str, str, str | None, str]:
    """Repository, its type, revision and the path within it."""
    parts = url.removeprefix("hf://").split("/")
    kind = "dataset" if parts[0] == "datasets" else "space" if parts[0] == "spaces" else "model"
    if kind != "model":
        parts = parts[1:]
    if len(parts) < 2 or not all(parts[:2]):
        raise DataError(f"data {url!r}: write hf://datasets/OWNER/NAME, optionally with @REVISION and /PATH")
    name, _, at = parts[1].partition("@")
    return f"{parts[0]}/{name}", kind, revision or at or None, "/".join(parts[2:])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


SCHEMES: dict[str, Fetch | str] = {"hf": _fetch_hub, "package": "weigh.define.package_data:fetch_package"}
"""Schemes with a way of their own, as a function or as where to import it from; all others go through fsspec."""
