"""Where a folder stands against its study, in counts and in words."""

from __future__ import annotations

from typing import Any

import pytest

from study.definition.space import blocks, grid_trials
from study.definition.studyfile import StudyFile
from study.views.standing import Standing, grid_standing, optuna_standing, own_records, sentences
from trainables.files.records import Record

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
    trials = grid_trials(StudyFile.of(RAW))
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
    stands = grid_standing(grid_trials(StudyFile.of(RAW)), records)
    assert stands == Standing(wanted=4, settled=settled, failed=failed, others=1)
    assert stands.fresh == fresh


def test_a_search_counts_records_of_its_blocks_and_seeds() -> None:
    study = StudyFile.of(SEARCH)
    keys = [block.key for block in blocks(study)]
    records = [
        record("a", "done", 0, block_key=keys[0]),
        record("b", "failed", 1, block_key=keys[1]),
        record("c", "done", 7, block_key=keys[0]),
        record("d", "done", 0, block_key="of another space"),
        record("e", "done", 0),
    ]
    stands = optuna_standing(study, keys, records)
    assert (stands.wanted, stands.settled, stands.failed) == (12, 1, 1)
    wanted, own = own_records(study, records)
    assert (wanted, [r.fingerprint for r in own]) == (12, ["a", "b"])


def test_own_records_of_a_grid_are_those_it_wants() -> None:
    records = [*grid_records("done", "failed"), record("of another space", "failed")]
    wanted, own = own_records(StudyFile.of(RAW), records)
    assert (wanted, [r.state for r in own]) == (4, ["done", "failed"])


def said(before: dict[str, Any] | None, now: dict[str, Any], *counts: int) -> list[str]:
    earlier = None if before is None else StudyFile.of(before)
    return sentences(earlier, StudyFile.of(now), Standing(*counts))


def test_what_a_run_says_it_will_do() -> None:
    assert said(None, RAW, 4, 0, 0, 0) == ["starting: 4 trials"]
    assert said(RAW, RAW, 4, 4, 0, 0) == ["complete: all 4 trials are settled, nothing to run"]
    assert said(RAW, RAW, 4, 3, 0, 0) == ["resuming: 3 of 4 trials are settled"]
    assert said(RAW, RAW, 4, 3, 1, 0) == [
        "resuming: 3 of 4 trials are settled",
        "retrying: 1 failed trial",
    ]


def test_what_is_new_is_said() -> None:
    seeds = said(RAW, {**RAW, "seeds": [0, 1, 5, 3]}, 8, 4, 0, 0)
    assert seeds[1:] == ["extending: seeds 3, 5 are new"]
    space = said(RAW, {**RAW, "prune": {"sparsity": {"grid": [0.7, 0.8]}}}, 4, 2, 0, 2)
    assert space[1:] == [
        "extending: the space has changed",
        "keeping: 2 trials outside the study as it is now",
    ]
    more = {**SEARCH, "search": {**SEARCH["search"], "trials": 5}}
    assert said(SEARCH, more, 20, 12, 0, 0)[1:] == [
        "extending: 2 more configurations in each block"
    ]
    assert said(more, SEARCH, 12, 12, 0, 0)[1:] == []
