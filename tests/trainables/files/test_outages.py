"""Outages of a store: how long they are waited for, and what counts as one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from trainables.files import token
from trainables.files.outages import PatientFolder, StoreFolder, StoreOutage
from trainables.files.storage import LocalFolder
from trainables.waiting.patience import Patience, Trouble


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_pauses_double_up_to_the_longest() -> None:
    patience = Patience(600, first_s=0.5, most_s=15)
    assert [patience.pause_s(n) for n in (0, 1, 2, 3, 5, 6, 500)] == [0, 0.5, 1, 2, 8, 15, 15]


def test_trouble_lasts_from_its_first_failure_and_its_pause_ends_with_patience() -> None:
    clock = Clock()
    trouble = Trouble(Patience(4, first_s=1, most_s=15, spread=0), clock)
    assert (trouble.lasting, trouble.spent, trouble.pause_s, trouble.seconds) == (
        False,
        False,
        0,
        0,
    )
    trouble.failed()
    assert (trouble.lasting, trouble.spent, trouble.pause_s) == (True, False, 1)
    clock.now += 1
    assert trouble.pause_s == 0
    trouble.failed()
    assert trouble.pause_s == 2
    clock.now += 2.5
    trouble.failed()
    assert trouble.pause_s == 0.5, "four more seconds would be beyond patience"
    clock.now += 0.499
    assert not trouble.spent
    clock.now += 0.001
    assert trouble.spent
    trouble.over()
    assert (trouble.lasting, trouble.spent, trouble.pause_s) == (False, False, 0)


class Flaky(LocalFolder):
    """A folder whose first `faults` calls fail."""

    def __init__(self, path: Path, faults: int) -> None:
        super().__init__(path)
        self.faults, self.calls = faults, 0

    def _call(self) -> None:
        self.calls += 1
        if self.faults:
            self.faults -= 1
            raise OSError(28, "No space left on device")

    def read(self, name: str) -> bytes:
        self._call()
        return super().read(name)

    def write(self, name: str, data: bytes) -> None:
        self._call()
        super().write(name, data)


def test_an_absent_file_is_an_answer_and_anything_else_an_outage(tmp_path: Path) -> None:
    folder = StoreFolder(Flaky(tmp_path, 2))
    with pytest.raises(StoreOutage, match=rf"{tmp_path} cannot be read or written: .*No space"):
        folder.read("a")
    with pytest.raises(StoreOutage):
        folder.write("a", b"")
    with pytest.raises(FileNotFoundError):
        folder.read("a")
    folder.write("a", b"1")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreOutage):
        folder.write("file/below", b"")  # nothing absent: it cannot be written
    assert folder.child("b").names() == []
    assert (folder.names(), folder.exists("a")) == (["a", "file"], True)


def test_a_patient_folder_tries_again_and_says_so_once(tmp_path: Path) -> None:
    outages: list[StoreOutage] = []
    flaky = Flaky(tmp_path, 3)
    PatientFolder(flaky, Patience(60, first_s=0.001), outages.append).write("a", b"1")
    assert ((tmp_path / "a").read_bytes(), flaky.calls, len(outages)) == (b"1", 4, 1)


def test_patience_ends(tmp_path: Path) -> None:
    flaky = Flaky(tmp_path, 10**9)
    with pytest.raises(StoreOutage):
        PatientFolder(flaky, Patience(0.05, first_s=0.01)).write("a", b"1")
    assert flaky.calls > 2


def test_a_token_is_seen_where_it_was_left_and_only_there(tmp_path: Path) -> None:
    here, other = LocalFolder(tmp_path / "here"), LocalFolder(tmp_path / "other")
    mark, second = token.new_token(), token.new_token()
    token.leave(here, mark)
    assert (token.sees(here, mark), token.sees(here, second)) == (True, False)
    assert not token.sees(other, mark)
    token.leave(here, second)
    token.take_away(here, mark)
    assert (token.sees(here, mark), token.sees(here, second)) == (False, True)
    token.take_away(here)
    assert not token.sees(here, second)


def test_probing_leaves_nothing(tmp_path: Path) -> None:
    token.probe(LocalFolder(tmp_path))
    token.probe(LocalFolder(tmp_path), read=True)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreOutage):
        token.probe(StoreFolder(Flaky(tmp_path, 1)))


def test_a_folder_that_gives_something_else_back_is_refused(tmp_path: Path) -> None:
    class Forgetful(LocalFolder):
        def read(self, name: str) -> bytes:
            return super().read(name)[:-1]

    with pytest.raises(OSError, match=r"probe-.* was written and reads otherwise"):
        token.probe(Forgetful(tmp_path), read=True)
    assert list(tmp_path.iterdir()) == []


def test_a_store_within_the_study_folder_needs_no_token_of_its_own(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert token.places(folder, f"{folder}/stages") == {"the study folder": folder}
    both = token.places(folder, "/elsewhere")
    assert both == {"the study folder": folder, "stage_store": "/elsewhere"}


def test_a_run_s_folders_are_out_without_what_it_left_in_them(tmp_path: Path) -> None:
    here, elsewhere, mark = tmp_path / "here", tmp_path / "elsewhere", token.new_token()
    for place in (here, elsewhere):
        place.mkdir()
    folder, store = token.stores(str(here), str(elsewhere), mark)
    for out in (folder, store, store.child("stage")):
        attempts: list[Callable[[], object]] = [
            partial(out.write, "a", b""),
            partial(out.read, "a"),
            partial(out.exists, "a"),
            out.names,
            out.sizes,
        ]
        for attempt in attempts:
            with pytest.raises(StoreOutage, match=r"is gone from it: .* not mounted any more"):
                attempt()
    (here / "study.yaml").touch()
    token.leave(LocalFolder(elsewhere), mark)
    folder.write("a", b"1")
    store.child("stage").write("b", b"2")
    assert (folder.read("a"), store.read("stage/b"), store.exists("c")) == (b"1", b"2", False)
    _, within = token.stores(str(here), str(here / "stages"), mark)
    assert within.names() == [], "a store in the study folder goes by that folder's sign"
    free, _ = token.stores(str(tmp_path / "new"), str(tmp_path / "new" / "stages"), "")
    free.write("a", b"")  # of no run
