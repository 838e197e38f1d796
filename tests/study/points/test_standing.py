"""Where a folder stands against its study, in counts."""

from __future__ import annotations

from typing import Any

import pytest

from study.definition.studyfile import StudyFile
from study.points.grid_study import GridStudy
from study.points.resolve import resolve
from study.points.standing import Standing
from trainables.files.trial_record import Record

RAW: dict[str, Any] = {
    "name": "small",
    "task": {"dataset": "digits", "model": "mlp"},
    "dense": {"epochs": 2},
    "prune": {"sparsity": {"grid": [0.8, 0.9]}},
    "retrain": {"epochs": 1},
    "seeds": [0, 1],
}
SEARCH: dict[str, Any] = {
    **RAW,
    "retrain": {"epochs": 1, "discount": {"uniform": [0.1, 1]}},
    "search": {"strategy": "optuna", "trials": 3, "objectives": {"val_accuracy": "max"}},
}


def record(fingerprint: str, state: str, seed: int = 0, **origin: Any) -> Record:
    return Record(fingerprint, "small", {}, seed, state, origin=origin)


def grid_records(*states: str) -> list[Record]:
    trials = GridStudy(StudyFile.of(RAW)).trials
    return [record(t.fingerprint, s, t.seed) for t, s in zip(trials, states, strict=False)]


@pytest.mark.parametrize(
    ("states", "settled", "failed", "fresh"),
    [
        ((), 0, 0, 4),
        (("done", "diverged", "stopped"), 3, 0, 1),
        (("done", "failed"), 1, 1, 2),
        (("failed",) * 4, 0, 4, 0),
    ],
)
def test_a_grid(states: tuple[str, ...], settled: int, failed: int, fresh: int) -> None:
    records = [*grid_records(*states), record("of another space", "done")]
    standing = resolve(StudyFile.of(RAW)).standing(records)
    assert standing == Standing(wanted=4, settled=settled, failed=failed, others=1)
    assert standing.fresh == fresh


def test_a_search_counts_records_of_its_blocks_and_seeds() -> None:
    search = resolve(StudyFile.of(SEARCH))
    keys = [block.key for block in search.blocks]
    records = [
        record("a", "done", 0, block_key=keys[0]),
        record("b", "failed", 1, block_key=keys[1]),
        record("c", "done", 7, block_key=keys[0]),
        record("d", "done", 0, block_key="of another space"),
        record("e", "done", 0),
    ]
    assert search.standing(records) == Standing(wanted=12, settled=1, failed=1, others=3)
    assert [member.fingerprint for member in search.members(records)] == ["a", "b"]


def test_members_of_a_grid_are_the_trials_it_wants() -> None:
    records = [*grid_records("done", "failed"), record("of another space", "failed")]
    grid = resolve(StudyFile.of(RAW))
    assert [member.state for member in grid.members(records)] == ["done", "failed"]
