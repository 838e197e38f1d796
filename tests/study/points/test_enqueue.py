"""Points that a study names itself: tried first in every block that can take them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from study.definition.space import Trial
from study.definition.studyfile import StudyFile
from study.points.agenda import Ending
from study.points.journal import Journal
from study.points.optuna_source import OptunaSource
from study.points.resolve import resolve
from trainables.files.trial_record import Record
from trainables.vocabulary.refusal import Refusal


def discount_study(**search: Any) -> StudyFile:
    """Discounts in two blocks of sparsity, the adaptive one first."""
    return StudyFile.of(
        {
            "name": "discounts",
            "task": {"dataset": "digits", "model": "mlp"},
            "dense": {"epochs": 2},
            "prune": {"sparsity": {"grid": [0.8, 0.9]}},
            "retrain": {"epochs": 1, "discount": {"uniform": [0.05, 1]}},
            "search": {
                "strategy": "optuna",
                "trials": 4,
                "objectives": {"val_accuracy": "max"},
                "enqueue": [{"retrain.discount": "adaptive"}, {"retrain.discount": 0.5}],
                **search,
            },
        }
    )


def source_of(study: StudyFile, records: list[Record] | None = None) -> OptunaSource:
    return OptunaSource(resolve(study).blocks, study, records or [], slots=lambda: 1)


def drain(source: OptunaSource) -> list[Trial]:
    """Take every trial, telling each at once that it ended with the same accuracy."""
    taken: list[Trial] = []
    while trials := source.more(0):
        for trial in trials:
            source.tell(trial, Ending("done", {"val_accuracy": 0.9}))
        taken += trials
    return taken


def record_of(trial: Trial) -> Record:
    return Record(
        fingerprint=trial.fingerprint,
        study="discounts",
        config=trial.config.resolved(),
        seed=trial.seed,
        state="done",
        metrics={"val_accuracy": 0.9},
        origin=dict(trial.origin),
    )


def discounts(trials: list[Trial], sparsity: float) -> list[float | str]:
    return [
        t.config.retrain.discount for t in trials if t.origin["block"]["prune.sparsity"] == sparsity
    ]


def test_every_block_begins_with_the_points_named() -> None:
    trials = drain(source_of(discount_study()))
    for sparsity in (0.8, 0.9):
        tried = discounts(trials, sparsity)
        assert tried[:2] == ["adaptive", 0.5]
        assert len(tried) == 4, "points named count as configurations of the block"
        assert all(isinstance(d, float) and 0.05 <= d <= 1 for d in tried[1:])


def test_the_sampler_learns_of_points_inside_the_domain_alone() -> None:
    source = source_of(discount_study())
    drain(source)
    for search in source.searches.values():
        complete = [t.params for t in search.optuna.trials if t.state.name == "COMPLETE"]
        assert complete[0] == {}, "adaptive is no number"
        assert complete[1] == {"retrain.discount": 0.5}
        assert len(complete) == 4


def test_a_restart_repeats_no_point() -> None:
    first = drain(source_of(discount_study()))
    more = discount_study(trials=6)
    again = drain(source_of(more, [record_of(t) for t in first]))
    prints = [t.fingerprint for t in again]
    assert prints[: len(first)] == [t.fingerprint for t in sorted(first, key=_by_block)]
    assert len(set(prints)) == len(prints) == 12
    assert discounts(again, 0.8).count("adaptive") == 1


def _by_block(trial: Trial) -> tuple[float, int]:
    return trial.origin["block"]["prune.sparsity"], trial.origin["number"]


def test_a_point_added_later_is_tried_by_the_next_run() -> None:
    first = drain(source_of(discount_study(enqueue=[])))
    assert "adaptive" not in discounts(first, 0.8)
    more = discount_study(trials=5, enqueue=[{"retrain.discount": "adaptive"}])
    again = drain(source_of(more, [record_of(t) for t in first]))
    assert discounts(again, 0.8)[-1] == "adaptive"
    assert discounts(again, 0.9)[-1] == "adaptive"


def test_a_point_may_leave_keys_to_the_sampler() -> None:
    study = StudyFile.of(
        {
            "name": "partial",
            "task": {"dataset": "digits", "model": "mlp"},
            "dense": {"epochs": 2},
            "prune": {"sparsity": {"uniform": [0.5, 0.9]}},
            "retrain": {"epochs": 1, "discount": {"uniform": [0.05, 1]}},
            "search": {
                "strategy": "optuna",
                "trials": 3,
                "objectives": {"val_accuracy": "max"},
                "enqueue": [{"retrain.discount": "d1"}],
            },
        }
    )
    trials = drain(source_of(study))
    assert trials[0].config.retrain.discount == "d1"
    assert 0.5 <= trials[0].config.prune.sparsity <= 0.9
    assert trials[0].origin["params"].keys() == {"retrain.discount", "prune.sparsity"}
    assert [t.config.retrain.discount for t in trials].count("d1") == 1


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"enqueue": [{"retrain.discount": "adaptve"}]}, r"retrain\.discount must .*'adaptve'"),
        ({"enqueue": [{"prune.sparsity": 0.7}]}, r"search\.enqueue\.0 must give .*discount\), got"),
        ({"enqueue": [{}]}, r"search\.enqueue\.0 .* 1 .*, got {}"),
        ({"trials": 1}, r"search\.enqueue must hold at most search\.trials \(1\) points, got 2"),
    ],
)
def test_wrong_points_are_refused(search: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        resolve(discount_study(**search)).check()


def test_a_grid_takes_no_points() -> None:
    raw = {"name": "grid", "search": {"enqueue": [{"retrain.discount": 0.5}]}}
    with pytest.raises(Refusal, match=r"search\.enqueue must be absent under grid"):
        StudyFile.of(raw)


def test_the_journal_holds_what_the_sampler_may_know(tmp_path: Path) -> None:
    study = discount_study()
    source = source_of(study)
    drain(source)
    journal = Journal(tmp_path / "optuna.journal", study.name, study.search.objectives)
    journal.start(source.ended)
    again = Journal(tmp_path / "optuna.journal", study.name, study.search.objectives)
    again.start(source.ended)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "optuna.journal")))
    for summary in optuna.get_all_study_summaries(storage):
        held = optuna.load_study(study_name=summary.study_name, storage=storage)
        params = [t.params for t in held.get_trials() if t.user_attrs["number"] < 2]
        assert params == [{}, {"retrain.discount": 0.5}]
        assert len(held.get_trials()) == 4


def test_a_point_that_differs_in_the_last_bit_is_the_same_point() -> None:
    study = discount_study(enqueue=[{"retrain.discount": 0.1 + 0.2}])
    assert study.search.enqueue == ({"retrain.discount": 0.3},)
