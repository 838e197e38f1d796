"""Folders: the same contract on a disk and in an object store; whole writes only."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import fs

from trainables.files.storage import Folder, LocalFolder, RemoteFolder, is_remote, open_folder


@pytest.fixture(scope="session")
def s3_uri() -> Iterator[str]:
    """A bucket of a server on this machine that speaks S3."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    before = {key: os.environ.get(key) for key in keys}
    os.environ.update(keys)
    server.start()
    try:
        host, port = server.get_host_and_port()
        place = f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"
        filesystem, _ = fs.FileSystem.from_uri(f"s3://bucket?{place}&allow_bucket_creation=true")
        filesystem.create_dir("bucket")
        yield f"s3://bucket/root?{place}"
    finally:
        server.stop()
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """A folder that is not there yet."""
    if request.param == "local":
        return LocalFolder(tmp_path / "root")
    base, _, query = str(request.getfixturevalue("s3_uri")).partition("?")
    return open_folder(f"{base}/{tmp_path.name}?{query}")


def test_what_is_written_is_read_back(folder: Folder) -> None:
    folder.write("a/b.json", b"one")
    assert folder.read("a/b.json") == b"one"
    folder.write("a/b.json", b"")
    assert folder.read("a/b.json") == b""


def test_a_missing_file_is_missing(folder: Folder) -> None:
    assert not folder.exists("a.json")
    with pytest.raises(FileNotFoundError):
        folder.read("a.json")
    folder.write("a.json", b"x")
    assert folder.exists("a.json")
    assert not folder.exists("a")


def test_a_folder_is_not_a_file(folder: Folder) -> None:
    folder.write("a/b", b"x")
    assert not folder.exists("a")


def test_names_are_sorted_and_of_one_level(folder: Folder) -> None:
    assert folder.names() == []
    assert folder.names("records") == []
    for name in ("records/b.json", "records/a.json", "study.yaml", "records/deep/c.json"):
        folder.write(name, b"x")
    assert folder.names() == ["records", "study.yaml"]
    assert folder.names("records") == ["a.json", "b.json", "deep"]


def test_files_and_folders_are_deleted_and_absent_ones_left(folder: Folder) -> None:
    folder.write("a/b/c", b"x")
    folder.write("a/d", b"x")
    folder.delete("a/d")
    assert folder.names("a") == ["b"]
    folder.delete("a/b")
    assert not folder.exists("a/b/c")
    folder.delete("a/b")
    folder.delete("nothing")


def test_a_child_is_the_folder_below(folder: Folder) -> None:
    folder.child("stages").write("x/y", b"1")
    assert folder.read("stages/x/y") == b"1"
    assert folder.child("stages").child("x").names() == ["y"]
    assert folder.child("stages").location.partition("?")[0].endswith("/stages")


def test_a_location_leads_back(folder: Folder) -> None:
    folder.child("below").write("a", b"1")
    assert open_folder(folder.child("below").location).read("a") == b"1"


def test_bytes_of_all_kinds_and_sizes(folder: Folder) -> None:
    data = bytes(range(256)) * 5000
    folder.write("large", data)
    assert folder.read("large") == data


# On a disk


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = LocalFolder(tmp_path)
    folder.write("a", b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        folder.write("a", b"new")
    assert folder.read("a") == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_temporary_files_of_a_killed_writer_are_not_seen(tmp_path: Path) -> None:
    (tmp_path / ".tmp-0123").write_bytes(b"half")
    LocalFolder(tmp_path).write("a", b"whole")
    assert LocalFolder(tmp_path).names() == ["a"]


def test_readers_see_the_old_bytes_or_the_new_never_less(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    versions = [bytes([i]) * 100_000 for i in range(30)]
    folder.write("a", versions[0])

    def write_all() -> None:
        for version in versions:
            folder.write("a", version)

    writer = threading.Thread(target=write_all)
    writer.start()
    while writer.is_alive():
        assert folder.read("a") in versions
    writer.join()
    assert folder.read("a") == versions[-1]


def test_names_below_a_file_are_none(tmp_path: Path) -> None:
    LocalFolder(tmp_path).write("a", b"x")
    assert LocalFolder(tmp_path).names("a") == []
    with pytest.raises(OSError, match="a"):
        LocalFolder(tmp_path).write("a/b", b"x")


@pytest.mark.parametrize(
    ("location", "remote"),
    [
        ("results/x", False),
        ("/data/x", False),
        ("file:///data/x", False),
        ("s3://bucket/x", True),
        ("gs://bucket/x", True),
    ],
)
def test_what_is_remote(location: str, remote: bool) -> None:
    assert is_remote(location) is remote


def test_local_locations_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert open_folder("x").location == str(tmp_path / "x")
    assert open_folder(Path("x/y")).location == str(tmp_path / "x" / "y")
    assert open_folder("~/x").location == str(tmp_path / "home" / "x")
    assert open_folder(f"file://{tmp_path}/x").location == str(tmp_path / "x")


def test_an_uri_that_is_not_understood_is_named() -> None:
    with pytest.raises(ValueError, match=r"cannot open folder 'nix://bucket/x'"):
        open_folder("nix://bucket/x")


def test_options_of_an_uri_stay_at_its_end() -> None:
    folder = RemoteFolder(fs.LocalFileSystem(), "b/x", "s3://b/x?region=here")
    assert folder.child("stages").location == "s3://b/x/stages?region=here"
    assert folder.location == "s3://b/x?region=here"


def test_nothing_is_there_where_a_file_stands_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    folder = LocalFolder(tmp_path / "file" / "below")
    assert folder.names() == [] and not folder.exists("one")
    with pytest.raises(FileNotFoundError, match="file/below/one"):
        folder.read("one")


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/etc/passwd", ".."])
def test_no_name_leads_out_of_a_folder(folder: Folder, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_bytes(b"another's")
    folder.write("a/b", b"1")
    with pytest.raises(FileNotFoundError, match="the name leads out of its folder"):
        folder.read(name)
    for way_in in (lambda: folder.write(name, b"x"), lambda: folder.delete(name)):
        with pytest.raises(FileNotFoundError, match="the name leads out of its folder"):
            way_in()
    assert not folder.exists(name)
    assert folder.names(name) == [] and folder.sizes(name) == {}
    assert (tmp_path / "secret").read_bytes() == b"another's"


@pytest.mark.parametrize("scheme", ["mock", "hf", "fsspec+s3", "http", "S3", "\uff533"])
def test_only_object_stores_are_opened(scheme: str) -> None:
    """pyarrow hands what it does not know to other packages, some of which fetch what they like."""
    with pytest.raises(ValueError, match="its scheme must be one of s3, gs, gcs, abfs, abfss, "):
        open_folder(f"{scheme}://datasets/x")


def test_a_home_of_nobody_is_a_folder_of_that_name(tmp_path: Path) -> None:
    assert LocalFolder("~nobody-of-this-name/x").path == Path.cwd() / "~nobody-of-this-name/x"


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "zeros").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    for name in ("zeros", "pipe"):
        with pytest.raises(OSError, match="no regular file"):
            LocalFolder(tmp_path).read(name)
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert LocalFolder(tmp_path).read("link") == b"1", "links to files are fine"
