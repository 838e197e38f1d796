from __future__ import annotations

import json
import os
import site
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest

from tests.trainables.code.conftest import Tree
from trainables.code.import_path import ImportPath, shown_path

Paths = Callable[..., ImportPath]


def test_modules_are_found_without_importing_them(tree: Tree, path: Paths) -> None:
    here = tree(
        {
            "plain.py": "raise SystemExit",
            "pack/__init__.py": "raise SystemExit",
            "pack/inner.py": "",
            "space/part/deep.py": "",
        }
    )
    locations = {
        name: path().find(name)
        for name in ("plain", "pack", "pack.inner", "space", "space.part.deep")
    }
    files = {name: location.path if location else "none" for name, location in locations.items()}
    assert files == {
        "plain": here / "plain.py",
        "pack": here / "pack/__init__.py",
        "pack.inner": here / "pack/inner.py",
        "space": None,
        "space.part.deep": here / "space/part/deep.py",
    }
    positions = {name: place.position for name, place in locations.items() if place and place.path}
    assert positions == {
        "plain": "plain.py",
        "pack": "pack/__init__.py",
        "pack.inner": "pack/inner.py",
        "space.part.deep": "space/part/deep.py",
    }
    assert {place.root for place in locations.values() if place and place.path} == {here}
    assert not {"plain", "pack", "space"} & sys.modules.keys()


@pytest.mark.parametrize("name", ["absent", "plain.inner", "pack.absent", "absent.inner"])
def test_what_is_not_there_is_not_found(tree: Tree, path: Paths, name: str) -> None:
    tree({"plain.py": "", "pack/__init__.py": ""})
    assert path().find(name) is None


def test_a_namespace_package_has_parts_in_several_folders(tree: Tree, path: Paths) -> None:
    here = tree({"space/one.py": "", "lib/space/two.py": "", "lib/space/one.py": ""})
    both = path("here", "here/lib")
    found = {name: both.find(name) for name in ("space.one", "space.two")}
    assert {name: place and place.path for name, place in found.items()} == {
        "space.one": here / "space/one.py",
        "space.two": here / "lib/space/two.py",
    }


def test_the_first_folder_comes_first(tree: Tree, path: Paths) -> None:
    here = tree({"study/task.py": "", "work/task.py": "", "work/json.py": ""})
    location = path("here/study", "here/work").find("task")
    assert location is not None
    assert location.path == here / "study/task.py"


