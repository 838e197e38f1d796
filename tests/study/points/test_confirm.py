"""The best of each block at further seeds, and bounds that a search keeps to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from optuna.trial import TrialState

from study.definition.bounds import bounds_of
from study.definition.space import Trial
from study.definition.studyfile import StudyFile
from study.points.agenda import Agenda, Ending
from study.points.resolve import resolve
from study.points.search_study import SearchStudy
from study.points.winners import winners
from study.views.plan import plan
from study.views.plan import table as plan_table
from tests.study.points.test_optuna_source import record_of, records_of, run, source_of, study_of
from trainables.vocabulary.constraints import excesses, meets
from trainables.vocabulary.refusal import Refusal

SEEDS = [0, 1, 2]


def confirming(**search: Any) -> StudyFile:
    return study_of(seeds=SEEDS, search={"confirm": 1, **search})


def value_of(trial: Trial) -> float:
    discount = trial.config.retrain.discount
    assert isinstance(discount, float)
    return discount


def low(trial: Trial) -> Ending:
    """Best at the least discount; a further seed would choose another configuration."""
    better = 1 - value_of(trial) if trial.seed == 0 else value_of(trial)
    return Ending("done", {"val_accuracy": better, "sparsity": value_of(trial)})


def of_seed(trials: list[Trial], *seeds: int) -> list[Trial]:
    return [t for t in trials if t.seed in seeds]


def discounts_of(trials: list[Trial]) -> set[float]:
    return set(map(value_of, trials))


def test_the_search_runs_at_the_first_seed_and_its_winner_at_the_others() -> None:
    source = source_of(confirming())
    trials = run(source, low)
    assert source.planned == len(trials) == 6 + 2
    assert [t.seed for t in trials] == [0] * 6 + [1, 2]
    best = min(of_seed(trials, 0), key=value_of)
    assert {t.origin["number"] for t in of_seed(trials, 1, 2)} == {best.origin["number"]}
    assert all(t.config == best.config for t in trials[6:])
    assert source.more(0) == []


def test_optuna_learns_nothing_of_the_confirmations() -> None:
    source = source_of(confirming())
    trials = run(source, low)
    (search,) = source.searches.values()
    values = [t.values for t in search.optuna.trials]
    assert values == [[pytest.approx(1 - value_of(t))] for t in of_seed(trials, 0)]
    assert len(source.ended) == 6


def test_no_winner_is_named_before_all_have_ended() -> None:
    source = source_of(confirming(trials=2), slots=3)
    first, second = source.more(0), source.more(1)
    assert first and second
    assert source.more(2) is None
    source.tell(first[0], low(first[0]))
    assert source.more(1) is None
    source.tell(second[0], low(second[0]))
    third = source.more(0)
    assert third is not None
    assert [t.seed for t in third] == [1, 2]


def test_each_block_confirms_its_own_winner() -> None:
    study = study_of(
        seeds=[0, 5],
        prune={"sparsity": {"grid": [0.8, 0.9]}},
        search={"trials": 3, "confirm": 2},
    )
    trials = run(source_of(study), low)
    assert len(trials) == study.trials_per_block(True) * 2 == (3 + 2) * 2
    for sparsity in (0.8, 0.9):
        own = [t for t in trials if t.config.prune.sparsity == sparsity]
        two = sorted(of_seed(own, 0), key=value_of)[:2]
        assert discounts_of(of_seed(own, 5)) == discounts_of(two)


@pytest.mark.parametrize("state", ["diverged", "failed", "stopped"])
def test_a_seed_that_ended_badly_is_not_chosen(state: Any) -> None:
    def worst_wins(trial: Trial) -> Ending:
        return Ending(state) if value_of(trial) < 0.5 else low(trial)

    trials = run(source_of(confirming(trials=10)), worst_wins)
    fit = [t for t in of_seed(trials, 0) if value_of(t) >= 0.5]
    assert discounts_of(of_seed(trials, 1)) == {value_of(min(fit, key=value_of))}


def test_without_any_good_end_nothing_is_confirmed() -> None:
    source = source_of(confirming())
    assert len(run(source, lambda _: Ending("diverged"))) == 6
    assert source.more(0) == []


@pytest.mark.parametrize("cut", range(9))
def test_a_restart_goes_on_where_it_stopped(cut: int) -> None:
    study = confirming()
    whole = run(source_of(study), low)
    records = records_of(whole[:cut], low)
    source = source_of(study, records)
    agenda = Agenda(source, {r.fingerprint: Ending(r.state, r.metrics) for r in records})  # type: ignore[arg-type]
    ran = []
    while not agenda.finished:
        task = agenda.next()
        if task is None:
            continue
        if task.goal == "trial":
            ran.append(task.trial)
        agenda.ended(task, low(task.trial) if task.goal == "trial" else Ending("done"))
    assert len(ran) + cut == 8
    assert {t.fingerprint for t in (*whole[:cut], *ran)} == {t.fingerprint for t in whole}


def test_more_trials_may_name_another_winner_which_is_confirmed_too() -> None:
    study, more = confirming(trials=3), confirming(trials=12)
    whole = run(source_of(study), low)
    records = records_of(whole, low)
    assert resolve(study).standing(records).settled == 5

    again = run(source_of(more, records), low)
    winner = min(of_seed(again, 0), key=value_of)
    assert value_of(winner) < min(map(value_of, whole))
    records += records_of([t for t in again if t.seed == 0], low)
    unique = list({r.fingerprint: r for r in records}.values())
    stands = resolve(more).standing(unique)
    assert (stands.wanted, stands.settled) == (14, 12)  # the old winner's seeds do not count
    unique += [record_of(t, low(t)) for t in of_seed(again, 1, 2)]
    assert resolve(more).n_trials == len(resolve(more).members(unique)) == 14


def test_a_plan_tells_search_and_confirmation_apart(tmp_path: Any) -> None:
    planned = plan(resolve(confirming()), str(tmp_path))
    assert (planned.configurations, planned.seeds, planned.confirmations) == (6, 1, 2)
    assert "8 = 6 configurations x 1 seed + 2 to confirm the best" in plan_table(planned)


def bound(**limits: Any) -> dict[str, Any]:
    return {"constraints": {"sparsity": limits}}


def test_limits_are_numbers_or_keys_of_the_configuration() -> None:
    study = study_of(search=bound(min="prune.sparsity", max=0.99))
    (trial,) = source_of(study).more(0) or []
    assert trial.origin["bounds"] == {"sparsity": {"min": 0.9, "max": 0.99}}


@pytest.mark.parametrize(
    "limit", ["prune.scope", "prune.sparsit", "prune", "task.model.batch_norm"]
)
def test_a_limit_that_is_no_number_is_refused(limit: str) -> None:
    study = study_of(task={"dataset": "digits", "model": "cnn"}, search=bound(min=limit))
    (block,) = resolve(study).blocks
    settings = block.space.config({"retrain.discount": 0.5}).resolved()
    with pytest.raises(Refusal, match=rf"search\.constraints\.sparsity\.min must .* got '{limit}'"):
        bounds_of(study.search.constraints, settings)


@pytest.mark.parametrize(
    ("value", "excess"), [(0.9, -0.0009), (0.8991, 0.0), (0.89, 0.0091), (0.95, -0.0509)]
)
def test_how_far_a_value_is_below_its_least(value: float, excess: float) -> None:
    bounds = {"sparsity": {"min": 0.9}}
    assert excesses(bounds, {"sparsity": value}) == {"sparsity": pytest.approx(excess)}
    assert meets(bounds, {"sparsity": value + 1e-9}) == (excess <= 0)


def test_the_worse_of_two_sides_counts_and_an_absent_metric_binds_nothing() -> None:
    bounds = {"sparsity": {"min": 0.8, "max": 0.9}, "sparsity_by_method": {"min": 1.0}}
    assert excesses(bounds, {"sparsity": 1.0}) == {"sparsity": pytest.approx(0.0991)}


def test_the_sampler_is_told_how_far_beyond_its_bounds_a_point_is() -> None:
    source = source_of(confirming(**bound(min=0.5), trials=8))
    trials = run(source, low)
    (search,) = source.searches.values()
    for told, trial in zip(search.optuna.trials, of_seed(trials, 0), strict=True):
        assert told.state == TrialState.COMPLETE
        assert told.constraints == {"sparsity": pytest.approx(0.5 - value_of(trial) - 0.0005)}
    journaled = [frozen.constraints for _, frozen in source.ended]
    assert journaled == [t.constraints for t in search.optuna.trials]
    chosen = trials[-1].config
    within = [t for t in of_seed(trials, 0) if value_of(t) >= 0.4995]
    assert chosen == min(within, key=value_of).config


def test_a_restored_search_knows_the_bounds_too() -> None:
    study = study_of(search=bound(min=0.5))
    trials = run(source_of(study), low)
    again = source_of(study, records_of(trials, low))
    run(again, low)
    (search,) = again.searches.values()
    assert [t.constraints["sparsity"] for t in search.optuna.trials] == [
        pytest.approx(0.4995 - value_of(t)) for t in trials
    ]


def test_the_worst_seed_decides_whether_a_bound_is_met() -> None:
    def unlike(trial: Trial) -> Ending:
        return Ending("done", {"val_accuracy": 0.5, "sparsity": 0.9 if trial.seed else 0.4})

    source = source_of(study_of(seeds=[0, 1], search=bound(min=0.5)))
    run(source, unlike)
    (search,) = source.searches.values()
    found = [t.constraints["sparsity"] for t in search.optuna.trials]
    assert found == [pytest.approx(0.0995)] * 6


Ends = Callable[[float, float], tuple[dict[str, Any], list[Ending]]]


@pytest.fixture
def ends() -> Ends:
    def made(accuracy: float, sparsity: float) -> tuple[dict[str, Any], list[Ending]]:
        return {}, [Ending("done", {"val_accuracy": accuracy, "sparsity": sparsity})]

    return made


def test_within_bounds_first_then_the_objective_then_the_number(ends: Ends) -> None:
    search = confirming(**bound(min=0.9), confirm=3).search
    ended = {0: ends(0.99, 0.5), 1: ends(0.7, 0.95), 2: ends(0.8, 0.9), 3: ends(0.8, 0.92)}
    assert winners(search, ended) == [2, 3, 1]
    assert winners(search, {0: ends(0.99, 0.5), 1: ends(0.9, 0.8)}) == [1, 0]


def test_the_table_of_the_best_leaves_out_what_is_beyond_and_marks_it_when_alone() -> None:
    study = study_of(search=bound(min=0.5), prune={"sparsity": {"grid": [0.8, 0.9]}})
    trials = run(source_of(study), low)
    records = records_of(trials, low)
    shown = SearchStudy(study).unbeaten(records)
    for block in shown:
        assert all(f.within for f in block)
        assert all(f.means["sparsity"] >= 0.4995 for f in block)
    assert "*" not in SearchStudy(study).findings(records)
    beyond = [record_of(t, Ending("done", {"val_accuracy": 0.3, "sparsity": 0.1})) for t in trials]
    assert not any(f.within for block in SearchStudy(study).unbeaten(beyond) for f in block)
    text = SearchStudy(study).findings(beyond) or ""
    assert "* beyond a bound, as is every configuration there." in text
