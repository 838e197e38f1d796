from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainables.code.conftest import Tree
from trainables.code.patterns import matching_files
from trainables.vocabulary.refusal import Refusal


@pytest.fixture
def here(tree: Tree) -> Path:
    return tree(
        {
            "config.yaml": "",
            "task.py": "",
            "vocab/en.txt": "",
            "vocab/old/de.txt": "",
            "vocab/__pycache__/x.txt": "",
            "vocab/y.pyc": "",
            ".hidden/z.txt": "",
            "runs/study.yaml": "",
            "a b.txt": "",
        }
    )


def _names(here: Path, *patterns: str, leaving_out: tuple[Path, ...] = ()) -> list[str]:
    files = matching_files(patterns, here, leaving_out=leaving_out)
    return [path.relative_to(here).as_posix() for path in files]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("config.yaml", ["config.yaml"]),
        ("./config.yaml", ["config.yaml"]),
        ("vocab/*.txt", ["vocab/en.txt"]),
        ("vocab/**", ["vocab/en.txt", "vocab/old/de.txt"]),
        ("**/*.txt", ["a b.txt", "vocab/en.txt", "vocab/old/de.txt"]),
        ("**/??.txt", ["vocab/en.txt", "vocab/old/de.txt"]),
        (".hidden/*", [".hidden/z.txt"]),
        ("*.y[ab]ml", ["config.yaml"]),
    ],
)
def test_patterns_match_files_below_the_folder(here: Path, pattern: str, names: list[str]) -> None:
    assert _names(here, pattern) == names


def test_each_file_comes_once_whatever_the_order(here: Path) -> None:
    one = _names(here, "vocab/*.txt", "**/*.txt", "config.yaml")
    assert one == _names(here, "config.yaml", "**/*.txt", "vocab/*.txt")
    assert one == ["a b.txt", "config.yaml", "vocab/en.txt", "vocab/old/de.txt"]


def test_what_the_study_writes_can_be_left_out(here: Path) -> None:
    assert _names(here, "**/*.yaml") == ["config.yaml", "runs/study.yaml"]
    assert _names(here, "**/*.yaml", leaving_out=(here / "runs",)) == ["config.yaml"]
    with pytest.raises(Refusal, match=r"task\.files\.0 must match a file"):
        _names(here, "config.yaml", leaving_out=(here / "config.yaml",))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("absent/*", "task.files.1 must match a file in HERE, got 'absent/*'"),
        ("vocab", "task.files.1 must match a file in HERE, got 'vocab'; vocab/** takes the files"
         " of that folder"),
        ("vocab/y.pyc", "task.files.1 must match a file in HERE, got 'vocab/y.pyc'"),
        ("../other.txt", "task.files.1 must stay in the study file's folder, got '../other.txt'"),
        ("a/../../b", "task.files.1 must stay in the study file's folder, got 'a/../../b'"),
        ("/etc/hosts", "task.files.1 must stay in the study file's folder, got '/etc/hosts'"),
        ("~/x", "task.files.1 must stay in the study file's folder, got '~/x'"),
        ("", "task.files.1 must be a pattern, got ''"),
        (3, "task.files.1 must be a pattern, got 3"),
    ],
)  # fmt: skip
def test_patterns_that_are_refused(here: Path, pattern: str, message: str) -> None:
    with pytest.raises(Refusal) as refusal:
        _names(here, "task.py", pattern)
    assert str(refusal.value) == message.replace("HERE", str(here))


def test_links_are_followed_and_circles_left(here: Path, tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far/fr.txt").write_text("")
    (here / "vocab/far").symlink_to(tmp_path / "far")
    (here / "vocab/up").symlink_to(here / "vocab")
    (here / "vocab/gone.txt").symlink_to(here / "nowhere")
    assert _names(here, "vocab/**/*.txt") == [
        "vocab/en.txt",
        "vocab/far/fr.txt",
        "vocab/old/de.txt",
    ]
