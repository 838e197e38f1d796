from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.trainables.code.conftest import Tree
from trainables.code import copies
from trainables.code.copies import copy_name, keep, manifest_files, restore, shipped_copy
from trainables.code.digest import Declarations, UserCode, content_digest, user_code
from trainables.code.import_path import ImportPath
from trainables.code.reference import parse
from trainables.files.storage import LocalFolder
from trainables.vocabulary.refusal import Refusal

Paths = Callable[..., ImportPath]
TASK = {"task.py": "import pack.help", "pack/help.py": "x = 1\r\n", "vocab/en.txt": b"\xff\x00"}

pytestmark = pytest.mark.usefixtures("fresh_process")


@pytest.fixture
def code(tree: Tree, path: Paths) -> UserCode:
    tree(TASK)
    return user_code([parse("task:Net", "task.use")], path(), Declarations(["vocab/*"]))


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(tmp_path / "kept")


def test_a_copy_holds_the_files_at_their_positions(code: UserCode, folder: LocalFolder) -> None:
    assert keep(code, folder.read, folder.write)
    kept = folder.path / copy_name(code.digest)
    names = sorted(p.relative_to(kept).as_posix() for p in kept.rglob("*") if p.is_file())
    assert names == ["code.json", "pack/help.py", "task.py", "vocab/en.txt"]
    assert (kept / "pack/help.py").read_bytes() == b"x = 1\r\n"
    assert json.loads((kept / "code.json").read_bytes()) == {
        "digest": code.digest,
        "references": ["task:Net"],
        "files": {
            "pack/help.py": {"sha256": code.files["pack/help.py"].sha256, "bytes": 7},
            "task.py": {"sha256": code.files["task.py"].sha256, "bytes": 16},
            "vocab/en.txt": {"sha256": code.files["vocab/en.txt"].sha256, "bytes": 2},
        },
    }


def test_a_copy_is_written_once_and_its_manifest_last(code: UserCode, folder: LocalFolder) -> None:
    names: list[str] = []

    def write(name: str, data: bytes) -> None:
        names.append(name.removeprefix(f"code/{code.digest}/"))
        folder.write(name, data)

    assert keep(code, folder.read, write)
    assert names == ["pack/help.py", "task.py", "vocab/en.txt", "code.json"]
    assert not keep(code, folder.read, write)
    assert len(names) == 4


def test_a_copy_without_manifest_is_written_again(code: UserCode, folder: LocalFolder) -> None:
    folder.write(f"code/{code.digest}/task.py", b"half")
    assert keep(code, folder.read, folder.write)
    assert folder.read(f"code/{code.digest}/task.py") == b"import pack.help"


@pytest.mark.parametrize("change", ["edited", "gone"])
def test_code_that_changes_meanwhile_is_refused(
    change: str, code: UserCode, folder: LocalFolder, tree: Tree
) -> None:
    here = tree({"pack/help.py": "x = 2"})
    if change == "gone":
        (here / "pack/help.py").unlink()
    with pytest.raises(Refusal, match=r"pack/help.py must not change while the study starts"):
        keep(code, folder.read, folder.write)
    assert not folder.exists(f"code/{code.digest}/code.json")


def test_a_restored_copy_equals_the_code(
    code: UserCode, folder: LocalFolder, tmp_path: Path
) -> None:
    keep(code, folder.read, folder.write)
    place = restore(folder.read, code.digest, tmp_path / "local")
    assert place == tmp_path / "local" / code.digest
    assert manifest_files(place) == {name: file.sha256 for name, file in code.files.items()}
    for name, file in code.files.items():
        assert (place / name).read_bytes() == file.path.read_bytes()
    assert [p.name for p in place.parent.iterdir()] == [code.digest]


def test_a_process_restores_a_copy_once(
    code: UserCode, folder: LocalFolder, tmp_path: Path
) -> None:
    keep(code, folder.read, folder.write)
    place = restore(folder.read, code.digest, tmp_path)

    def read(name: str) -> bytes:
        raise AssertionError(name)

    assert restore(read, code.digest, tmp_path) == place
    copies._verified_folders.clear()  # as another process on the machine finds it
    assert restore(read, code.digest, tmp_path) == place


