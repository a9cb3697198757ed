from __future__ import annotations

import os

import pytest

from weigh.execute.sandboxes.folder import DiskWatch, inside, read_below, remove_folder, write_below
from weigh.records.errors import Failure


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/passwd", "/workspace/../etc/passwd", "", "/workspace", "a\0b"]
)
def test_a_path_that_leaves_the_workspace_is_refused(path):
    with pytest.raises(Failure):
        inside(path)


def test_write_and_read_back(tmp_path):
    write_below(tmp_path, "a/b/c.txt", b"one")
    write_below(tmp_path, "/workspace/a/b/c.txt", b"2")
    assert read_below(tmp_path, "a/b/c.txt", limit=10) == b"2"
    with pytest.raises(Failure, match="larger"):
        write_below(tmp_path, "big", b"x" * 11)
        read_below(tmp_path, "big", limit=10)
    with pytest.raises(Failure, match="no file"):
        read_below(tmp_path, "nothing", limit=10)


def test_no_link_is_followed_and_nothing_odd_is_read(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    os.mkfifo(root / "pipe")
    (root / "real").mkdir()
    for path in ("file", "folder/secret", "pipe", "real"):
        with pytest.raises(Failure):
            read_below(root, path, limit=100)
    for path in ("file", "folder/new", "pipe"):
        with pytest.raises(Failure):
            write_below(root, path, b"x")
    assert (outside / "secret").read_text() == "secret"
    assert not (outside / "new").exists()


def test_too_many_bytes_or_entries_are_noticed_and_may_be_cleaned_up(tmp_path):
    for i in range(10):
        write_below(tmp_path, f"d/{i}", b"x" * 8192)
    assert DiskWatch(tmp_path, size=1 << 20, files=100).begin()() is None
    assert DiskWatch(tmp_path, size=1 << 20, files=5).begin()() == "files"
    watch = DiskWatch(tmp_path, size=40_000, files=100)
    assert watch.begin()() == "disk"
    look = watch.begin()  # the next command finds it full, and empties it
    assert look() is None
    (tmp_path / "d" / "0").unlink()
    assert look() is None
    write_below(tmp_path, "more", b"x" * 30_000)
    assert look() == "disk"


def test_a_folder_goes_whatever_its_permissions(tmp_path):
    folder = tmp_path / "f"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c").write_text("x")
    (folder / "a" / "b").chmod(0)
    (folder / "a").chmod(0)
    remove_folder(folder)
    assert not folder.exists()
