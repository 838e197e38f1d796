"""Whether a folder can be written, asked by several runs that start at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from study.checks.readiness import check_folder
from trainables.files.storage import LocalFolder
from trainables.vocabulary.refusal import Refusal


def test_runs_that_start_at_once_in_new_folders_do_not_hinder_each_other(tmp_path: Path) -> None:
    """As the tasks of a job array do: each with its own folder, all with one store."""
    study = tmp_path / "new" / "study"

    def start(task: int) -> None:
        for _ in range(40):
            check_folder(str(study / f"seed-{task}"), "--out")
            check_folder(str(study / "stages"), "stage_store")

    with ThreadPoolExecutor(6) as tasks:
        list(tasks.map(start, range(6)))
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("fault", [FileNotFoundError(2, "none"), FileExistsError(17, "exists")])
def test_a_folder_that_another_run_takes_away_meanwhile_is_made_again(
    fault: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are what the system says: at the file's opening, and within `mkdir` itself."""
    write, faults = LocalFolder.write, [fault, fault]

    def hindered(folder: LocalFolder, name: str, data: bytes) -> None:
        if faults:
            raise faults.pop()
        write(folder, name, data)

    monkeypatch.setattr(LocalFolder, "write", hindered)
    check_folder(str(tmp_path / "new"), "--out")
    assert not faults
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_of_a_check(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    check_folder(str(tmp_path / "there" / "new" / "deep"), "--out")
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match=r"--out must be a folder that can be written, got .*/file/x"):
        check_folder(str(tmp_path / "file" / "x"), "--out")