@pytest.mark.parametrize("change", ["edited", "gone", "no manifest"])
def test_a_restored_copy_that_was_changed_is_made_anew(
    change: str, code: UserCode, folder: LocalFolder, tmp_path: Path
) -> None:
    keep(code, folder.read, folder.write)
    place = restore(folder.read, code.digest, tmp_path)
    target = place / ("code.json" if change == "no manifest" else "pack/help.py")
    target.unlink()
    if change == "edited":
        target.write_bytes(b"x = 2\r\n")
    copies._verified_folders.clear()
    assert restore(folder.read, code.digest, tmp_path) == place
    assert (place / "pack/help.py").read_bytes() == b"x = 1\r\n"


def test_a_folder_that_is_cleaned_away_is_made_again(
    code: UserCode, folder: LocalFolder, tmp_path: Path
) -> None:
    keep(code, folder.read, folder.write)
    shutil.rmtree(restore(folder.read, code.digest, tmp_path))
    assert (restore(folder.read, code.digest, tmp_path) / "task.py").is_file()


def test_temporary_folders_belong_to_the_user(code: UserCode, folder: LocalFolder) -> None:
    keep(code, folder.read, folder.write)
    place = restore(folder.read, code.digest)
    assert place.parent.stat().st_mode & 0o77 == 0
    shutil.rmtree(place)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "pack/help.py",
            b"x = 2\r\n",
            "pack/help.py must be as it was written, but it has changed",
        ),
        ("pack/help.py", None, "pack/help.py must be in the study folder, but it is missing"),
        ("code.json", None, "code.json must be in the study folder, but it is missing"),
        ("code.json", b"{", "code.json must be as it was written, but it has changed"),
        ("code.json", b'{"files": {}}', "code.json must be as it was written, but it has changed"),
    ],
)
def test_a_damaged_copy_is_refused(
    name: str,
    data: bytes | None,
    message: str,
    code: UserCode,
    folder: LocalFolder,
    tmp_path: Path,
) -> None:
    keep(code, folder.read, folder.write)
    at = copy_name(code.digest)
    folder.delete(f"{at}/{name}")
    if data is not None:
        folder.write(f"{at}/{name}", data)
    with pytest.raises(Refusal) as refusal:
        restore(folder.read, code.digest, tmp_path / "local")
    assert str(refusal.value) == (
        f"{at}/{message}; delete {at} and run the study again, which writes it anew"
    )
    assert not list((tmp_path / "local").glob("*"))


def test_a_manifest_cannot_write_elsewhere(tmp_path: Path) -> None:
    """Even one whose digest is right."""
    digest = content_digest({"../out.py": "0"})
    manifest = json.dumps({"files": {"../out.py": {"sha256": "0"}}}).encode()
    with pytest.raises(Refusal, match=r"code\.json must be as it was written"):
        restore(lambda _: manifest, digest, tmp_path)


def _restore_in_a_process(kept: Path, digest: str, under: Path) -> str:
    return str(restore(LocalFolder(kept).read, digest, under))


def test_processes_that_restore_at_once_agree(
    code: UserCode, folder: LocalFolder, tmp_path: Path
) -> None:
    keep(code, folder.read, folder.write)
    job = (folder.path, code.digest, tmp_path / "local")
    with get_context("fork").Pool(4) as pool:
        places = pool.starmap(_restore_in_a_process, [job] * 16)
    assert set(places) == {str(tmp_path / "local" / code.digest)}
    assert [p.name for p in (tmp_path / "local").iterdir()] == [code.digest]
    assert manifest_files(Path(places[0])) == {n: f.sha256 for n, f in code.files.items()}


def test_a_shipped_copy_is_found_on_the_path(
    code: UserCode, folder: LocalFolder, tmp_path: Path
) -> None:
    keep(code, folder.read, folder.write)
    place = restore(folder.read, code.digest, tmp_path / "unpacked")
    assert shipped_copy(code.digest, ["", str(tmp_path), str(tmp_path / "unpacked")]) == place
    assert shipped_copy(code.digest) is None
    (place / "task.py").write_bytes(b"")
    assert shipped_copy(code.digest, [str(tmp_path / "unpacked")]) is None


def test_a_copy_is_importable_as_it_is(code: UserCode, folder: LocalFolder) -> None:
    keep(code, folder.read, folder.write)
    kept = folder.path / copy_name(code.digest)
    program = "import task; print(task.pack.help.x, task.__file__)"
    result = subprocess.run(
        [
            sys.executable,
            "-I",
            "-B",
            "-c",
            f"import sys; sys.path.insert(0, {str(kept)!r}); {program}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == f"1 {kept / 'task.py'}\n"
