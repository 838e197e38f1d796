"""`bimp status`: counts by hand, failures named, and what is running now if that is fresh."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from study.definition.studyfile import StudyFile
from study.points.grid_study import GridStudy
from study.points.resolve import resolve
from study.views.status import MOST_NAMED, Status, status, table
from tests.study.conftest import Command
from trainables.files import progress
from trainables.files.leases import Leases
from trainables.files.progress import RUN_LEASE, LiveRun, RunProgress
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
RAW: dict[str, Any] = {
    "name": "small",
    "task": {"dataset": "digits", "model": "mlp"},
    "dense": {"epochs": 2},
    "prune": {"sparsity": {"grid": [0.8, 0.9]}},
    "retrain": {"epochs": 1, "schedule": {"grid": ["ft", "llr"]}},
    "seeds": [0, 1],
}
SEARCH = {
    **RAW,
    "retrain": {"epochs": 1, "discount": {"uniform": [0.1, 1]}},
    "search": {"strategy": "optuna", "trials": 3, "objectives": {"val_accuracy": "max"}},
}
LATEST = RunProgress(
    at=NOW.isoformat(), pid=123, wanted=8, settled=3, failed=0, running=2, waiting=3,
    epochs_per_s=5.094, seconds_left=65.2,
)  # fmt: skip


def write(folder: Path, raw: dict[str, Any], *records: Record) -> StudyFolder:
    study = StudyFolder(str(folder))
    study.folder.write("study.yaml", json.dumps(raw).encode())
    for record in records:
        study.write_record(record)
    return study


def grid_records(*states: str, **more: Any) -> list[Record]:
    """Records of the grid's first trials in these states."""
    trials = GridStudy(StudyFile.of(RAW)).trials
    return [
        Record(t.fingerprint, "small", t.config.resolved(), t.seed, state, **more)
        for t, state in zip(trials, states, strict=False)
    ]


def test_a_grid_by_hand(tmp_path: Path) -> None:
    states = ("done", "done", "diverged", "failed", "stopped")
    other = Record("0" * 16, "small", {}, 0, "done")
    write(tmp_path, RAW, *grid_records(*states), other)
    found = status(str(tmp_path))
    assert (found.name, found.strategy, found.wanted) == ("small", "grid", 8)
    assert found.states == {"done": 2, "diverged": 1, "failed": 1, "stopped": 1}
    assert (found.settled, found.missing, found.others) == (4, 3, 1)
    assert [r.state for r in found.failed] == ["failed"]
    assert found.running is None


def test_a_search_by_hand(tmp_path: Path) -> None:
    keys = [block.key for block in resolve(StudyFile.of(SEARCH)).blocks]
    records = [
        Record("a", "small", {}, 0, "done", origin={"block_key": keys[0]}),
        Record("b", "small", {}, 1, "failed", origin={"block_key": keys[1]}),
        Record("c", "small", {}, 0, "done", origin={"block_key": "of another space"}),
        Record("d", "small", {}, 9, "done", origin={"block_key": keys[0]}),
    ]
    write(tmp_path, SEARCH, *records)
    found = status(str(tmp_path))
    assert (found.strategy, found.wanted, found.settled, found.missing) == ("optuna", 12, 1, 10)
    assert found.others == 2
    assert [r.fingerprint for r in found.failed] == ["b"]


def test_nothing_is_written(tmp_path: Path) -> None:
    write(tmp_path, RAW, *grid_records("done"))
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    status(str(tmp_path))
    assert sorted(str(p) for p in tmp_path.rglob("*")) == before


def test_a_run_at_work_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path, RAW)
    progress.write(folder.folder, LATEST)
    assert status(str(tmp_path), NOW).running is None
    Leases(folder.folder, "the driver").beat(RUN_LEASE)
    assert status(str(tmp_path), NOW).running == LiveRun(LATEST, 0.0)


# In words


def stands(**more: Any) -> Status:
    fields: dict[str, Any] = {
        "name": "small", "strategy": "grid", "location": "/x", "wanted": 8,
        "states": {"done": 2, "diverged": 1, "failed": 0, "stopped": 0}, "missing": 5,
        "others": 0, "failed": [],
    }  # fmt: skip
    return Status(**{**fields, **more})


def test_the_table() -> None:
    assert table(stands()).splitlines() == [
        "study        small (grid)",
        "folder       /x",
        "wanted       8 trials",
        "settled      3 (2 done, 1 diverged, 0 stopped)",
        "failed       0",
        "missing      5",
        "running now  nothing",
    ]


def test_the_table_of_a_live_run() -> None:
    lines = table(stands(running=LiveRun(LATEST, 3.2), others=4)).splitlines()
    assert lines[6:] == [
        "running now  2 trials, 3 waiting, 5.1 epochs/s, left 1 min 5 s (process 123, 3 s ago)",
        "outside      4 trials that the study as it is now does not want",
    ]
    assert "has said nothing lately" in table(stands(running=LiveRun(None)))


