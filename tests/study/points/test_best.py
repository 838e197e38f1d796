"""What a search has found, worked out by hand on a few records."""

from __future__ import annotations

from typing import Any

import pytest

from study.definition.studyfile import StudyFile
from study.points.resolve import resolve
from study.points.search_study import SearchStudy
from trainables.files.trial_record import Record

RAW: dict[str, Any] = {
    "task": {"dataset": "digits", "model": "mlp"},
    "dense": {"epochs": 4},
    "prune": {"sparsity": {"grid": [0.8, 0.9, 0.95]}},
    "retrain": {"schedule": "allr", "epochs": 1, "discount": {"uniform": [0.0, 1.0]}},
}


def study_of(objectives: dict[str, str], seeds: tuple[int, ...] = (0, 1)) -> StudyFile:
    search = {"strategy": "optuna", "trials": 9, "objectives": objectives}
    return StudyFile.of({**RAW, "name": "found", "seeds": list(seeds), "search": search})


BLOCKS = resolve(study_of({"val_loss": "min"})).blocks
KEYS = {block.cell["prune.sparsity"]: block.key for block in BLOCKS}


def record(
    number: int, seed: int, val: float, *, sparsity: float = 0.8, state: str = "done", **more: Any
) -> Record:
    """A record of configuration `number`, whose discount is a tenth of its number."""
    origin = {
        "block": {"prune.sparsity": sparsity},
        "block_key": KEYS[sparsity],
        "number": number,
        "params": {"retrain.discount": number / 10},
    }
    metrics = {"val_accuracy": val, **more} if state == "done" else {}
    return Record(
        f"{sparsity}-{number}-{seed}", "found", {}, seed, state, 1, metrics, origin=origin
    )


def numbers(study: StudyFile, records: list[Record]) -> list[list[int]]:
    blocks = SearchStudy(study).unbeaten(records)
    return [[round(10 * f.params["retrain.discount"]) for f in block] for block in blocks]


def test_the_best_mean_over_seeds_wins_in_each_block() -> None:
    records = [
        record(0, 0, 0.90), record(0, 1, 0.94),
        record(1, 0, 0.99), record(1, 1, 0.83),
        record(2, 0, 0.93), record(2, 1, 0.93),
        record(5, 0, 0.10, sparsity=0.9), record(5, 1, 0.10, sparsity=0.9),
    ]  # fmt: skip
    study = study_of({"val_accuracy": "max"})
    assert numbers(study, records) == [[2], [5]]
    assert SearchStudy(study).unbeaten(records)[0][0].means["val_accuracy"] == pytest.approx(0.93)


def test_ties_are_all_named() -> None:
    records = [record(n, seed, 0.5) for n in (1, 3) for seed in (0, 1)]
    assert numbers(study_of({"val_accuracy": "max"}), records) == [[1, 3]]


@pytest.mark.parametrize("state", ["failed", "diverged", "stopped"])
def test_a_configuration_with_a_bad_seed_is_left_out(state: str) -> None:
    records = [
        record(0, 0, 0.99), record(0, 1, 0.99, state=state),
        record(1, 0, 0.50), record(1, 1, 0.50),
        record(2, 0, 0.99),
    ]  # fmt: skip
    assert numbers(study_of({"val_accuracy": "max"}), records) == [[1]]


def test_several_objectives_give_a_front() -> None:
    values = {0: (0.9, 1.0), 1: (0.9, 2.0), 2: (0.95, 2.0), 3: (0.8, 0.5), 4: (0.7, 0.5)}
    records = [record(n, 0, v, retrain_epochs=e) for n, (v, e) in values.items()]
    study = study_of({"val_accuracy": "max", "retrain_epochs": "min"}, seeds=(0,))
    assert numbers(study, records) == [[2, 0, 3]]


def test_what_no_search_made_is_left_out() -> None:
    stray = Record("x", "found", {}, 0, "done", metrics={"val_accuracy": 1.0})
    assert SearchStudy(study_of({"val_accuracy": "max"})).unbeaten([stray]) == []
    assert SearchStudy(study_of({"val_accuracy": "max"})).findings([stray]) == ""


def test_the_table() -> None:
    records = [
        record(3, seed, 0.9625, test_accuracy=0.95, sparsity=s)
        for s in (0.95, 0.8)
        for seed in (0, 1)
    ]
    lines = SearchStudy(study_of({"val_accuracy": "max"})).findings(records).splitlines()
    assert lines[0] == "Best configurations of each search by val_accuracy max; means over 2 seeds"
    header = ["prune.sparsity", "retrain.discount", "val_accuracy", "test_accuracy"]
    assert lines[2].split() == header
    assert lines[4].split() == ["0.8", "0.3", "96.25", "%", "95.00", "%"]
    assert lines[5].split() == ["0.95", "0.3", "96.25", "%", "95.00", "%"]
    assert "Nothing is chosen by test_accuracy." in lines


def test_a_long_front_is_cut_and_counted() -> None:
    records = [record(n, 0, n / 100, retrain_epochs=float(n)) for n in range(1, 26)]
    study = study_of({"val_accuracy": "max", "retrain_epochs": "min"}, seeds=(0,))
    text = SearchStudy(study).findings(records)
    assert text.startswith("Unbeaten configurations")
    assert "... and 5 more" in text


def test_blocks_that_the_study_no_longer_has_are_left_out() -> None:
    records = [record(1, seed, 0.5) for seed in (0, 1)]
    gone = [record(2, seed, 0.9) for seed in (0, 1)]
    for old in gone:
        old.origin["block_key"] = "another space"
    assert numbers(study_of({"val_accuracy": "max"}), records + gone) == [[1]]
