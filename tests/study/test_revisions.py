"""What a study calls a revision, made exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.study.kit import git
from weigh.define.study import StudyRevision
from weigh.records.errors import DefinitionError
from weigh.study.git import Repository, between
from weigh.study.packages import Release
from weigh.study.revisions import resolve_revisions
from weigh.study.sources import fetch_source, source_has
from weigh.study.spec import ProfileSpec


def spec(library: Path) -> ProfileSpec:
    return ProfileSpec(name="greet", repository=str(library), package="greet")


async def resolved(library: Path, *entries: StudyRevision) -> list[tuple[str, str]]:
    return [(r.name, r.id) for r in await resolve_revisions(spec(library), library.parent, entries)]


async def test_tags_commits_branches_and_ranges(library: Path) -> None:
    first, second = git(library, "rev-parse", "v1.0.0"), git(library, "rev-parse", "v1.1.0")
    assert await resolved(library, StudyRevision(ref="v1.0.0..v1.1.0")) == [("v1.0.0", first), ("v1.1.0", second)]
    assert await resolved(library, StudyRevision(ref=first[:10], name="w/o skill"), StudyRevision(ref="main")) == [
        ("w/o skill", first),
        ("main", second),
    ]


async def test_a_folder_is_what_is_in_it(library: Path, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.py").write_text("1")
    [(name, before)] = await resolved(library, StudyRevision(folder=str(tmp_path / "lib")))
    (tmp_path / "lib" / "__pycache__").mkdir()
    (tmp_path / "lib" / "__pycache__" / "a.pyc").write_text("x")
    assert await resolved(library, StudyRevision(ref=str(tmp_path / "lib"))) == [(name, before)]
    (tmp_path / "lib" / "a.py").write_text("2")
    assert (await resolved(library, StudyRevision(folder=str(tmp_path / "lib"))))[0][1] != before


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([StudyRevision(ref="v1.2.0")], "'v1.2.0' is no tag, branch or commit of .*; did you mean 'v1.1.0'|'v1.0.0'"),
        ([StudyRevision(ref="v1.0.0..v1.2.0")], "did you mean"),
        ([StudyRevision(ref="v1.1.0..v1.0.0")], "from one release tag to a later one"),
        ([StudyRevision(ref="v1.1.0"), StudyRevision(ref="main")], "'v1.1.0' and 'main' are the same"),
        ([StudyRevision(ref="v1.0.0", name="x"), StudyRevision(ref="main", name="x")], "two revisions are called 'x'"),
        ([StudyRevision(ref="v1.0.0..v1.1.0", name="both")], "several revisions, which cannot share the name 'both'"),
        ([StudyRevision(version="1.0..1.1", name="both")], "several revisions, which cannot share the name 'both'"),
        ([StudyRevision(folder="./nowhere")], "there is no folder"),
    ],
)
async def test_what_is_wrong_is_said(library: Path, entries: list[StudyRevision], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        await resolve_revisions(spec(library), library.parent, entries)


async def test_a_release_of_a_profile_without_a_package_is_told_so(library: Path) -> None:
    only = ProfileSpec(name="greet", repository=str(library))
    with pytest.raises(
        DefinitionError, match=r"'1\.0': a `version` is a release, and profile 'greet' has no `package`"
    ):
        await resolve_revisions(only, library.parent, [StudyRevision(version="1.0")])


async def test_a_wrong_ref_is_told_the_newest_tags_and_no_branch(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "one")
    for tag in ("v1.9.0", "v1.10.0", "v1.2.0", "v2.0.0-rc1", "nightly", "v1.8.0"):
        git(tmp_path, "tag", tag)
    only = ProfileSpec(name="greet", repository=str(tmp_path))
    with pytest.raises(DefinitionError, match=r"; the newest tags are v1\.8\.0, v1\.9\.0, v1\.10\.0$"):
        await resolve_revisions(only, tmp_path, [StudyRevision(ref="qqqq")])


def test_a_range_goes_by_version_and_leaves_out_other_tags() -> None:
    tags = ["v5.10.0", "v5.9.0", "v5.9.1", "v5.8.0", "v5.8.0-rc1", "ci-5.8.5", "v4.0.0", "nightly"]
    assert between(tags, "v5.8.0", "v5.10.0") == ["v5.8.0", "v5.9.0", "v5.9.1", "v5.10.0"]
    assert between(tags, "v5.8.0-rc1", "v5.9.0") == ["v5.8.0-rc1", "v5.8.0", "v5.9.0"]
    assert between(["1.10.0", "1.9", "2.0"], "1.9", "1.10.0") == ["1.9", "1.10.0"]


async def test_the_source_of_a_commit_is_whole_and_has_no_history(library: Path) -> None:
    [first, second] = await resolve_revisions(
        spec(library), library.parent, [StudyRevision(ref="v1.0.0"), StudyRevision(ref="v1.1.0")]
    )
    assert not await source_has(first, "skill/SKILL.md")
    assert await source_has(second, "skill/SKILL.md")
    before = git(library, "status", "--porcelain"), git(library, "rev-parse", "HEAD")
    folder = await fetch_source(first)
    assert {p.name for p in folder.iterdir()} == {
        "pyproject.toml", "backend.py", ".gitattributes", "README.md", "greet.py",
    }  # fmt: skip
    assert "1.0.0" in (folder / "greet.py").read_text()
    assert (git(library, "status", "--porcelain"), git(library, "rev-parse", "HEAD")) == before


async def test_a_repository_with_an_address_is_cloned_and_kept_up(library: Path, tmp_path: Path) -> None:
    away = tmp_path / "away.git"
    git(tmp_path, "clone", "-q", "--bare", str(library), str(away))
    repository = Repository(f"file://{away}", tmp_path)
    assert not repository.local
    assert await repository.commit("v1.0.0") == git(library, "rev-parse", "v1.0.0")
    work = tmp_path / "work"
    git(tmp_path, "clone", "-q", str(away), str(work))
    git(work, "commit", "-q", "--allow-empty", "-m", "third")
    git(work, "push", "-q", "origin", "HEAD:refs/heads/main")
    assert await Repository(f"file://{away}", tmp_path).commit("main") == git(work, "rev-parse", "HEAD")


async def test_a_release_is_remembered(library: Path, cache: Path) -> None:
    kept = cache / "studies" / "releases" / "greet-3.1.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text('{"name": "greet", "version": "3.1", "sha256": "ab"}')
    [made] = await resolve_revisions(spec(library), library.parent, [StudyRevision(version="3.1")])
    assert (made.name, made.id, made.digest) == ("3.1", "greet==3.1", "ab")
    assert made.release == Release(name="greet", version="3.1", sha256="ab")