def test_a_file_written_later_is_found(tree: Tree, path: Paths) -> None:
    """Also where the file system's clock is so coarse that the folder looks unchanged."""
    here = tree({"one.py": ""})
    times = here.stat()
    assert path().find("two") is None
    tree({"two.py": ""})
    os.utime(here, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path().find("two") is not None


def test_libraries_and_this_project_are_not_local(tree: Tree, path: Paths) -> None:
    here = tree({"mine.py": "", ".venv/lib/python3.11/site-packages/lib.py": ""})
    local = path().is_local
    assert local(here / "mine.py")
    assert not local(here / ".venv/lib/python3.11/site-packages/lib.py")
    assert not local(Path("/usr/lib/python3/dist-packages/lib.py"))
    assert not local(Path(pytest.__file__))
    assert not local(Path(os.__file__))
    assert not local(Path(str(sys.modules[ImportPath.__module__].__file__)))


def test_another_checkout_of_this_project_is_not_local(tree: Tree, path: Paths) -> None:
    here = tree(
        {
            "other/trainables/code/import_path.py": "",
            "other/analysis/x.py": "",
            "other/examples/task.py": "",
            "analysis/mine.py": "",
        }
    )
    assert not path().is_local(here / "other/analysis/x.py")
    assert path().is_local(here / "other/examples/task.py")
    assert path().is_local(here / "analysis/mine.py")


def test_an_editable_installation_by_a_pth_file_is_local(
    tree: Tree, path: Paths, fresh_process: None
) -> None:
    here = tree({"lib/mine/__init__.py": "", "site-packages/mine.pth": ""})
    tree({"site-packages/mine.pth": f"{here / 'lib'}\n"})
    site.addsitedir(str(here / "site-packages"))
    location = path("elsewhere").find("mine")
    assert location is not None and location.path == here / "lib/mine/__init__.py"
    assert path("elsewhere").is_local(location.path)


def test_an_editable_installation_by_a_finder_is_local(
    tree: Tree, path: Paths, fresh_process: None
) -> None:
    """As setuptools writes it: the package's folder may be called otherwise."""
    here = tree({"src/__init__.py": "", "src/inner.py": "", "mine/data.txt": "no package"})

    class _Finder:
        __module__ = "__editable___mine_finder"

        @classmethod
        def find_spec(cls, name: str, _: object) -> ModuleSpec | None:
            init = here / "src/__init__.py"
            return spec_from_file_location(name, init) if name == "mine" else None

    sys.meta_path.append(_Finder)  # type: ignore[arg-type]
    location = path().find("mine.inner")
    assert location is not None and location.path == here / "src/inner.py"
    assert location.position == "mine/inner.py"
    assert location.root is None
    assert path().is_local(location.path)


def test_what_pip_put_into_a_folder_of_the_path_is_not_local(tree: Tree) -> None:
    """`pip install --target`, beside files of the user's and an editable installation."""
    editable = json.dumps({"url": "file:///x", "dir_info": {"editable": True}})
    here = tree(
        {
            "libs/lib/__init__.py": "",
            "libs/lib-1.0.dist-info/METADATA": "Name: lib\nVersion: 1.0\n",
            "libs/lib-1.0.dist-info/RECORD": "lib/__init__.py,,\n../../bin/lib,,\n",
            "libs/edited.py": "",
            "libs/edited-1.0.dist-info/METADATA": "Name: edited\nVersion: 1.0\n",
            "libs/edited-1.0.dist-info/RECORD": "edited.py,,\n",
            "libs/edited-1.0.dist-info/direct_url.json": editable,
            "libs/mine.egg-info/SOURCES.txt": "mine.py\n",
            "libs/mine.egg-info/PKG-INFO": "Name: mine\nVersion: 1.0\n",
            "libs/mine.py": "",
        }
    )
    path = ImportPath([here], [str(here / "libs")])
    local = {name: path.is_local(here / "libs" / name) for name in ("edited.py", "mine.py")}
    assert local == {"edited.py": True, "mine.py": True}
    assert path.is_local(here / "libs/lib/__init__.py")  # for the study lies around it
    outside = ImportPath([here / "other"], [str(here / "libs")])
    assert not outside.is_local(here / "libs/lib/__init__.py")
    assert outside.is_local(here / "libs/mine.py")
    assert outside.is_local(here / "libs/edited.py")
    assert outside.hidden_by("lib") == f"the installed lib in {here / 'libs'}"


def test_names_that_are_taken(path: Paths) -> None:
    assert path().hidden_by("study") == "a package of this project"
    assert path().hidden_by("random") == "a module of the standard library"
    assert str(path().hidden_by("numpy")).startswith("the installed numpy in ")
    assert path().hidden_by("linalg") is None
    assert path().hidden_by("my_task") is None


def test_builtin_modules_are_known(path: Paths) -> None:
    location = path().find("sys")
    assert location is not None and location.path is None and not location.is_package


def test_near_names(tree: Tree, path: Paths) -> None:
    tree({"my_task.py": "", "pack/model.py": "", "notes.txt": ""})
    assert path().near("my_taks") == "my_task"
    assert path().near("pack.modle") == "pack.model"
    assert path().near("zzz") is None


def test_paths_are_shown_from_the_working_folder(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tree({"a/b.py": ""})
    monkeypatch.chdir(here)
    assert shown_path(here / "a/b.py") == "a/b.py"
    assert shown_path(here.parent) == str(here.parent)