def test_failures_are_named_with_their_message_on_one_line() -> None:
    failed = [
        Record("a" * 16, "small", {}, 3, "failed", attempt=2, message="ValueError: no\n luck"),
        Record("b" * 16, "small", {}, 0, "failed"),
    ]
    states = {"done": 0, "diverged": 0, "failed": 2, "stopped": 0}
    lines = table(stands(failed=failed, states=states)).splitlines()
    assert lines[7:] == [
        f"failed: {'a' * 16} (seed 3, attempt 2): ValueError: no luck",
        f"failed: {'b' * 16} (seed 0, attempt 1): no message",
        "bimp run starts failed trials again",
    ]


@pytest.mark.parametrize(("n", "more"), [(MOST_NAMED, 0), (MOST_NAMED + 2, 2)])
def test_of_many_failures_the_rest_is_counted(n: int, more: int) -> None:
    failed = [Record(f"{i:016}", "small", {}, 0, "failed", message="no") for i in range(n)]
    text = table(stands(failed=failed))
    assert text.count("failed: 0") == MOST_NAMED
    assert (f"... and {more} more failed trials" in text) is bool(more)


def test_the_command(tmp_path: Path, bimp: Command) -> None:
    write(tmp_path, RAW, *grid_records("done", "failed", message="OSError: disk full"))
    (tmp_path / "records" / "torn.json").write_text("{")
    ended = bimp("status", tmp_path)
    assert (ended.status, ended.err) == (0, "")
    assert "settled      1 (1 done, 0 diverged, 0 stopped)" in ended.out
    assert "(seed 1, attempt 1): OSError: disk full" in ended.out
    assert "warning: records/torn.json" in ended.out


@pytest.mark.parametrize("text", [None, "name: [", "name: a/b\n"])
def test_a_folder_whose_study_cannot_be_read(
    text: str | None, tmp_path: Path, bimp: Command
) -> None:
    if text is not None:
        (tmp_path / "study.yaml").write_text(text)
    ended = bimp("status", tmp_path)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("bimp: ")
    assert ended.err.count("\n") == 1


OWN: dict[str, Any] = {**RAW, "task": {"use": "my_task:Mine"}}


@pytest.mark.parametrize("looks", [None, b"{", b"[]", b'{"looks": [], "free": []}'])
def test_a_folder_that_has_lost_what_is_known_of_the_code_is_read_as_far_as_it_goes(
    tmp_path: Path, looks: bytes | None, bimp: Command
) -> None:
    records = [Record(name, "small", {}, 0, state) for name, state in
               (("a", "done"), ("b", "failed"), ("c", "done"))]  # fmt: skip
    foreign = Record("d", "other", {}, 0, "done")
    study = write(tmp_path, OWN, *records, foreign)
    if looks is not None:
        study.folder.write("code/looks.json", looks)
    found = status(str(tmp_path))
    assert (found.wanted, found.missing, found.others) == (None, None, 0)
    assert (found.settled, found.states["failed"]) == (2, 1)
    assert [record.fingerprint for record in found.failed] == ["b"]
    ended = bimp("status", tmp_path)
    assert ended.status == 0
    assert "wanted       unknown" in ended.out
    assert "warning: code/looks.json of the folder is missing or damaged" in ended.out


def test_a_search_that_has_lost_it_is_read_too(tmp_path: Path) -> None:
    """What the search has asked for is a configuration, which nobody can make without the facts."""
    raw = {**SEARCH, "task": OWN["task"]}
    key = resolve(StudyFile.of(raw)).blocks[0].key
    done = Record("a", "small", {}, 0, "done", origin={"block_key": key, "number": 0})
    study = write(tmp_path, raw, done)
    assert (status(str(tmp_path)).wanted, status(str(tmp_path)).settled) == (12, 1)
    study.folder.write(f"asked/{key}-1.json", b'{"retrain.discount": 0.5}')
    assert (status(str(tmp_path)).wanted, status(str(tmp_path)).settled) == (None, 1)


def test_a_rule_that_hangs_on_what_is_lost_is_no_refusal(tmp_path: Path) -> None:
    """A method of the user's: which structures it removes is known from its code alone."""
    filters = {"sparsity": 0.8, "structure": "filters"}
    raw = {**RAW, "method": "my_method:Mine", "prune": filters, "budget": {"epochs": 3}}
    del raw["dense"], raw["retrain"]
    write(tmp_path, raw, Record("a", "small", {}, 0, "done"))
    found = status(str(tmp_path))
    assert found.wanted is None
    assert found.states["done"] == 1
