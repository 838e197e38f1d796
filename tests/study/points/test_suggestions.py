"""What a search has asked for: kept in the folder, and joined with the records there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study.definition.space import Block, Trial
from study.definition.studyfile import StudyFile
from study.points.resolve import resolve
from study.points.resolved_study import Earlier
from study.points.search_study import SearchStudy
from study.points.suggestions import Point, open_points, origin_of, remember
from trainables.files.storage import LocalFolder
from trainables.files.trial_record import Record

RAW: dict[str, Any] = {
    "name": "asked",
    "task": {"dataset": "digits", "model": "mlp"},
    "dense": {"epochs": 4},
    "prune": {"sparsity": 0.9},
    "retrain": {"epochs": 1, "schedule": {"choice": ["ft", "llr"]}},
    "seeds": [0, 1],
    "search": {"strategy": "optuna", "trials": 2, "objectives": {"val_accuracy": "max"}},
}
WIDER = {**RAW, "retrain": {"epochs": 1, "schedule": {"choice": ["ft", "llr", "slr"]}}}


def only_block(study: StudyFile) -> Block:
    (block,) = resolve(study).blocks
    return block


def trial_of(study: StudyFile, number: int, schedule: str, seed: int) -> Trial:
    block, params = only_block(study), {"retrain.schedule": schedule}
    config = block.space.config({**block.cell, **params})
    return Trial.of(config, seed, origin_of(block, number, params, config, study.search))


def record_of(trial: Trial, val: float) -> Record:
    return Record(
        trial.fingerprint, "asked", trial.config.resolved(), trial.seed, "done",
        metrics={"val_accuracy": val}, origin=dict(trial.origin),
    )  # fmt: skip


def test_a_point_is_open_until_every_seed_has_a_record(tmp_path: Path) -> None:
    study, folder = StudyFile.of(RAW), LocalFolder(tmp_path)
    point = Point(only_block(study).key, 1, {"retrain.schedule": "ft"})
    remember(folder, point)
    remember(folder, Point("another", 0, {}))
    records = [record_of(trial_of(study, 1, "ft", seed), 0.5) for seed in (0, 1)]
    assert open_points(study, folder, [], {point.block_key}) == ([point], [])
    assert open_points(study, folder, records[:1], {point.block_key}) == ([point], [])
    assert open_points(study, folder, records, {point.block_key}) == ([], [])


def test_a_trial_of_an_earlier_space_counts_in_the_one_that_asked_for_it(tmp_path: Path) -> None:
    """The space was widened: ft and llr are known from before, and slr, the worst, is new."""
    before, study, folder = StudyFile.of(RAW), StudyFile.of(WIDER), LocalFolder(tmp_path)
    old = [
        record_of(trial_of(before, number, schedule, seed), val)
        for number, (schedule, val) in enumerate((("ft", 0.7), ("llr", 0.9)))
        for seed in (0, 1)
    ]
    new = [record_of(trial_of(study, 0, "slr", seed), 0.2) for seed in (0, 1)]
    for number, schedule in enumerate(("slr", "llr")):
        remember(folder, Point(only_block(study).key, number, {"retrain.schedule": schedule}))
    resolved = SearchStudy(study)
    earlier = resolved.earlier(folder, [*old, *new])
    assert [point.number for point in earlier.points] == [1]
    assert resolved.n_trials == len(resolved.members(earlier.records)) == 4
    ((best,),) = resolved.unbeaten(earlier.records)
    assert best.params == {"retrain.schedule": "llr"}
    assert best.means["val_accuracy"] == 0.9


def test_a_grid_asks_for_nothing(tmp_path: Path) -> None:
    raw = {**RAW, "search": {"strategy": "grid"}, "retrain": {"epochs": 1, "schedule": "ft"}}
    assert resolve(StudyFile.of(raw)).earlier(LocalFolder(tmp_path), []) == Earlier([])
