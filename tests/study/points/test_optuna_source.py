"""Optuna behind the agenda, with a made-up objective in place of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from study.definition.space import Trial
from study.definition.studyfile import StudyFile
from study.points.agenda import Agenda, Ending
from study.points.block_search import MOST_REPEATS
from study.points.optuna_source import OptunaSource
from study.points.resolve import resolve
from study.points.suggestions import Point
from trainables.files.trial_record import Record

RAW: dict[str, Any] = {
    "name": "search",
    "task": {"dataset": "digits", "model": "mlp"},
    "dense": {"epochs": 4},
    "prune": {"sparsity": 0.9},
    "retrain": {"epochs": 1, "discount": {"uniform": [0.05, 1]}},
    "search": {"strategy": "optuna", "trials": 6, "objectives": {"val_accuracy": "max"}},
}

Objective = Callable[[Trial], Ending]


def study_of(*, search: dict[str, Any] | None = None, **sections: Any) -> StudyFile:
    return StudyFile.of({**RAW, **sections, "search": {**RAW["search"], **(search or {})}})


def source_of(study: StudyFile, records: Sequence[Record] = (), slots: int = 1) -> OptunaSource:
    return OptunaSource(resolve(study).blocks, study, records, lambda: slots)


def peak(trial: Trial) -> Ending:
    """An accuracy that is best at a discount of .3, a little different for each seed."""
    discount = trial.config.retrain.discount
    assert isinstance(discount, float)
    return Ending("done", {"val_accuracy": 1 - (discount - 0.3) ** 2 + trial.seed / 1000})


def run(source: OptunaSource, objective: Objective = peak, most: int = 10_000) -> list[Trial]:
    """Take trials from the source, one configuration at a time, and tell how each ended."""
    ran: list[Trial] = []
    while len(ran) < most and (trials := source.more(0)):
        for trial in trials:
            source.tell(trial, objective(trial))
        ran += trials
    return ran


def record_of(trial: Trial, ending: Ending) -> Record:
    return Record(
        trial.fingerprint, "search", trial.config.resolved(), trial.seed, ending.state,
        metrics=dict(ending.metrics), origin=dict(trial.origin),
    )  # fmt: skip


def records_of(trials: list[Trial], objective: Objective = peak) -> list[Record]:
    return [record_of(trial, objective(trial)) for trial in trials]


def numbers(trials: list[Trial]) -> list[int]:
    return [int(trial.origin["number"]) for trial in trials]


def discounts(trials: list[Trial]) -> list[Any]:
    return [trial.config.retrain.discount for trial in trials]


def only_search(source: OptunaSource) -> optuna.Study:
    (search,) = source.searches.values()
    return search.optuna


def states(source: OptunaSource) -> list[str]:
    return [trial.state.name for trial in only_search(source).trials]


def test_the_promised_number_of_configurations_is_reached() -> None:
    source = source_of(study_of())
    trials = run(source)
    assert source.planned == len(trials) == 6
    assert numbers(trials) == list(range(6))
    assert len({t.fingerprint for t in trials}) == 6
    assert states(source) == ["COMPLETE"] * 6
    assert source.more(0) == []


def test_every_block_gets_the_same_number() -> None:
    study = study_of(prune={"sparsity": {"grid": [0.8, 0.9, 0.95]}}, search={"trials": 4})
    source = source_of(study)
    trials = run(source)
    assert source.planned == len(trials) == 12
    by_block: dict[float, list[int]] = {}
    for trial in trials:
        by_block.setdefault(trial.config.prune.sparsity, []).append(int(trial.origin["number"]))
    assert by_block == {s: [0, 1, 2, 3] for s in (0.8, 0.9, 0.95)}


def test_seeds_of_one_configuration_come_together_and_their_mean_is_told() -> None:
    source = source_of(study_of(seeds=[0, 4]))
    first = source.more(0)
    assert first is not None
    assert [(t.seed, t.origin["number"]) for t in first] == [(0, 0), (4, 0)]
    assert discounts(first)[0] == discounts(first)[1]
    source.tell(first[0], Ending("done", {"val_accuracy": 0.5}))
    assert source.ended == []
    source.tell(first[1], Ending("done", {"val_accuracy": 0.8}))
    (told,) = only_search(source).trials
    assert told.values == [pytest.approx(0.65)]
    ((_, frozen),) = source.ended
    assert frozen.values == told.values
    assert frozen.user_attrs == {
        "number": 0,
        "seeds": [0, 4],
        "states": ["done", "done"],
        "fingerprints": [t.fingerprint for t in first],
        "std of val_accuracy": pytest.approx(0.3 / 2**0.5),
    }


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        (("done", "done"), "COMPLETE"),
        (("done", "diverged"), "PRUNED"),
        (("done", "stopped"), "PRUNED"),
        (("done", "failed"), "FAIL"),
        (("failed", "diverged"), "FAIL"),
    ],
)
def test_how_seeds_ended_is_told_to_optuna(ends: tuple[Any, Any], state: str) -> None:
    source = source_of(study_of(seeds=[0, 1], search={"trials": 1}))
    trials = source.more(0)
    assert trials is not None
    for trial, end in zip(trials, ends, strict=True):
        metrics = {"val_accuracy": 0.9} if end == "done" else {}
        source.tell(trial, Ending(end, metrics))
    assert states(source) == [state]
    assert source.more(0) == []


def test_a_missing_objective_is_a_failure_not_a_number() -> None:
    source = source_of(study_of(search={"trials": 1}))
    run(source, lambda _: Ending("done", {"val_loss": 0.1}))
    assert states(source) == ["FAIL"]


def test_nothing_is_left_running() -> None:
    ends = ("done", "diverged", "failed", "stopped", "done", "done")

    def mixed(trial: Trial) -> Ending:
        state: Any = ends[int(trial.origin["number"])]
        return Ending(state, peak(trial).metrics if state == "done" else {})

    source = source_of(study_of())
    run(source, mixed)
    assert states(source) == ["COMPLETE", "PRUNED", "FAIL", "PRUNED", "COMPLETE", "COMPLETE"]


def test_slots_bound_what_is_out() -> None:
    source = source_of(study_of(), slots=2)
    first, second = source.more(0), source.more(1)
    assert first is not None and second is not None
    assert source.more(2) is None
    source.tell(first[0], peak(first[0]))
    assert source.more(1) is not None


def test_the_search_learns() -> None:
    """After its random start TPE asks near the peak at .3."""
    trials = run(source_of(study_of(search={"trials": 30})))
    late = discounts(trials)[20:]
    assert sum(abs(d - 0.3) for d in late) / 10 < 0.15


# Going on


@pytest.mark.parametrize("done", [1, 5, 12])
def test_a_restart_goes_on_as_if_nothing_had_happened(done: int) -> None:
    study = study_of(search={"trials": 14})
    undisturbed = run(source_of(study))
    first = run(source_of(study), most=done)
    again = run(source_of(study, records_of(first)))
    assert [t.fingerprint for t in again] == [t.fingerprint for t in undisturbed]
    assert numbers(again) == list(range(14))


def test_another_seed_of_the_search_asks_other_points() -> None:
    one, other = (run(source_of(study_of(search={"seed": s}))) for s in (0, 1))
    assert not {t.fingerprint for t in one} & {t.fingerprint for t in other}


def test_more_trials_extend_the_search() -> None:
    first = run(source_of(study_of()))
    source = source_of(study_of(search={"trials": 9}), records_of(first))
    again = run(source)
    assert numbers(again) == list(range(9))
    assert [t.fingerprint for t in again[:6]] == [t.fingerprint for t in first]
    assert len({t.fingerprint for t in again}) == 9


def test_more_seeds_are_added_to_the_configurations_there_are() -> None:
    first = run(source_of(study_of(seeds=[0])))
    again = run(source_of(study_of(seeds=[0, 1]), records_of(first)))
    assert [(t.origin["number"], t.seed) for t in again] == [
        (n, s) for n in range(6) for s in (0, 1)
    ]
    assert discounts(again)[::2] == discounts(first)


def test_a_number_whose_record_was_lost_is_not_given_again() -> None:
    """A driver killed between two ends: 0, 1 and 3 have records, 2 has none."""
    first = run(source_of(study_of()), most=4)
    kept = [r for r in records_of(first) if r.origin["number"] != 2]
    again = run(source_of(study_of(), kept))
    assert numbers(again) == [0, 1, 3, 4, 5, 6]


def test_what_was_asked_for_and_has_no_record_is_asked_for_again() -> None:
    """Numbers 2 and 3 were at work when the driver ended: they go on under their numbers."""
    kept: list[Point] = []
    study = study_of()
    source = OptunaSource(resolve(study).blocks, study, (), lambda: 9, remember=kept.append)
    first = [trial for _ in range(4) for trial in source.more(0) or ()]
    assert [point.number for point in kept] == [0, 1, 2, 3]
    again = OptunaSource(resolve(study).blocks, study, records_of(first[:2]), lambda: 9, kept[2:])
    trials = again.more(0) or []
    assert [t.fingerprint for t in trials] == [t.fingerprint for t in first]
    assert numbers(again.more(4) or []) == [4]


def test_a_changed_space_begins_anew() -> None:
    first = run(source_of(study_of()))
    other = study_of(retrain={"epochs": 1, "discount": {"uniform": [0.1, 1]}})
    again = run(source_of(other, records_of(first)))
    assert numbers(again) == list(range(6))
    assert not set(discounts(again)) & set(discounts(first))


def test_failed_trials_of_an_earlier_run_are_asked_for_again() -> None:
    first = run(source_of(study_of()), most=2)
    records = records_of(first)
    records[1] = replace(records[1], state="failed", metrics={})
    source = source_of(study_of(), records)
    endings = {r.fingerprint: Ending("done", r.metrics) for r in records if r.settled}
    agenda = Agenda(source, endings)
    task = agenda.next()
    assert task is not None
    assert task.trial.fingerprint == first[1].fingerprint
    assert agenda.reused == 1


# Repeats


CHOICE = {"epochs": 1, "schedule": {"choice": ["ft", "lrw", "llr"]}}


def by_name(trial: Trial) -> Ending:
    return Ending("done", {"val_accuracy": len(trial.config.retrain.schedule) / 10})


def test_repeats_end_the_search_and_it_says_so() -> None:
    source = source_of(study_of(retrain=CHOICE))
    trials = run(source, by_name)
    assert sorted(t.config.retrain.schedule for t in trials) == ["ft", "llr", "lrw"]
    assert source.ended_early == ["the whole space"]
    assert source.more(0) == []
    repeats = len(only_search(source).trials) - 3
    assert repeats >= MOST_REPEATS


def test_a_repeated_point_is_told_at_once_what_is_known() -> None:
    source = source_of(study_of(retrain=CHOICE))
    run(source, by_name)
    told = {t.params["retrain.schedule"]: t.value for t in only_search(source).trials}
    assert told == {"ft": 0.2, "lrw": 0.3, "llr": 0.3}
    assert set(states(source)) == {"COMPLETE"}


def test_a_block_that_ends_early_is_named_and_the_others_go_on() -> None:
    spaces = [
        {"retrain": CHOICE, "prune": {"sparsity": {"grid": [0.5]}}},
        {"retrain": {"discount": {"uniform": [0.1, 1]}, "epochs": 1}},
    ]
    source = source_of(study_of(retrain={}, spaces=spaces))
    trials = run(source, lambda _: Ending("done", {"val_accuracy": 0.5}))
    assert len(trials) == 3 + 6
    assert source.ended_early == ["prune.sparsity=0.5"]


def test_points_that_break_a_rule_are_left_out() -> None:
    """Half of the discounts are above 1: they fail in Optuna and count as no configuration."""
    source = source_of(study_of(retrain={"epochs": 1, "discount": {"uniform": [0.05, 2]}}))
    trials = run(source)
    assert len(trials) == 6
    assert all(d <= 1 for d in discounts(trials))
    assert numbers(trials) == list(range(6))
    assert states(source).count("COMPLETE") == 6
    assert set(states(source)) == {"COMPLETE", "FAIL"}


# What is searched


def test_several_objectives() -> None:
    objectives = {"val_accuracy": "max", "sparsity": "max", "retrain_epochs": "min"}
    study = study_of(
        prune={"sparsity": {"uniform": [0.5, 0.95]}}, search={"objectives": objectives, "trials": 8}
    )

    def three(trial: Trial) -> Ending:
        sparsity = trial.config.prune.sparsity
        return Ending(
            "done", {"val_accuracy": 1 - sparsity, "sparsity": sparsity, "retrain_epochs": 1.0}
        )

    source = source_of(study)
    trials = run(source, three)
    assert len(trials) == 8
    found = only_search(source)
    assert [d.name for d in found.directions] == ["MAXIMIZE", "MAXIMIZE", "MINIMIZE"]
    assert len(found.best_trials) == 8, "accuracy falls as sparsity rises: all are Pareto optimal"
    assert [t.values for t in found.trials] == [
        [pytest.approx(1 - t.config.prune.sparsity), t.config.prune.sparsity, 1.0] for t in trials
    ]


def test_conditional_keys_are_in_the_point_only_when_active() -> None:
    retrain = {**CHOICE, "schedule": {"choice": ["allr", "llr"]}, "discount": {"uniform": [0.1, 1]}}
    source = source_of(study_of(retrain=retrain, search={"trials": 12}))
    run(source, lambda _: Ending("done", {"val_accuracy": 0.5}))
    complete = [t for t in only_search(source).trials if t.state == TrialState.COMPLETE]
    keys = {t.params["retrain.schedule"]: set(t.params) for t in complete}
    assert keys == {
        "allr": {"retrain.schedule", "retrain.discount"},
        "llr": {"retrain.schedule"},
    }


def test_the_bound_on_cycles_is_kept() -> None:
    study = study_of(
        prune={"sparsity": 0.9, "cycles": {"int": [1, 40]}},
        retrain={"epochs": {"choice": [0.25, 1]}},
        search={"trials": 20},
    )
    source = source_of(study)
    trials = run(source, lambda _: Ending("done", {"val_accuracy": 0.5}))
    assert len(trials) == 20
    assert all(t.config.prune.cycles <= sum(t.config.cycle_steps) for t in trials)
    assert "FAIL" not in states(source)


def test_random_sampling_learns_nothing() -> None:
    """Both samplers draw the same first ten points, TPE's random start; then TPE has learnt."""
    uniform, tpe = (
        discounts(run(source_of(study_of(search={"sampler": s, "trials": 12}))))
        for s in ("random", "tpe")
    )
    assert len(set(uniform)) == 12
    assert uniform[:10] == tpe[:10]
    assert uniform[10:] != tpe[10:]


def test_where_a_point_comes_from_is_in_its_origin() -> None:
    source = source_of(study_of(prune={"sparsity": {"grid": [0.8]}}))
    (key,) = source.searches
    (trial,) = source.more(0) or []
    assert trial.origin == {
        "block": {"prune.sparsity": 0.8},
        "block_key": key,
        "number": 0,
        "params": {"retrain.discount": trial.config.retrain.discount},
    }
