from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trainables.code.conftest import Tree
from trainables.code.import_path import ImportPath
from trainables.code.loading import fault, load, user_line
from trainables.code.reference import parse
from trainables.vocabulary.refusal import Refusal

Paths = Callable[..., ImportPath]

pytestmark = pytest.mark.usefixtures("fresh_process")


@pytest.fixture
def here(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tree({})
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    sys.path.insert(0, str(folder))
    return folder


def _refusal(path: ImportPath, reference: str) -> str:
    with pytest.raises(Refusal) as refusal:
        load(parse(reference, "task.use"), path)
    return str(refusal.value)


def test_an_attribute_is_returned(here: Path, tree: Tree, path: Paths) -> None:
    tree({"p/task.py": "class Net:\n  class Inner:\n    x = 3"})
    assert load(parse("p.task:Net.Inner.x", "task.use"), path()) == 3


@pytest.mark.parametrize(
    ("source", "end"),
    [
        ("\nx = y\n", "NameError: name 'y' is not defined (task.py, line 2)"),
        ("import helper\n", "ZeroDivisionError: division by zero (helper.py, line 3)"),
        ("import json\njson.loads('{')\n", "JSONDecodeError: Expecting property name enclosed in"
         " double quotes: line 1 column 2 (char 1) (task.py, line 2)"),
        ("import not_installed\n", "ModuleNotFoundError: No module named 'not_installed'"
         " (task.py, line 1)"),
        ("import sys\nsys.exit(2)", "SystemExit: 2 (task.py, line 2)"),
        ("raise ValueError", "ValueError (task.py, line 1)"),
        ("raise ValueError('a\\n  b')", "ValueError: a b (task.py, line 1)"),
        ("import broken", "SyntaxError: invalid syntax (broken.py, line 2)"),
        ("from helper2 import x", "ImportError: cannot import name 'x' from 'helper2'"
         " (HERE/helper2.py) (task.py, line 1)"),
    ],
)  # fmt: skip
def test_a_fault_while_importing_has_its_line(
    here: Path, tree: Tree, path: Paths, source: str, end: str
) -> None:
    helper = "def f():\n  import json\n  return 1 / 0\nf()"
    tree({"task.py": source, "helper.py": helper, "helper2.py": "", "broken.py": "\nx ="})
    assert _refusal(path(), "task:Net") == (
        f"task.use must be importable, got 'task:Net': {end.replace('HERE', str(here))}"
    )


@pytest.mark.parametrize(
    ("opened", "told"),
    [
        ("'words.txt'", True),
        ("Path(__file__).parent / 'words.txt'", True),
        ("'other.txt'", False),
        ("'/nowhere/words.txt'", False),
    ],
)
def test_a_file_that_the_copy_lacks_is_to_be_named(
    here: Path, tree: Tree, path: Paths, tmp_path: Path, opened: str, told: bool
) -> None:
    """The code runs from `here`, its copy; the user's own folder has the file."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "words.txt").touch()
    tree({"task.py": f"from pathlib import Path\nopen({opened})"})
    with pytest.raises(Refusal) as refusal:
        load(parse("task:Net", "task.use"), path(), lambda file: own / file.name)
    hint = "line 2); words.txt lies beside it: name it in task.files, and open it from"
    assert (hint in str(refusal.value)) is told
    assert ("task.files" in str(refusal.value)) is told


def test_a_long_message_is_cut(here: Path, tree: Tree, path: Paths) -> None:
    tree({"task.py": "raise ValueError('x' * 1000)"})
    message = _refusal(path(), "task:Net")
    assert message.endswith("xxx... (task.py, line 1)")
    assert len(message) < 400


@pytest.mark.parametrize(
    ("reference", "end"),
    [
        ("task:Nett", "'task:Nett': task.py has no Nett; did you mean Net?"),
        ("task:zzz", "'task:zzz': task.py has no zzz; it defines Net, build"),
        ("task:Net.zzz", "'task:Net.zzz': task.py has no zzz"),
        ("json:zzz", "has no zzz; it defines dump, dumps, detect_encoding, load, loads"),
    ],
)
def test_a_missing_attribute_has_its_near_names(
    here: Path, tree: Tree, path: Paths, reference: str, end: str
) -> None:
    tree({"task.py": "from pathlib import Path\nclass Net: ...\ndef build(): ...\n_x = 1"})
    message = _refusal(path(), reference)
    assert message.startswith("task.use must name what its module defines, got ")
    assert message.endswith(end)


def test_an_attribute_that_cannot_be_worked_out(here: Path, tree: Tree, path: Paths) -> None:
    tree({"task.py": "def __getattr__(name):\n  raise OSError('no disk')"})
    assert _refusal(path(), "task:Net").endswith("OSError: no disk (task.py, line 2)")


def test_a_module_that_is_nowhere(here: Path, tree: Tree, path: Paths) -> None:
    tree({"task.py": ""})
    assert _refusal(path(), "tsak:Net").endswith("nor installed; did you mean task:Net?")
    assert "task.inner is neither in" in _refusal(path(), "task.inner:Net")


def test_the_users_file_is_named_for_the_copy(here: Path, tree: Tree, path: Paths) -> None:
    tree({"task.py": "x = y"})
    reference = parse("task:Net", "task.use")
    with pytest.raises(Refusal, match=r"\(/own/task\.py, line 1\)$"):
        load(reference, path(), lambda file: Path("/own") / file.name)


def test_the_innermost_line_of_the_user_counts(here: Path, tree: Tree, path: Paths) -> None:
    """Below it the library's own lines, above it ours."""
    tree({"task.py": "import json\n\ndef read(text):\n  return json.loads(text)"})
    read = load(parse("task:read", "task.use"), path())
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the line is what counts
        read("[1,")
    line = user_line(caught.value, path())
    assert line is not None and (line.path, line.number) == (here / "task.py", 4)
    assert fault(caught.value, path()).endswith("(task.py, line 4)")


def test_an_error_without_a_line_of_the_user(path: Paths) -> None:
    assert user_line(ValueError("x"), path()) is None
    assert fault(ValueError("x"), path()) == "ValueError: x"
