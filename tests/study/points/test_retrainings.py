"""Studies with several `retrain.seeds`: what they want, hand out, learn, confirm and count."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from study.definition.space import Trial
from study.definition.studyfile import StudyFile
from study.points.agenda import Agenda, Ending
from study.points.grid_study import GridSource
from study.points.resolve import resolve
from study.points.search_study import SearchStudy
from study.points.suggestions import Point, open_points, remember
from study.views.plan import plan, table
from tests.study.points.test_optuna_source import record_of, records_of, run, source_of, study_of
from trainables.files.storage import LocalFolder
from trainables.vocabulary.refusal import Refusal

GRID: dict[str, Any] = {
    "name": "again",
    "task": {"dataset": "digits", "model": "mlp"},
    "dense": {"epochs": 2},
    "prune": {"sparsity": {"grid": [0.8, 0.9]}},
    "retrain": {"epochs": 1, "seeds": [0, 1, 2]},
    "seeds": [0, 1],
}
MIXED: dict[str, Any] = {
    **{k: v for k, v in GRID.items() if k not in ("dense", "retrain")},
    "retrain": {"seeds": [0, 1, 2]},
    "spaces": [
        {"dense": {"epochs": 2}, "retrain": {"epochs": 1}},
        {"method": "gmp", "budget": {"epochs": 4}},
    ],
}
"""Two configurations of imp, each with 2 x 3 trials, and two of gmp, each with 2."""

SEARCH = {"epochs": 1, "discount": {"uniform": [0.05, 1]}, "seeds": [0, 7]}


def test_a_grid_wants_every_retraining_and_shares_the_dense_runs(tmp_path: Path) -> None:
    grid = resolve(StudyFile.of(GRID))
    trials = grid.trials
    assert trials is not None and grid.n_trials == len(trials) == 2 * 2 * 3
    assert grid.n_configurations == 2
    assert [t.replicate for t in trials[:6]] == [(s, k) for s in (0, 1) for k in (0, 1, 2)]
    assert len({t.chain[0].hash for t in trials}) == 2
    single = resolve(StudyFile.of({**GRID, "retrain": {"epochs": 1}})).trials
    assert single is not None
    assert {t.fingerprint for t in single} < {t.fingerprint for t in trials}
    agenda = Agenda(GridSource(trials), {})
    first = [agenda.next(), agenda.next()]
    assert [task and task.goal for task in first] == ["dense", "dense"]
    assert agenda.next() is None  # all others wait for the two dense runs
    planned = plan(grid, str(tmp_path))
    assert planned.training is not None
    assert (planned.training.dense_runs, planned.training.stages) == (2, 2 + 12)
    assert "12 = 2 configurations x 2 seeds x 3 retrainings" in table(planned)


def test_a_method_that_retrains_nothing_has_one_trial_per_seed(tmp_path: Path) -> None:
    grid = resolve(StudyFile.of(MIXED))
    grid.check()
    assert (grid.n_configurations, grid.n_trials) == (4, 2 * 6 + 2 * 2)
    text = table(plan(grid, str(tmp_path)))
    assert "16 of 4 configurations, 2 seeds, 3 retrainings where the method retrains" in text


def test_a_grid_counts_its_records_and_not_those_of_other_retrainings() -> None:
    few, many = (
        resolve(StudyFile.of({**GRID, "retrain": {"epochs": 1, "seeds": seeds}}))
        for seeds in ([0, 1], [0, 1, 2])
    )
    records = [record_of(t, Ending("done")) for t in many.trials or ()]
    stands = few.standing(records)
    assert (stands.wanted, stands.settled, stands.others, stands.fresh) == (8, 8, 4, 0)
    stands = many.standing(records[:5])
    assert (stands.wanted, stands.settled, stands.fresh) == (12, 5, 7)


def ending(trial: Trial) -> Ending:
    """Better at small discounts; seeds and retrainings add noise of their own."""
    discount = trial.config.retrain.discount
    assert isinstance(discount, float)
    seed, again = trial.replicate
    return Ending("done", {"val_accuracy": 0.5 - discount / 10 + seed / 100 + again / 1000})


def test_a_search_learns_the_mean_over_all_trials_of_a_configuration() -> None:
    study = study_of(seeds=[0, 1], retrain=SEARCH, search={"trials": 3})
    source = source_of(study)
    trials = run(source, ending)
    assert source.planned == resolve(study).n_trials == len(trials) == 3 * 4
    assert [t.replicate for t in trials[:4]] == [(0, 0), (0, 7), (1, 0), (1, 7)]
    (search,) = source.searches.values()
    for number, told in enumerate(search.optuna.trials):
        values = [ending(t).metrics["val_accuracy"] for t in trials if t.origin["number"] == number]
        assert told.values == [pytest.approx(fmean(values))]
    _, frozen = source.ended[0]
    by_seed = [fmean(ending(t).metrics["val_accuracy"] for t in trials[i : i + 2]) for i in (0, 2)]
    assert frozen.user_attrs["std of val_accuracy"] == pytest.approx(stdev(by_seed))
    assert len(frozen.user_attrs["fingerprints"]) == 4


def test_a_configuration_is_complete_with_all_its_retrainings_alone(tmp_path: Path) -> None:
    study = study_of(seeds=[0, 1], retrain=SEARCH, search={"trials": 2})
    whole = run(source_of(study), ending)
    records = records_of(whole, ending)
    folder, (block,) = LocalFolder(tmp_path), resolve(study).blocks
    point = Point(block.key, 0, whole[0].origin["params"])
    remember(folder, point)
    assert open_points(study, folder, records[:3], {block.key}) == ([point], [])
    assert open_points(study, folder, records[:4], {block.key}) == ([], [])
    stands = resolve(study).standing(records[:7])
    assert (stands.wanted, stands.settled, stands.fresh) == (8, 7, 1)
    search = SearchStudy(study)
    ((found,),) = search.unbeaten(records[:7])  # the second configuration lacks a retraining
    assert found.params == whole[0].origin["params"]
    assert "means over 2 seeds, 2 retrainings of each" in (search.findings(records) or "")
    again = source_of(study, records[:7])
    rest = [t for t in run(again, ending) if t.fingerprint not in {r.fingerprint for r in records}]
    assert rest == []


def test_a_search_at_retraining_seeds_that_it_no_longer_has_forgets_none_it_has() -> None:
    many = study_of(seeds=[0], retrain={**SEARCH, "seeds": [0, 7, 9]}, search={"trials": 2})
    records = records_of(run(source_of(many), ending), ending)
    stands = resolve(study_of(seeds=[0], retrain=SEARCH, search={"trials": 2})).standing(records)
    assert (stands.wanted, stands.settled, stands.others) == (4, 4, 2)


def test_the_winner_is_confirmed_at_every_retraining_of_the_other_seeds() -> None:
    study = study_of(seeds=[0, 1, 2], retrain=SEARCH, search={"trials": 3, "confirm": 1})
    source = source_of(study)
    trials = run(source, ending)
    assert source.planned == resolve(study).n_trials == len(trials) == 3 * 2 + 2 * 2
    assert [t.replicate for t in trials[:6]] == [(0, 0), (0, 7)] * 3
    assert [t.replicate for t in trials[6:]] == [(1, 0), (1, 7), (2, 0), (2, 7)]
    best = min(trials[:6], key=lambda t: t.config.retrain.discount)
    assert {t.origin["number"] for t in trials[6:]} == {best.origin["number"]}
    records = records_of(trials, ending)
    assert len(resolve(study).members(records)) == 10
    assert resolve(study).n_confirmations == 4


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dense": {}, "retrain": {"seeds": [0, 1]}, "method": "gmp", "budget": {"epochs": 4}},
         r"retrain\.seeds must be absent where no trial retrains, got \[0, 1\]"),
        ({"dense": {"epochs": 2, "lr": 0.1, "schedule": "linear", "weights": "a.pth"}},
         r"retrain\.seeds must be absent beside one file of dense\.weights, whose retrainings are"
         r" seeds, got \[0, 1, 2\]"),
    ],
)  # fmt: skip
def test_retraining_seeds_that_mean_nothing_are_refused(
    changed: dict[str, Any], message: str
) -> None:
    grid = resolve(StudyFile.of({**GRID, **changed}))
    with pytest.raises(Refusal, match=message):
        grid.refuse_idle_retrainings([space.config(cell) for space in grid.spaces
                                      for cell in space.cells()])  # fmt: skip


def test_a_search_that_draws_methods_of_both_kinds_must_have_one() -> None:
    task = {"seeds": [0, 1], "prune": {"sparsity": {"uniform": [0.5, 0.9]}}}
    drawn = {"method": {"choice": ["bimp", "gmp"]}, "dense": {}, "budget": {"epochs": 6}}
    study = study_of(**task, **drawn, retrain={"seeds": [0, 7]})
    with pytest.raises(Refusal, match=r"retrain\.seeds must hold one seed where a search draws"):
        resolve(study).check()
    resolve(study_of(**task, **drawn, retrain={})).check()
