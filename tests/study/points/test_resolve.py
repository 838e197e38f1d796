"""From a study file to points: cells, blocks, trials, each made once, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from study.definition.space import Trial
from study.definition.studyfile import StudyFile
from study.driver.launch import run
from study.points.grid_study import GridStudy
from study.points.resolve import resolve
from trainables.config.chain import fingerprint, stage_chain
from trainables.config.trial import TrialConfig
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record
from trainables.vocabulary.refusal import Refusal

OPTUNA = {"strategy": "optuna", "trials": 3, "objectives": {"val_accuracy": "max"}}


def study_of(**sections: Any) -> StudyFile:
    return StudyFile.of(
        {
            "name": "small",
            "task": {"dataset": "digits", "model": "mlp"},
            "dense": {"epochs": 4},
            "prune": {"sparsity": 0.9},
            "retrain": {"epochs": 1},
            **sections,
        }
    )


def settings(study: StudyFile) -> list[tuple[float, str]]:
    return [(c.prune.sparsity, c.retrain.schedule) for c in GridStudy(study).configs]


def test_cells_come_in_order_the_last_key_fastest() -> None:
    study = study_of(
        prune={"sparsity": {"grid": [0.9, 0.8]}},
        retrain={"schedule": {"grid": ["llr", "ft"]}, "epochs": 1},
    )
    assert settings(study) == [(0.9, "llr"), (0.9, "ft"), (0.8, "llr"), (0.8, "ft")]


def test_a_study_without_domains_is_one_cell() -> None:
    assert settings(study_of()) == [(0.9, "allr")]


def test_all_seeds_of_a_configuration_come_before_the_next() -> None:
    study = study_of(prune={"sparsity": {"grid": [0.8, 0.9]}}, seeds=[5, 3])
    trials = [(t.config.prune.sparsity, t.seed) for t in GridStudy(study).trials]
    assert trials == [(0.8, 5), (0.8, 3), (0.9, 5), (0.9, 3)]
    assert all(t.fingerprint == fingerprint(t.config, t.seed) for t in GridStudy(study).trials)


def test_spaces_are_laid_over_the_top_level_and_united() -> None:
    study = study_of(
        prune={"sparsity": {"grid": [0.8, 0.9]}},
        spaces=[
            {"retrain": {"schedule": "ft"}},
            {"prune": {"sparsity": 0.7}, "retrain": {"schedule": {"grid": ["llr", "slr"]}}},
        ],
    )
    assert settings(study) == [(0.8, "ft"), (0.9, "ft"), (0.7, "llr"), (0.7, "slr")]
    assert [space.overlay for space in resolve(study).spaces] == ["spaces.0", "spaces.1"]


def test_cells_that_ask_for_the_same_are_one_configuration() -> None:
    study = study_of(
        retrain={
            "schedule": {"grid": ["llr", "allr"]},
            "epochs": 1,
            "discount": {"grid": [0.5, "adaptive"]},
        }
    )
    found = [(c.retrain.schedule, c.retrain.discount) for c in GridStudy(study).configs]
    assert found == [("llr", 0.5), ("allr", 0.5), ("allr", "adaptive")]
    overlapping = study_of(spaces=[{"prune": {"sparsity": 0.9}}, {"dense": {"momentum": 0.9}}])
    assert len(GridStudy(overlapping).configs) == 1


def test_parameters_of_named_choices_may_be_domains() -> None:
    study = study_of(
        task={"dataset": "digits", "model": {"name": "mlp", "hidden": {"grid": [[8], [4, 4]]}}}
    )
    hidden = [c.task.model.parameters["hidden"] for c in GridStudy(study).configs]
    assert hidden == [(8,), (4, 4)]


def test_a_named_choice_may_be_a_domain() -> None:
    models = ["cnn", {"name": "mlp", "hidden": [4]}]
    study = study_of(task={"dataset": "digits", "model": {"grid": models}})
    assert [c.task.model.name for c in GridStudy(study).configs] == ["cnn", "mlp"]


def test_the_first_invalid_cell_is_named() -> None:
    study = study_of(
        prune={"sparsity": 0.9, "cycles": {"grid": [21, 22, 23]}},
        retrain={"schedule": {"grid": ["ft", "llr"]}, "epochs": 1},
    )
    with pytest.raises(Refusal) as refused:
        GridStudy(study).check()
    assert str(refused.value) == (
        "prune.cycles must be <= the 21 optimiser steps of retraining, got 22"
        " (first in the cell prune.cycles=22, retrain.schedule='ft')"
    )


def test_too_many_cells_are_refused_before_they_are_made() -> None:
    sparsities = [i / 2000 for i in range(1001)]
    study = study_of(prune={"sparsity": {"grid": sparsities}}, seeds=list(range(1000)))
    with pytest.raises(Refusal, match=r"the grids must make at most 100000 trials, got 1001000"):
        resolve(study).check()


def test_a_key_that_no_trial_uses_is_refused_and_one_that_some_use_is_not() -> None:
    idle = study_of(retrain={"schedule": {"grid": ["llr", "ft"]}, "epochs": 1, "discount": 0.5})
    with pytest.raises(Refusal, match=r"retrain\.discount must be absent where no trial uses it"):
        resolve(idle).check()
    resolve(
        study_of(retrain={"schedule": {"grid": ["llr", "allr"]}, "epochs": 1, "discount": 0.5})
    ).check()


def test_an_idle_key_of_one_overlay_counts_if_another_uses_it() -> None:
    resolve(study_of(spaces=[{"retrain": {"schedule": "llr", "discount": 0.5}}, {}])).check()


# Search spaces


def search_study(**sections: Any) -> StudyFile:
    retrain = {"epochs": 1, "discount": {"uniform": [0.1, 1]}}
    return study_of(**{"retrain": retrain, "search": OPTUNA, **sections})


def test_every_grid_leaf_makes_blocks() -> None:
    study = search_study(
        prune={"sparsity": {"grid": [0.8, 0.9]}},
        spaces=[{}, {"dense": {"lr": {"grid": [0.05, 0.1]}}}],
    )
    found = resolve(study).blocks
    assert [dict(b.cell) for b in found] == [
        {"prune.sparsity": 0.8},
        {"prune.sparsity": 0.9},
        {"dense.lr": 0.05, "prune.sparsity": 0.8},
        {"dense.lr": 0.05, "prune.sparsity": 0.9},
        {"dense.lr": 0.1, "prune.sparsity": 0.8},
        {"dense.lr": 0.1, "prune.sparsity": 0.9},
    ]
    assert [b.number for b in found] == list(range(6))
    assert len({b.key for b in found}) == 6
    assert set(found[0].space.sampled) == {"retrain.discount"}


def key(**sections: Any) -> str:
    (block,) = resolve(search_study(**sections)).blocks
    return block.key


def test_a_block_keeps_its_key_while_its_space_stays() -> None:
    same = [
        key(),
        key(seeds=[1, 2]),
        key(name="other"),
        key(search={**OPTUNA, "trials": 9, "seed": 3}),
        key(resources={"cpus": 2}),
    ]
    assert len(set(same)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"retrain": {"epochs": 1, "discount": {"uniform": [0.2, 1]}}},
        {"retrain": {"epochs": 1, "discount": {"loguniform": [0.1, 1]}}},
        {"retrain": {"epochs": 2, "discount": {"uniform": [0.1, 1]}}},
        {"dense": {"epochs": 4, "lr": {"uniform": [0.1, 0.2]}}},
        {"prune": {"sparsity": {"grid": [0.9]}}},
    ],
)
def test_another_space_is_another_block(change: dict[str, Any]) -> None:
    assert key(**change) != key()


def test_a_search_needs_something_to_sample_in_every_space() -> None:
    fixed = study_of(search=OPTUNA, prune={"sparsity": {"grid": [0.8, 0.9]}})
    with pytest.raises(Refusal, match=r"in every space, got only prune\.sparsity"):
        resolve(fixed).check()
    half = study_of(search=OPTUNA, spaces=[{"dense": {"lr": {"uniform": [0.1, 0.2]}}}, {}])
    with pytest.raises(Refusal, match=r"search\.strategy optuna must have a sampled domain"):
        resolve(half).check()


def test_a_block_without_a_valid_point_is_refused() -> None:
    with pytest.raises(Refusal, match=r"got 1\.0 \(no valid point in 200 random ones\)"):
        resolve(search_study(prune={"sparsity": {"grid": [0.9, 1.0]}})).check()


def test_a_block_with_few_valid_points_is_accepted() -> None:
    resolve(search_study(retrain={"epochs": 1, "discount": {"uniform": [0.9, 3]}})).check()


def test_a_sampled_key_that_only_rare_points_use_is_not_idle() -> None:
    schedules = ["ft", "lrw", "slr", "clr", "llr", "allr"]
    retrain = {
        "epochs": 1,
        "schedule": {"choice": schedules},
        "discount": {"uniform": [0.1, 1]},
    }
    resolve(search_study(retrain=retrain)).check()
    retrain["schedule"] = {"choice": schedules[:-1]}
    with pytest.raises(Refusal, match=r"retrain\.discount must be absent where no trial uses it"):
        resolve(search_study(retrain=retrain)).check()


def test_representatives_name_every_data_set_and_model() -> None:
    task = {"dataset": {"choice": ["digits", "mnist"]}, "model": {"choice": ["mlp", "cnn"]}}
    found = resolve(search_study(task=task)).representatives
    assert {(c.task.dataset.name, c.task.model.name) for c in found} == {
        ("digits", "mlp"), ("digits", "cnn"), ("mnist", "mlp"), ("mnist", "cnn"),
    }  # fmt: skip
    grid = study_of(task={"dataset": {"grid": ["digits", "mnist"]}, "model": "mlp"})
    assert [c.task.dataset.name for c in resolve(grid).representatives] == ["digits", "mnist"]


def test_representatives_need_not_be_valid_at_the_low_bound() -> None:
    found = resolve(
        search_study(retrain={"epochs": 1, "discount": {"uniform": [0, 1]}})
    ).representatives
    assert len(found) == 1


def test_a_trial_knows_its_fingerprint_and_origin() -> None:
    (config,) = GridStudy(study_of()).configs
    trial = Trial.of(config, 3, {"number": 7})
    assert trial.fingerprint == fingerprint(config, 3)
    assert trial.origin == {"number": 7}


def test_a_trial_knows_its_chain() -> None:
    (trial,) = GridStudy(study_of()).trials
    assert trial.chain == stage_chain(trial.config, trial.seed)


def test_a_whole_run_makes_each_configuration_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the check to the summary, in a folder where all is settled: no Ray is started."""
    study = study_of(prune={"sparsity": {"grid": [0.8, 0.9]}}, seeds=[0, 1])
    folder = StudyFolder(str(tmp_path))
    for trial in GridStudy(study).trials:
        record = Record(trial.fingerprint, "small", trial.config.resolved(), trial.seed, "done")
        folder.write_record(record)
    made: list[Any] = []
    validate = TrialConfig.of

    def counted(raw: Any) -> TrialConfig:
        made.append(raw)
        return validate(raw)

    monkeypatch.setattr(TrialConfig, "of", counted)
    summary = run(resolve(study), str(tmp_path))
    assert summary.complete and summary.settled == 4
    assert [raw["prune"]["sparsity"] for raw in made] == [0.8, 0.9]
