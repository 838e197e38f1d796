from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.trainables.code.conftest import Tree
from trainables.code.digest import Declarations, UserCode, content_digest, module_at, user_code
from trainables.code.import_path import ImportPath
from trainables.code.reference import parse
from trainables.vocabulary.refusal import Refusal

Paths = Callable[..., ImportPath]

TASK = {
    "task.py": "def build():\n    from pack.help import width\n    return width\n",
    "pack/__init__.py": "",
    "pack/help.py": "# how wide\nwidth = 3\n",
    "pack/unused.py": "",
    "vocab/en.txt": "a\nb\n",
    "vocab/de.txt": "c\n",
    "config.yaml": "x: 1\n",
}


def _code(path: ImportPath, *files: str, version: str | None = None) -> UserCode:
    return user_code([parse("task:build", "task.use")], path, Declarations(files, version))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_digest_is_one_of_positions_and_bytes(tree: Tree, path: Paths) -> None:
    """By value, so that settled studies of a user's code stay settled."""
    tree(TASK)
    names = ("config.yaml", "pack/__init__.py", "pack/help.py", "task.py", "vocab/de.txt",
             "vocab/en.txt")  # fmt: skip
    content = {"files": {name: _sha256(TASK[name]) for name in names}}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    code = _code(path(), "vocab/*.txt", "config.yaml")
    assert code.digest == _sha256(text)[:16] == "e40de1afa382ec80"
    assert code.identity == code.digest
    assert tuple(code.files) == names
    assert set(code.modules) == {"task", "pack", "pack.help"}


EDITS: Mapping[str, tuple[str, str]] = {
    "a helper imported inside a function": ("pack/help.py", "# how wide\nwidth = 4\n"),
    "a comment": ("pack/help.py", "# How wide\nwidth = 3\n"),
    "line endings": ("pack/help.py", "# how wide\r\nwidth = 3\r\n"),
    "an empty __init__": ("pack/__init__.py", "\n"),
    "a file that is read": ("vocab/en.txt", "a\n"),
    "one more file": ("vocab/fr.txt", ""),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_the_digest_and_taking_it_back_restores_it(
    edit: str, tree: Tree, path: Paths
) -> None:
    name, content = EDITS[edit]
    here = tree(TASK)
    before = _code(path(), "vocab/*").digest
    tree({name: content})
    assert _code(path(), "vocab/*").digest != before
    tree({name: TASK[name]}) if name in TASK else (here / name).unlink()
    assert _code(path(), "vocab/*").digest == before


@pytest.mark.parametrize(
    "name",
    ["pack/unused.py", "other.py", "config.yaml", "vocab/x.pyc", "pack/__pycache__/help.pyc"],
)
def test_what_is_not_part_of_it_changes_nothing(name: str, tree: Tree, path: Paths) -> None:
    tree(TASK)
    before = _code(path(), "vocab/*").digest
    tree({name: "changed"})
    assert _code(path(), "vocab/*").digest == before


def test_the_digest_depends_on_neither_place_nor_order(
    tree: Tree, path: Paths, tmp_path: Path
) -> None:
    here = tree(TASK)
    patterns = ["vocab/en.txt", "vocab/*", "config.yaml"]
    before = _code(path(), *patterns).digest
    shutil.copytree(here, tmp_path / "there/deep")
    random.Random(0).shuffle(patterns)
    assert _code(path("there/deep"), *patterns).digest == before
    twice = [parse("task:build", "method"), parse("pack.help:width", "task.use")]
    assert user_code(twice, path(), Declarations(patterns)).digest == before


def test_moved_code_is_other_code(tree: Tree, path: Paths) -> None:
    """A module of another name, though of the same bytes."""
    here = tree(TASK)
    before = _code(path()).digest
    (here / "pack/help.py").rename(here / "pack/helper.py")
    tree({"task.py": TASK["task.py"].replace("help", "helper")})
    assert _code(path()).digest != before


def test_files_that_are_modules_already_change_nothing(tree: Tree, path: Paths) -> None:
    tree(TASK)
    assert _code(path(), "task.py", "pack/help.py").digest == _code(path()).digest


def test_a_declared_version_stands_for_the_content(tree: Tree, path: Paths) -> None:
    tree(TASK)
    before, content = _code(path(), version="3"), _code(path())
    tree({"pack/help.py": "width = 4"})
    after = _code(path(), version="3")
    assert before.identity == after.identity == "7222843dc1c40134"
    assert _code(path(), version="4").identity != before.identity
    assert before.digest == content.digest != after.digest
    with pytest.raises(Refusal, match=r"^task\.version must not be empty, got ' '$"):
        _code(path(), version=" ")


def test_a_large_file_is_hashed_in_pieces(tree: Tree, path: Paths) -> None:
    content = bytes(range(256)) * 20_000
    tree({**TASK, "vocab/large.bin": content})
    code = _code(path(), "vocab/large.bin")
    assert code.files["vocab/large.bin"].sha256 == hashlib.sha256(content).hexdigest()


def test_files_keep_their_place_beside_the_modules(tree: Tree, path: Paths) -> None:
    """The study file lies inside the package, which is imported from the working folder."""
    here = tree({"pack/__init__.py": "", "pack/task.py": "", "pack/words.txt": "", "top.txt": ""})
    reference = parse("pack.task:Net", "task.use")
    inside = ImportPath([here / "pack", here], [])
    assert set(user_code([reference], inside, Declarations(["*.txt"])).files) == {
        "pack/__init__.py",
        "pack/task.py",
        "pack/words.txt",
    }


def test_files_keep_their_place_beside_the_innermost_modules(tree: Tree) -> None:
    here = tree({"exps/task.py": "import lib.x", "exps/words.txt": "", "lib/x.py": ""})
    path = ImportPath([here / "exps", here], [])
    assert set(_code(path, "*.txt").files) == {"lib/x.py", "task.py", "words.txt"}


def test_files_lie_below_the_study_file_where_modules_come_from_elsewhere(tree: Tree) -> None:
    here = tree({"study/words.txt": "", "lib/task.py": ""})
    path = ImportPath([here / "study"], [str(here / "lib")])
    assert set(_code(path, "*.txt").files) == {"task.py", "words.txt"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("random.py", "it has the name of a module of the standard library"),
        ("study/data.txt", "it has the name of a package of this project"),
        ("code.json", "a copy's manifest has that name"),
    ],
)
def test_files_that_a_copy_cannot_hold_are_refused(
    name: str, reason: str, tree: Tree, path: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree({**TASK, name: ""}))
    with pytest.raises(Refusal) as refusal:
        _code(path(), name)
    assert str(refusal.value) == f"task.files must match no such file, got {name}: {reason}"


def test_two_files_for_one_position_are_refused(
    tree: Tree, path: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package in the working folder comes before a plain folder beside the study file."""
    here = tree({"work/pack/__init__.py": "", "work/pack/task.py": "1", "study/pack/task.py": "2"})
    monkeypatch.chdir(here)
    path = ImportPath([here / "study", here / "work"], [])
    reference = parse("pack.task:Net", "task.use")
    with pytest.raises(Refusal, match=r"study/pack/task.py: in a copy work/pack/task.py stands at"):
        user_code([reference], path, Declarations(["pack/*"]))
    tree({"study/pack/task.py": "1"})
    assert set(user_code([reference], path, Declarations(["pack/*"])).files) == {
        "pack/__init__.py",
        "pack/task.py",
    }


def test_the_users_own_file_is_known_for_one_of_a_copy(tree: Tree, path: Paths) -> None:
    here = tree(TASK)
    code, copy = _code(path()), Path("/copy")
    assert code.origin(copy / "pack/help.py", copy) == here / "pack/help.py"
    assert code.origin(copy / "absent.py", copy) == copy / "absent.py"
    assert code.origin(Path("/other/x.py"), copy) == Path("/other/x.py")


@pytest.mark.parametrize(
    ("position", "name"),
    [
        ("a.py", "a"),
        ("a/b.py", "a.b"),
        ("a/__init__.py", "a"),
        ("a/fast.cpython-311-x86_64-linux-gnu.so", "a.fast"),
        ("__init__.py", None),
        ("a-b/c.py", None),
        ("a.txt", None),
        ("code.json", None),
    ],
)
def test_modules_by_position(position: str, name: str | None) -> None:
    assert module_at(position) == name


def test_the_digest_of_nothing_is_one_too() -> None:
    assert content_digest({}) == hashlib.sha256(b'{"files":{}}').hexdigest()[:16]
